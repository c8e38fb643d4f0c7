/* SPDX-License-Identifier: MIT */
#include "devnet/places.h"

#include "base/clock.h"
#include "base/process.h"
#include "devnet/parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKAGE "apt-get install iproute2"
#define TOOL_NS (10 * NS_PER_S)
#define TOOL_WORDS_MAX 24
#define OUTPUT_BYTES 4096
#define QUEUE_PACKETS "100000" /* netem drops what is above; more than a slot's traffic */

struct place {
    char name[FAULT_NAME_MAX];
    int fd; // of the namespace
    bool home;
    unsigned source;
};

struct places {
    bool netem;
    int host_fd;
    char ip[PATH_MAX], tc[PATH_MAX];
    struct place places[PLACES_MAX + 1]; // [0]: the host
    atomic_uint count;
};

// Tools

static int run_tool(const char *const *argv, int netns_fd, struct error *why) {
    struct process p;
    const struct process_options o = {
        .argv = argv, .limit_ns = TOOL_NS, .output_bytes = OUTPUT_BYTES, .netns_fd = netns_fd};
    int r = process_run(&p, &o, why);
    if (r == 0 && p.exit_status != 0) {
        struct bytes said = buf_view(&p.out[1]);
        while (said.n && said.p[said.n - 1] == '\n') {
            said.n--;
        }
        r = error_set(why, ERR_IO, "%s: %.*s", strrchr(argv[0], '/') + 1,
                      (int)(said.n < 120 ? said.n : 120), (const char *)said.p);
    }
    process_free(&p);
    return r;
}

// Namespaces

// One that is new: the thread enters it; places_enter leads back.
static int make_namespace(int *ret_fd, struct error *why) {
    if (unshare(CLONE_NEWNET) < 0) return error_set_os(why, ERR_IO, errno, "network namespace");
    *ret_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? error_set_os(why, ERR_IO, errno, "network namespace") : 0;
}

void places_enter(const struct places *p, unsigned place) {
    (void)setns(place == PLACES_HOST ? p->host_fd : p->places[place].fd, CLONE_NEWNET);
}

// Of a device in the thread's namespace: its address (0: it has one) and that it is up.
static int bring_up(const char *device, uint32_t address, struct error *why) {
    struct ifreq q = {.ifr_flags = 0};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(address)}};
    (void)snprintf(q.ifr_name, sizeof q.ifr_name, "%s", device);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0;
    if (ok && address) {
        memcpy(&q.ifr_addr, &a, sizeof a);
        ok = ioctl(fd, SIOCSIFADDR, &q) == 0;
        a.sin_addr.s_addr = htonl(0xfffffffcu);
        memcpy(&q.ifr_netmask, &a, sizeof a);
        ok = ok && ioctl(fd, SIOCSIFNETMASK, &q) == 0;
    }
    ok = ok && ioctl(fd, SIOCGIFFLAGS, &q) == 0;
    q.ifr_flags |= IFF_UP;
    ok = ok && ioctl(fd, SIOCSIFFLAGS, &q) == 0;
    int os = errno;
    if (fd >= 0) (void)close(fd);
    return ok ? 0 : error_set_os(why, ERR_IO, os, "device %s", device);
}

uint32_t places_address(unsigned from, unsigned to) {
    unsigned low = from < to ? from : to, high = from < to ? to : from;
    return 10u << 24 | low << 16 | high << 8 | (to == low ? 1 : 2);
}

unsigned places_peer(unsigned at, uint32_t address) {
    unsigned low = address >> 16 & 0xff, high = address >> 8 & 0xff;
    unsigned other = (address & 0xff) == 1 ? low : high;
    return address >> 24 == 10 && other != at && (low == at || high == at) ? other : PLACES_HOST;
}

static int link_places(struct places *p, unsigned a, unsigned b, struct error *why) {
    char in_a[16], in_b[16], ns_a[64], ns_b[64];
    (void)snprintf(in_a, sizeof in_a, "v%u", b);
    (void)snprintf(in_b, sizeof in_b, "v%u", a);
    (void)snprintf(ns_a, sizeof ns_a, "/proc/%d/fd/%d", (int)getpid(), p->places[a].fd);
    (void)snprintf(ns_b, sizeof ns_b, "/proc/%d/fd/%d", (int)getpid(), p->places[b].fd);
    const char *argv[] = {p->ip,  "link", "add",  in_a, "netns", ns_a, "type",
                          "veth", "peer", "name", in_b, "netns", ns_b, NULL};
    int r = run_tool(argv, 0, why);
    if (r < 0) return error_wrap(why, "link of %s and %s", p->places[a].name, p->places[b].name);
    places_enter(p, a);
    r = bring_up(in_a, places_address(b, a), why);
    places_enter(p, b);
    if (r == 0) r = bring_up(in_b, places_address(a, b), why);
    places_enter(p, PLACES_HOST);
    return r;
}

int places_add(unsigned *ret, struct places *p, const char *name, bool home, unsigned source,
               struct error *why) {
    unsigned n = atomic_load(&p->count) + 1;
    if (n > PLACES_MAX) return error_set(why, ERR_LIMIT, "more than %d places", PLACES_MAX);
    struct place *k = &p->places[n];
    *k = (struct place){.fd = -1, .home = home, .source = source};
    (void)snprintf(k->name, sizeof k->name, "%s", name);
    int r = make_namespace(&k->fd, why);
    if (r == 0) r = bring_up("lo", 0, why);
    places_enter(p, PLACES_HOST);
    for (unsigned i = 1; r == 0 && i < n; i++) {
        r = link_places(p, i, n, why);
    }
    if (r < 0) {
        if (k->fd >= 0) (void)close(k->fd);
        return r;
    }
    atomic_store(&p->count, n);
    *ret = n;
    return 0;
}

unsigned places_count(const struct places *p) {
    return atomic_load(&p->count);
}

unsigned places_find(const struct places *p, const char *role) {
    unsigned count = atomic_load(&p->count);
    for (unsigned i = 1; i <= count; i++) {
        size_t n = strlen(p->places[i].name);
        bool is = strncmp(role, p->places[i].name, n) == 0 && (role[n] == '\0' || role[n] == '.');
        if (is) return i;
    }
    return PLACES_HOST;
}

const char *places_name(const struct places *p, unsigned place) {
    return p->places[place].name;
}

unsigned places_home(const struct places *p, unsigned place) {
    return p->places[place].home ? place : PLACES_HOST;
}

unsigned places_source(const struct places *p, unsigned place) {
    return p->places[place].source;
}

int places_fd(const struct places *p, unsigned place) {
    return place == PLACES_HOST ? 0 : p->places[place].fd;
}

bool places_netem(const struct places *p) {
    return p->netem;
}

// What the kernel does

int places_shape(struct places *p, unsigned from, unsigned to, uint64_t delay_ns,
                 uint64_t jitter_ns, double loss, struct error *why) {
    char device[16], delay[32], jitter[32], lost[32];
    const char *argv[TOOL_WORDS_MAX] = {p->tc,  "qdisc", "replace", "dev",        device,
                                        "root", "netem", "limit",   QUEUE_PACKETS};
    size_t n = 9;
    // Ours is from delay to delay + jitter; netem's around its middle.
    (void)snprintf(device, sizeof device, "v%u", to);
    (void)snprintf(delay, sizeof delay, "%lluus",
                   (unsigned long long)((delay_ns + jitter_ns / 2) / NS_PER_US));
    (void)snprintf(jitter, sizeof jitter, "%lluus",
                   (unsigned long long)(jitter_ns / 2 / NS_PER_US));
    (void)snprintf(lost, sizeof lost, "%.4f%%", 100 * loss);
    if (delay_ns || jitter_ns) {
        argv[n++] = "delay";
        argv[n++] = delay;
        if (jitter_ns) argv[n++] = jitter;
    }
    if (loss > 0) {
        argv[n++] = "loss";
        argv[n++] = lost;
    }
    argv[n] = NULL;
    int r = run_tool(argv, p->places[from].fd, why);
    return r < 0 ? error_wrap(why, "netem from %s to %s", p->places[from].name, p->places[to].name)
                 : 0;
}

// In a namespace that is given up again.
static int try_kernel(struct places *p, bool netem, struct error *why) {
    struct error said;
    int fd = -1, r = make_namespace(&fd, why);
    places_enter(p, PLACES_HOST);
    if (r < 0) return r;
    const char *veth[] = {p->ip, "link", "add", "v1", "type", "veth", "peer", "name", "v2", NULL};
    const char *shape[] = {p->tc,  "qdisc", "add",   "dev", "v1",
                           "root", "netem", "delay", "1ms", NULL};
    if (run_tool(veth, fd, &said) < 0) {
        r = error_set(why, ERR_UNSUPPORTED, "--netns: the kernel makes no veth devices: %.120s",
                      said.text);
    } else if (netem && run_tool(shape, fd, &said) < 0) {
        r = error_set(why, ERR_UNSUPPORTED,
                      "--netns netem: the kernel has no netem (module sch_netem): %.100s",
                      said.text);
    }
    (void)close(fd);
    return r;
}

// A listener in each place for each front takes more descriptors than are given by default.
static void allow_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int places_new(struct places **ret, bool netem, struct error *why) {
    if (geteuid() != 0) return error_set(why, ERR_AUTH, "--netns needs root");
    struct places *p = calloc(1, sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for namespaces");
    allow_descriptors();
    p->netem = netem;
    p->host_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int r = p->host_fd < 0 ? error_set_os(why, ERR_IO, errno, "network namespace") : 0;
    if (r == 0) r = part_find(p->ip, "ip", PACKAGE, why);
    if (r == 0) r = part_find(p->tc, "tc", PACKAGE, why);
    if (r == 0) r = try_kernel(p, netem, why);
    if (r < 0) {
        places_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void places_free(struct places *p) {
    if (!p) return;
    unsigned count = atomic_load(&p->count);
    for (unsigned i = 1; i <= count; i++) {
        (void)close(p->places[i].fd);
    }
    if (p->host_fd >= 0) (void)close(p->host_fd);
    free(p);
}
