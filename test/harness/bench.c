/* SPDX-License-Identifier: MIT */
#include "test/harness/bench.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t read_clock(clockid_t id) {
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_now_ns(void) {
    return read_clock(CLOCK_MONOTONIC);
}
uint64_t bench_cpu_ns(void) {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

const char *bench_cpu_name(void) {
    static char name[128];
    if (name[0]) return name;
    (void)snprintf(name, sizeof name, "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (!f) return name;
    char line[256];
    while (fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        (void)snprintf(name, sizeof name, "%s", colon + 2);
        name[strcspn(name, "\"\\\n")] = '\0';
        break;
    }
    (void)fclose(f);
    return name;
}

double bench_best_ns(void (*body)(void *arg), void *arg, unsigned budget_ms) {
    uint64_t start = bench_now_ns(), best = UINT64_MAX;
    for (unsigned round = 0;; round++) {
        uint64_t before = bench_now_ns();
        body(arg);
        uint64_t after = bench_now_ns();
        if (after - before < best) best = after - before;
        if (round >= 2 && after - start >= (uint64_t)budget_ms * 1000000u) break;
    }
    return (double)best;
}

void bench_emit(const char *name, double work, const char *unit, double ns, double limit_ns) {
    printf("{\"name\":\"%s\",\"work\":%.0f,\"unit\":\"%s\",\"ns\":%.1f", name, work, unit, ns);
    if (limit_ns > 0) printf(",\"limit_ns\":%.1f", limit_ns);
    printf(",\"cpu\":\"%s\"}\n", bench_cpu_name());
    (void)fflush(stdout);
}
