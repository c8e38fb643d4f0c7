# Front door. The build itself is described in meson.build.
#
#   make           release build in build/            make test      all tests, the only command a fresh machine needs
#   make devnet    the whole network, shown working   make bench     benchmarks, drawn
#   make lint      format, static analysis, layers    make fuzz T=60 every fuzz target for T seconds
#   make install   under DESTDIR (PREFIX: first make) make deb       the Debian package in build/
#   make deps      the missing Debian packages        make coverage  branches that the tests reach
#   make format    clang-format over all sources      make clean     all build folders
#   make debug     assertions, no optimisation        make tsan      unit tests with ThreadSanitizer

SHELL := /bin/sh
JOBS ?= $(shell nproc)
T ?= 60
PREFIX ?= /usr/local
RELEASE = -Dlto=true --prefix=$(PREFIX)

.PHONY: all deps check-deps devnet allow test test-fast test-lodestar bench lint format fuzz coverage tsan debug install deb clean help

all: check-deps build/build.ninja
	ninja -C build -j$(JOBS)

help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

deps:
	@tools/deps install build test

check-deps:
	@tools/deps check build

build/build.ninja:
	meson setup build $(RELEASE)
build-debug/build.ninja:
	meson setup build-debug -Doptimization=0 -Db_ndebug=false
build-asan/build.ninja:
	meson setup build-asan -Db_sanitize=address,undefined -Doptimization=1
build-tsan/build.ninja:
	meson setup build-tsan -Db_sanitize=thread -Doptimization=1
build-coverage/build.ninja:
	meson setup build-coverage -Db_coverage=true -Doptimization=0
build-fuzz/build.ninja:
	CC=clang CXX=clang++ meson setup build-fuzz -Dfuzzing=true -Db_sanitize=address,undefined -Doptimization=1

debug: check-deps build-debug/build.ninja
	ninja -C build-debug -j$(JOBS)
tsan: deps build-tsan/build.ninja
	ninja -C build-tsan -j$(JOBS)
	tools/run-tests --suite unit build-tsan

devnet: deps all
	build/buildernet devnet up --show

# Lets an image (or a quote, an event log, a measurement file) in at the running devnet's hub.
allow: all
	build/buildernet devnet allow $(abspath $(FILE)) $(NODE) $(CONFIGURATION)

# Release and asan+ubsan builds, all their tests, lint, and each fuzz target for a few seconds.
test: deps
	JOBS=$(JOBS) tools/test-all

# A real consensus client from npm drives node, relay and a devnet: minutes, half a gigabyte to install.
test-lodestar: deps all
	BN_LODESTAR=1 test/e2e/run build lodestar

# The unit tests of the release build alone.
test-fast: all
	tools/run-tests --suite unit build

bench: deps all
	@tools/deps install bench
	tools/bench

lint: deps all
	tools/lint

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

fuzz: deps build-fuzz/build.ninja
	ninja -C build-fuzz -j$(JOBS)
	tools/fuzz build-fuzz $(T)

coverage: deps build-coverage/build.ninja
	@tools/deps install coverage
	ninja -C build-coverage -j$(JOBS)
	find build-coverage -name '*.gcda' -delete
	tools/run-tests --suite unit --suite corpus build-coverage
	@tools/coverage build-coverage

install: all
	meson install -C build --no-rebuild --destdir "$(DESTDIR)"

deb: deps all
	@tools/deps install deb
	tools/deb

clean:
	rm -rf build build-debug build-asan build-tsan build-coverage build-fuzz
