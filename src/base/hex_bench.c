/* SPDX-License-Identifier: MIT */
#include "base/hex.h"

#include "base/random.h"
#include "test/harness/bench.h"

#define BYTES (64u << 10)

static uint8_t raw[BYTES];
static uint8_t copy[2 * BYTES];
static char text[2 * BYTES];

static void encode(void *arg) {
    (void)arg;
    hex_encode(text, bytes_make(raw, BYTES));
}

static void decode(void *arg) {
    (void)arg;
    if (hex_decode(raw, bytes_make(text, 2 * BYTES), NULL)) __builtin_trap();
}

// The limit: moving the digits once.
static void move(void *arg) {
    (void)arg;
    memcpy(copy, text, sizeof copy);
    __asm__ volatile("" : : "r"(copy) : "memory");
}

int main(void) {
    random_bytes(raw, sizeof raw);
    hex_encode(text, bytes_make(raw, BYTES));
    double limit = bench_best_ns(move, NULL, 200);
    bench_emit("hex encode", BYTES, "bytes", bench_best_ns(encode, NULL, 300), limit);
    bench_emit("hex decode", BYTES, "bytes", bench_best_ns(decode, NULL, 300), limit);
    return 0;
}
