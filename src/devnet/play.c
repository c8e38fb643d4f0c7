/* `devnet replay FILE --play`: sends a network the orders that a recording holds, byte by byte, at
 * the times at which they came. SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "devnet/asker.h"
#include "devnet/record.h"
#include "net/url.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORDING_BYTES_MAX (1u << 30)
#define CONNECTIONS_MAX 65536u
#define CONNECT_NS (10 * NS_PER_S)
#define TRY_NS (20 * NS_PER_MS)
#define LAST_ANSWERS_NS NS_PER_S

struct played {
    char to[100]; // the role; "" when it is none of those that take orders
    bool orders;  // it carried some
    int fd;       // -1: not open
};

struct play {
    struct asker *asker;
    const struct json *addresses;
    struct played *connections;
    uint64_t begin_ns;
    uint64_t requests, answers, good, recorded_good, failed;
};

static uint64_t now(void) {
    return clock_monotonic_ns(&clock_system);
}

static uint64_t count(struct bytes in, const char *text) {
    uint64_t n = 0;
    size_t length = strlen(text);
    const uint8_t *at;
    while (in.n >= length && (at = memmem(in.p, in.n, text, length))) {
        n++;
        in = bytes_slice(in, (size_t)(at - in.p) + length, in.n);
    }
    return n;
}

static bool has_order(struct bytes in) {
    return count(in, "_sendBundle") || count(in, "eth_sendRawTransaction") ||
           count(in, "eth_cancelBundle");
}

// From whoever is no part of the network: people, and loads.
static bool from_outside(const char *names) {
    return strncmp(names, "outside ", 8) == 0 || strncmp(names, "load-", 5) == 0;
}

static void note_open(struct played *p, struct bytes content) {
    char names[120];
    (void)snprintf(names, sizeof names, "%.*s", (int)(content.n < 110 ? content.n : 110),
                   (const char *)content.p);
    const char *to = strchr(names, ' ');
    *p = (struct played){.fd = -1};
    if (to && from_outside(names)) (void)snprintf(p->to, sizeof p->to, "%s", to + 1);
}

// Which connections brought orders; how often the answers were good.
static int survey(struct play *p, struct bytes in, struct error *why) {
    struct record r;
    int code = record_begin(&in, why);
    while (code == 0 && (code = record_next(&r, &in, why)) == 1) {
        if (r.connection >= CONNECTIONS_MAX) {
            return error_set(why, ERR_LIMIT, "more than %u connections", CONNECTIONS_MAX);
        }
        struct played *k = &p->connections[r.connection];
        if (r.kind == RECORD_OPEN) note_open(k, r.content);
        if (r.kind == RECORD_UP && *k->to && has_order(r.content)) k->orders = true;
        if (r.kind == RECORD_DOWN && k->orders)
            p->recorded_good += count(r.content, "HTTP/1.1 200");
        code = 0;
    }
    return code;
}

// Connects to where the role takes orders now; it may be starting.
static int dial(struct play *p, struct played *k, struct error *why) {
    char name[140];
    struct url u;
    const char *dot = strrchr(k->to, '.');
    const char *listener = dot && strcmp(dot, ".orderflow") == 0 ? "users" : "rpc";
    (void)snprintf(name, sizeof name, "%s.%s", k->to, listener);
    const char *text = asker_text(p->asker, p->addresses, name);
    if (!*text) return error_set(why, ERR_NOT_FOUND, "this network has no %s", name);
    if (url_parse(&u, bytes_from_str(text), why) != 0) return (int)why->code;
    const struct sockaddr_in a = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)u.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (uint64_t end = now() + CONNECT_NS; now() < end; (void)usleep(TRY_NS / NS_PER_US)) {
        k->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (k->fd >= 0 && connect(k->fd, (const struct sockaddr *)&a, sizeof a) == 0) return 0;
        if (k->fd >= 0) (void)close(k->fd);
        k->fd = -1;
    }
    return error_set(why, ERR_TIMEOUT, "%s takes no connection", name);
}

static void hang_up(struct played *k) {
    if (k->fd >= 0) (void)close(k->fd);
    k->fd = -1;
}

static void drain(struct play *p, struct played *k) {
    uint8_t data[65536];
    ssize_t n;
    while (k->fd >= 0 && (n = recv(k->fd, data, sizeof data, MSG_DONTWAIT)) > 0) {
        p->answers += count(bytes_make(data, (size_t)n), "HTTP/1.1 ");
        p->good += count(bytes_make(data, (size_t)n), "HTTP/1.1 200");
    }
}

static void drain_all(struct play *p) {
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (p->connections[i].fd >= 0) drain(p, &p->connections[i]);
    }
}

static int send_piece(struct play *p, struct played *k, struct bytes piece, struct error *why) {
    if (k->fd < 0 && dial(p, k, why) < 0) return (int)why->code;
    p->requests += count(piece, "POST ");
    while (piece.n) {
        ssize_t n = send(k->fd, piece.p, piece.n, MSG_NOSIGNAL);
        if (n <= 0) return error_set(why, ERR_CLOSED, "%s closed the connection", k->to);
        piece = bytes_slice(piece, (size_t)n, piece.n);
    }
    return 0;
}

static void wait_until(struct play *p, uint64_t due) {
    while (now() < due) {
        uint64_t left = due - now(), part = 50 * NS_PER_MS;
        (void)usleep((unsigned)((left < part ? left : part) / NS_PER_US) + 1);
        drain_all(p);
    }
}

static int play(struct play *p, struct bytes in, struct error *why) {
    struct record r;
    struct error piece;
    int code = record_begin(&in, why);
    while (code == 0 && (code = record_next(&r, &in, why)) == 1) {
        struct played *k = &p->connections[r.connection];
        code = 0;
        if (!k->orders) continue;
        if (r.kind == RECORD_UP) {
            wait_until(p, p->begin_ns + r.at_ns);
            if (send_piece(p, k, r.content, &piece) < 0) {
                (void)fprintf(stderr, "buildernet devnet: %s\n", piece.text);
                p->failed++;
                hang_up(k);
            }
        } else if (r.kind == RECORD_END) {
            drain(p, k);
            hang_up(k);
        }
    }
    wait_until(p, now() + LAST_ANSWERS_NS);
    return code;
}

static int find_network(struct play *p, struct error *why) {
    const struct json *state, *told;
    char path[4096];
    struct buf text;
    int r = asker_state(p->asker, &state, NULL, why);
    if (r < 0) return r;
    p->begin_ns = now() - asker_u64(state, "uptime_ms") * NS_PER_MS;
    (void)snprintf(path, sizeof path, "%s/devnet.json", p->asker->folder);
    buf_init(&text, 4u << 20);
    r = file_read(&text, path, why);
    struct bytes kept = arena_copy(&p->asker->arena, buf_view(&text));
    buf_free(&text);
    if (r == 0) r = json_parse(&told, kept, &p->asker->arena, NULL, why);
    if (r == 0) p->addresses = json_get(told, "addresses");
    return r;
}

int play_run(struct asker *k, const char *path, struct error *why) {
    struct play p = {.asker = k};
    struct buf file;
    p.connections = calloc(CONNECTIONS_MAX, sizeof *p.connections);
    if (!p.connections) return error_set(why, ERR_NO_MEMORY, "no memory for the connections");
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        p.connections[i].fd = -1;
    }
    buf_init(&file, RECORDING_BYTES_MAX);
    int r = file_read(&file, path, why);
    if (r == 0 && (r = survey(&p, buf_view(&file), why)) < 0) (void)error_wrap(why, "%s", path);
    if (r == 0) r = find_network(&p, why);
    if (r == 0) r = play(&p, buf_view(&file), why);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        hang_up(&p.connections[i]);
    }
    if (r == 0) {
        (void)printf("%llu requests played, %llu answered, %llu of them well (%llu when they were "
                     "recorded), %llu could not be sent\n",
                     (unsigned long long)p.requests, (unsigned long long)p.answers,
                     (unsigned long long)p.good, (unsigned long long)p.recorded_good,
                     (unsigned long long)p.failed);
    }
    free(p.connections);
    buf_free(&file);
    return r == 0 && p.failed ? error_set(why, ERR_IO, "not everything could be played") : r;
}
