/* Connections and request rate of each client address. SPDX-License-Identifier: MIT */
#include "base/random.h"
#include "base/siphash.h"
#include "net/server_internal.h"

#include <stdlib.h>

#define SLOTS 4096 /* chains stay short: rows are forgotten as soon as they are quiet */
#define ROWS_MAX 200000

int clients_init(struct clients *c) {
    *c = (struct clients){.capacity = SLOTS};
    random_bytes(&c->key, sizeof c->key);
    c->slots = calloc(SLOTS, sizeof(struct client_row *));
    return c->slots ? 0 : ERR_NO_MEMORY;
}

void clients_free(struct clients *c) {
    for (size_t i = 0; c->slots && i < c->capacity; i++) {
        while (c->slots[i]) {
            struct client_row *row = c->slots[i];
            c->slots[i] = row->next;
            free(row);
        }
    }
    free(c->slots);
    *c = (struct clients){0};
}

struct client_row *clients_enter(struct clients *c, const struct socket_address *a, uint64_t now_ns,
                                 unsigned per_second) {
    uint8_t ip[16];
    socket_address_client(ip, a);
    struct client_row **slot =
        &c->slots[siphash13(&c->key, bytes_make(ip, sizeof ip)) & (c->capacity - 1)];
    struct client_row *row = *slot;
    while (row && memcmp(row->ip, ip, sizeof ip) != 0)
        row = row->next;
    if (!row) {
        row = c->count < ROWS_MAX ? calloc(1, sizeof *row) : NULL;
        if (!row) return NULL;
        memcpy(row->ip, ip, sizeof ip);
        row->tokens = 2.0 * per_second;
        row->at_ns = now_ns;
        row->next = *slot;
        *slot = row;
        c->count++;
    }
    row->connections++;
    return row;
}

void clients_leave(struct client_row *row) {
    row->connections--; // the sweep frees it
}

static void refill(struct client_row *row, uint64_t now_ns, unsigned per_second) {
    row->tokens += (double)(now_ns - row->at_ns) * 1e-9 * per_second;
    if (row->tokens > 2.0 * per_second) row->tokens = 2.0 * per_second;
    row->at_ns = now_ns;
}

bool clients_take(struct client_row *row, uint64_t now_ns, unsigned per_second) {
    refill(row, now_ns, per_second);
    if (row->tokens < 1) return false;
    row->tokens -= 1;
    return true;
}

void clients_sweep(struct clients *c, uint64_t now_ns, unsigned per_second) {
    for (size_t i = 0; c->count && i < c->capacity; i++) {
        for (struct client_row **p = &c->slots[i]; *p;) {
            struct client_row *row = *p;
            refill(row, now_ns, per_second);
            if (row->connections || row->tokens < 2.0 * per_second) {
                p = &row->next;
                continue;
            }
            *p = row->next;
            free(row);
            c->count--;
        }
    }
}
