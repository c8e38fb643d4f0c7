/* SPDX-License-Identifier: MIT */
#include "devnet/links_internal.h"

#include "devnet/record.h"
#include "devnet/socket_owner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK_BYTES 16384u
#define DROP_STALL_NS (200 * NS_PER_MS) /* what a lost packet costs a TCP stream at least */
#define CONNECT_NS (5 * NS_PER_S)
#define ACCEPTS_A_TURN 64
#define HOP_PORTS 256u /* in places: below all that roles are given */

// Recording

// Called with the lock held.
static void record(struct links *l, const struct relayed *c, enum record_kind kind,
                   struct bytes content) {
    if (l->record_fd < 0 || c->plain) return;
    const struct record r = {.at_ns = clock_monotonic_ns(&clock_system) - l->record_begin_ns,
                             .connection = c->number,
                             .kind = kind,
                             .content = content};
    buf_clear(&l->record);
    record_append(&l->record, &r);
    if (buf_check(&l->record, NULL) < 0) return;
    if (write(l->record_fd, l->record.p, l->record.n) == (ssize_t)l->record.n) return;
    log_warn(l->log, "recording_ended", F_STR("reason", strerror(errno)));
    (void)close(l->record_fd);
    l->record_fd = -1;
}

// Connections that stand already begin with the recording.
static void record_standing(void *arg) {
    struct links *l = arg;
    (void)pthread_mutex_lock(&l->lock);
    list_each(node, &l->relayed) {
        const struct relayed *c = LIST_ENTRY(node, struct relayed, link);
        char names[2 * FAULT_NAME_MAX + 2];
        (void)snprintf(names, sizeof names, "%s %s", c->from, c->to);
        record(l, c, RECORD_OPEN, bytes_from_str(names));
    }
    (void)pthread_mutex_unlock(&l->lock);
}

static void switch_recording(struct links *l, int fd) {
    (void)pthread_mutex_lock(&l->lock);
    if (l->record_fd >= 0) (void)close(l->record_fd);
    l->record_fd = fd;
    l->record_begin_ns = clock_monotonic_ns(&clock_system);
    (void)pthread_mutex_unlock(&l->lock);
}

int links_record(struct links *l, const char *path, struct error *why) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "%s", path);
    if (write(fd, RECORD_MAGIC, 8) != 8) {
        int os = errno;
        (void)close(fd);
        return error_set_os(why, ERR_IO, os, "%s", path);
    }
    switch_recording(l, fd);
    (void)!loop_post(l->loop, record_standing, l);
    return 0;
}

int links_record_end(struct links *l, struct error *why) {
    (void)pthread_mutex_lock(&l->lock);
    bool records = l->record_fd >= 0;
    (void)pthread_mutex_unlock(&l->lock);
    if (!records) return error_set(why, ERR_NOT_FOUND, "nothing is being recorded");
    switch_recording(l, -1);
    return 0;
}

// One connection

static void effect_of(struct relayed *c, unsigned side, struct fault_effect *ret) {
    struct links *l = c->links;
    *ret = (struct fault_effect){.cut = false};
    if (c->plain) return;
    (void)pthread_mutex_lock(&l->lock);
    fault_effect(ret, c->by_kernel ? &l->ours : &l->faults, side == 0 ? c->from : c->to,
                 side == 0 ? c->to : c->from, l->slot);
    (void)pthread_mutex_unlock(&l->lock);
}

static void count_fault(struct relayed *c) {
    (void)pthread_mutex_lock(&c->links->lock);
    if (c->pair) c->pair->faults++;
    (void)pthread_mutex_unlock(&c->links->lock);
}

static void reset_on_close(struct conn *c) {
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void end(struct relayed *c, bool reset) {
    struct links *l = c->links;
    for (unsigned i = 0; i < 2; i++) {
        loop_timer_clear(l->loop, &c->way[i].timer);
        while (c->way[i].first) {
            struct chunk *k = c->way[i].first;
            c->way[i].first = k->next;
            free(k);
        }
        if (c->open[i] && reset) reset_on_close(&c->side[i]);
        if (c->open[i]) conn_close(&c->side[i]);
    }
    if (c->connect_fd >= 0) {
        loop_fd_remove(l->loop, &c->connect);
        (void)close(c->connect_fd);
    }
    loop_timer_clear(l->loop, &c->connect_timer);
    list_remove(&c->link);
    (void)pthread_mutex_lock(&l->lock);
    if (c->pair) c->pair->open--;
    record(l, c, RECORD_END, (struct bytes){NULL, 0});
    (void)pthread_mutex_unlock(&l->lock);
    free(c);
}

// Gives the receiver what is due. false: the connection ended.
static bool deliver(struct way *w) {
    struct relayed *c = w->owner;
    unsigned from = w == &c->way[1];
    struct conn *to = &c->side[!from];
    uint64_t now = loop_now_ns(c->links->loop);
    if (!c->open[!from]) return true;
    while (w->first && !w->blocked && w->first->due_ns <= now) {
        struct chunk *k = w->first;
        int r = conn_write(to, bytes_make(k->data, k->n));
        if (r < 0 && r != ERR_AGAIN) {
            end(c, true);
            return false;
        }
        w->blocked = r == ERR_AGAIN;
        w->queued -= k->n;
        w->first = k->next;
        if (!w->first) w->last = NULL;
        free(k);
    }
    if (w->held && w->queued < LINK_QUEUE_BYTES_MAX / 2) {
        w->held = false;
        if (c->open[from]) conn_resume(&c->side[from]);
    }
    if (w->first && !w->blocked &&
        loop_timer_set(c->links->loop, &w->timer, w->first->due_ns, NULL) < 0) {
        end(c, true);
        return false;
    }
    if (!w->first && w->ended) conn_finish(to);
    return true;
}

static void on_due(struct loop_timer *t) {
    (void)deliver(LIST_ENTRY(t, struct way, timer));
}

static uint64_t due_of(struct way *w, const struct fault_effect *e, size_t n) {
    struct links *l = w->owner->links;
    uint64_t due = loop_now_ns(l->loop) + e->delay_ns;
    if (e->jitter_ns) due += random_fast_below(&l->random, e->jitter_ns);
    if (e->drop > 0 && random_fast_unit(&l->random) < e->drop) {
        due += DROP_STALL_NS;
        count_fault(w->owner);
    }
    if (due < w->last_due_ns) due = w->last_due_ns;
    if (e->bytes_per_second) due += n * NS_PER_S / e->bytes_per_second;
    if (e->stall || e->cut) due = loop_now_ns(l->loop) + 100 * NS_PER_MS; // looked at again then
    w->last_due_ns = due;
    return due;
}

static bool queue(struct way *w, struct bytes in, const struct fault_effect *e) {
    struct links *l = w->owner->links;
    struct chunk *k = malloc(sizeof *k + in.n);
    if (!k) return false;
    *k = (struct chunk){.due_ns = due_of(w, e, in.n), .n = in.n};
    memcpy(k->data, in.p, in.n);
    if (e->corrupt > 0 && random_fast_unit(&l->random) < e->corrupt) {
        k->data[random_fast_below(&l->random, in.n)] ^=
            (uint8_t)(1u << random_fast_below(&l->random, 8));
        count_fault(w->owner);
    }
    if (w->last) {
        w->last->next = k;
    } else {
        w->first = k;
    }
    w->last = k;
    w->queued += in.n;
    return true;
}

static void note_bytes(struct relayed *c, unsigned from, struct bytes in) {
    struct links *l = c->links;
    (void)pthread_mutex_lock(&l->lock);
    if (c->pair) *(from == 0 ? &c->pair->up_bytes : &c->pair->down_bytes) += in.n;
    record(l, c, from == 0 ? RECORD_UP : RECORD_DOWN, in);
    (void)pthread_mutex_unlock(&l->lock);
}

// true: the connection is to end.
static bool meddle(struct relayed *c, unsigned from, uint8_t *data, size_t n,
                   const struct fault_effect *e) {
    struct fault_effect back;
    bool changed = false;
    if (from != 0) return false; // answers are not looked at
    bool signed_block = meddle_follow(&c->way[0].meddle, data, n, e->wrong_root, &changed);
    if (changed) count_fault(c);
    if (!signed_block) return false;
    effect_of(c, 1, &back); // who withholds is the one that would answer
    return back.withhold;
}

static void on_readable(struct conn *side) {
    struct relayed *c = side->owner;
    unsigned from = side == &c->side[1];
    struct way *w = &c->way[from];
    uint8_t data[CHUNK_BYTES];
    for (;;) {
        struct fault_effect e;
        if (w->queued >= LINK_QUEUE_BYTES_MAX) {
            w->held = true;
            conn_pause(side);
            break;
        }
        effect_of(c, from, &e);
        if (e.cut || e.stall) { // the bytes stay in the kernel until the fault is over
            w->held = true;
            conn_pause(side);
            if (loop_timer_set(c->links->loop, &w->timer,
                               loop_now_ns(c->links->loop) + 50 * NS_PER_MS, NULL) < 0) {
                end(c, true);
                return;
            }
            break;
        }
        ssize_t n = conn_read(side, data, sizeof data);
        if (n == ERR_AGAIN) break;
        if (n < 0) {
            end(c, true);
            return;
        }
        if (n == 0) {
            w->ended = true;
            conn_pause(side);
            break;
        }
        note_bytes(c, from, bytes_make(data, (size_t)n));
        if (e.reset > 0 && random_fast_unit(&c->links->random) < e.reset) {
            count_fault(c);
            end(c, true);
            return;
        }
        if (meddle(c, from, data, (size_t)n, &e)) {
            count_fault(c);
            end(c, true);
            return;
        }
        if (!queue(w, bytes_make(data, (size_t)n), &e)) {
            end(c, true);
            return;
        }
    }
    (void)deliver(w);
}

static void on_drained(struct conn *side) {
    struct relayed *c = side->owner;
    struct way *w = &c->way[side != &c->side[1]]; // what the other side sends
    w->blocked = false;
    (void)deliver(w);
}

static void on_closed(struct conn *side, const struct error *why) {
    struct relayed *c = side->owner;
    c->open[side == &c->side[1]] = false;
    conn_close(side);
    end(c, why->code != 0);
}

static void on_open(struct conn *side) {
    (void)side;
}

static const struct conn_events events = {on_open, on_readable, on_drained, on_closed};

// The beginning of a connection

static void on_connect_late(struct loop_timer *t) {
    end(LIST_ENTRY(t, struct relayed, connect_timer), true);
}

static void on_connected(struct loop_fd *w, unsigned what) {
    struct relayed *c = LIST_ENTRY(w, struct relayed, connect);
    struct links *l = c->links;
    int fd = c->connect_fd;
    (void)what;
    loop_timer_clear(l->loop, &c->connect_timer);
    loop_fd_remove(l->loop, w);
    c->connect_fd = -1;
    if (socket_error(fd) != 0) {
        (void)close(fd);
        end(c, true);
        return;
    }
    socket_no_delay(fd);
    struct socket_address none = {.n = 0};
    if (conn_accept(&c->side[1], l->loop, fd, NULL, &none, &events, c, NULL) < 0) {
        end(c, true);
        return;
    }
    c->open[1] = true;
    conn_resume(&c->side[1]);
    conn_resume(&c->side[0]);
}

static int connect_from(uint32_t source, uint32_t address, unsigned port) {
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(source)}};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(address)}};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    // The port is chosen at connect: many connections may share it towards different targets.
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&from, sizeof from) < 0 ||
        (connect(fd, (const struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static uint32_t loopback(unsigned source) {
    return 0x7f000000u | (source ? source : 1);
}

// The next stretch of the way from a listener to its role.
static int connect_on(const struct front *f, struct relayed *c, unsigned source) {
    const struct places *p = f->links->places;
    if (!p) return connect_from(loopback(source), INADDR_LOOPBACK, f->target_port);
    unsigned home = places_home(p, f->place);
    // What a node sends to another place crosses the link between them.
    bool crosses = f->kind == FRONT && f->at != PLACES_HOST && f->at != f->place;
    c->by_kernel = crosses && places_netem(p);
    places_enter(p, crosses ? f->at : home);
    int fd = crosses ? connect_from(places_address(f->place, f->at),
                                    places_address(f->at, f->place), f->hop_port)
                     : connect_from(loopback(f->at == home ? 0 : source), INADDR_LOOPBACK,
                                    f->target_port);
    places_enter(p, PLACES_HOST);
    return fd;
}

// Called with the lock held; NULL when there are too many.
static struct link_pair *pair_of(struct links *l, const char *from, const char *to) {
    for (size_t i = 0; i < l->pair_count; i++) {
        if (strcmp(l->pairs[i].from, from) == 0 && strcmp(l->pairs[i].to, to) == 0) {
            return &l->pairs[i];
        }
    }
    if (l->pair_count == LINKS_PAIRS_MAX) return NULL;
    struct link_pair *p = &l->pairs[l->pair_count++];
    *p = (struct link_pair){.connections = 0};
    (void)snprintf(p->from, sizeof p->from, "%s", from);
    (void)snprintf(p->to, sizeof p->to, "%s", to);
    return p;
}

// Finds out who connected. "outside" is whoever is no role of this network.
static unsigned identify(const struct front *f, char ret[FAULT_NAME_MAX], int fd) {
    struct links *l = f->links;
    pid_t pids[LINKS_ROLES_MAX];
    (void)pthread_mutex_lock(&l->lock);
    size_t n = l->role_count;
    for (size_t i = 0; i < n; i++) {
        pids[i] = l->roles[i].pid;
    }
    (void)pthread_mutex_unlock(&l->lock);
    if (l->places) places_enter(l->places, f->at);
    size_t found = socket_owner(fd, pids, n);
    if (l->places) places_enter(l->places, PLACES_HOST);
    unsigned source = 0;
    (void)snprintf(ret, FAULT_NAME_MAX, "outside");
    (void)pthread_mutex_lock(&l->lock);
    if (found < l->role_count) {
        (void)snprintf(ret, FAULT_NAME_MAX, "%s", l->roles[found].name);
        source = l->roles[found].source;
    }
    (void)pthread_mutex_unlock(&l->lock);
    return source;
}

// Notes a new connection. false: a fault refuses it.
static bool admit(struct links *l, struct relayed *c) {
    struct fault_effect there, back;
    char names[2 * FAULT_NAME_MAX + 2];
    (void)pthread_mutex_lock(&l->lock);
    struct link_pair *pair = pair_of(l, c->from, c->to);
    fault_effect(&there, &l->faults, c->from, c->to, l->slot);
    fault_effect(&back, &l->faults, c->to, c->from, l->slot);
    bool refused = there.cut || back.cut;
    if (refused && pair) pair->refused++, pair->faults++;
    if (!refused && pair) pair->connections++, pair->open++;
    if (!refused) {
        c->pair = pair;
        (void)snprintf(names, sizeof names, "%s %s", c->from, c->to);
        record(l, c, RECORD_OPEN, bytes_from_str(names));
    }
    (void)pthread_mutex_unlock(&l->lock);
    return !refused;
}

// A node is known by where it comes from.
static unsigned hop_source(const struct front *f, const struct socket_address *peer) {
    const struct places *p = f->links->places;
    if (f->kind != HOP) return 0;
    unsigned from = places_peer(f->at, ntohl(peer->v4.sin_addr.s_addr));
    return from == PLACES_HOST ? 0 : places_source(p, from);
}

static int begin(struct front *f, int fd, const struct socket_address *peer) {
    struct links *l = f->links;
    struct relayed *c = calloc(1, sizeof *c);
    struct error why;
    if (!c) return ERR_NO_MEMORY;
    c->links = l;
    c->connect_fd = -1;
    c->number = ++l->numbers;
    (void)snprintf(c->to, sizeof c->to, "%s", f->role);
    c->plain = f->kind != FRONT;
    unsigned source = c->plain ? hop_source(f, peer) : identify(f, c->from, fd);
    int to_role = c->plain || admit(l, c) ? connect_on(f, c, source) : -1;
    if (to_role < 0) {
        (void)pthread_mutex_lock(&l->lock);
        if (c->pair) c->pair->open--;
        (void)pthread_mutex_unlock(&l->lock);
        free(c);
        return ERR_IO;
    }
    for (unsigned i = 0; i < 2; i++) {
        c->way[i].owner = c;
        c->way[i].timer.fire = on_due;
    }
    list_push_back(&l->relayed, &c->link);
    c->connect_fd = to_role;
    c->connect = (struct loop_fd){to_role, LOOP_WRITE, on_connected};
    c->connect_timer.fire = on_connect_late;
    if (loop_fd_add(l->loop, &c->connect, &why) < 0 ||
        loop_timer_set(l->loop, &c->connect_timer, loop_now_ns(l->loop) + CONNECT_NS, &why) < 0 ||
        conn_accept(&c->side[0], l->loop, fd, NULL, peer, &events, c, &why) < 0) {
        end(c, true);
        return 0;
    }
    c->open[0] = true;
    conn_pause(&c->side[0]); // until the role's side stands
    return 0;
}

static void on_accept(struct loop_fd *w, unsigned what) {
    struct front *f = LIST_ENTRY(w, struct front, watch);
    (void)what;
    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
        struct socket_address peer = {.n = sizeof peer.v6};
        int fd = accept4(w->fd, &peer.any, &peer.n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        socket_no_delay(fd);
        if (begin(f, fd, &peer) < 0) {
            const struct linger now = {.l_onoff = 1, .l_linger = 0};
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
            (void)close(fd);
        }
    }
}

// Fronts, roles, faults

static void add_front(void *arg) {
    struct front *f = arg;
    struct error why;
    if (loop_fd_add(f->links->loop, &f->watch, &why) < 0) {
        log_error(f->links->log, "front_failed", F_STR("role", f->role), F_ERR(&why));
    }
}

// A listener in the place `f->at`, at an address there.
static int open_front(struct links *l, const struct front *what, const char *host, unsigned port,
                      struct error *why) {
    struct socket_address a;
    char text[32];
    if (atomic_load(&l->front_count) == LINKS_LISTENERS_MAX) {
        return error_set(why, ERR_LIMIT, "more than %d listeners", LINKS_LISTENERS_MAX);
    }
    struct front *f = calloc(1, sizeof *f);
    if (!f) return error_set(why, ERR_NO_MEMORY, "no memory for a front");
    *f = *what;
    f->links = l;
    (void)snprintf(text, sizeof text, "%s:%u", host, port);
    int fd = -1;
    int r = socket_address_parse(&a, bytes_from_str(text), 0, why);
    if (l->places) places_enter(l->places, f->at);
    if (r == 0) r = socket_listen(&fd, &a, NULL, why);
    if (l->places) places_enter(l->places, PLACES_HOST);
    f->watch = (struct loop_fd){fd, LOOP_READ, on_accept};
    if (r == 0 && (r = loop_post(l->loop, add_front, f)) < 0) {
        (void)close(fd);
        (void)error_set(why, ERR_BUSY, "the relays are busy");
    }
    if (r < 0) {
        free(f);
        return r;
    }
    l->fronts[atomic_fetch_add(&l->front_count, 1)] = f;
    return 0;
}

static int open_base(struct links *l, const struct base *b, unsigned at, struct error *why) {
    struct front f = {.kind = FRONT,
                      .at = at,
                      .place = l->places ? places_find(l->places, b->role) : PLACES_HOST,
                      .target_port = b->target_port,
                      .hop_port = HOP_PORTS + (unsigned)(b - l->bases)};
    (void)snprintf(f.role, sizeof f.role, "%s", b->role);
    return open_front(l, &f, "127.0.0.1", b->port, why);
}

// The end of the way from other places, in the role's own.
static int open_hop(struct links *l, const struct base *b, struct error *why) {
    unsigned place = places_find(l->places, b->role);
    const struct front f = {
        .kind = HOP, .at = place, .place = place, .target_port = b->target_port};
    return open_front(l, &f, "0.0.0.0", HOP_PORTS + (unsigned)(b - l->bases), why);
}

static int place_of_role(struct links *l, const char *role, struct error *why) {
    unsigned place;
    if (places_find(l->places, role) != PLACES_HOST) return 0;
    return places_add(&place, l->places, role, false, 0, why);
}

int links_front(struct links *l, const char *role, unsigned port, unsigned target_port,
                struct error *why) {
    if (l->base_count == LINKS_FRONTS_MAX) {
        return error_set(why, ERR_LIMIT, "more than %d fronts", LINKS_FRONTS_MAX);
    }
    struct base *b = &l->bases[l->base_count];
    *b = (struct base){.port = port, .target_port = target_port};
    (void)snprintf(b->role, sizeof b->role, "%s", role);
    int r = l->places ? place_of_role(l, role, why) : 0;
    if (r == 0) r = open_base(l, b, PLACES_HOST, why);
    if (r == 0 && l->places) r = open_hop(l, b, why);
    for (unsigned i = 1; r == 0 && l->places && i <= places_count(l->places); i++) {
        if (places_home(l->places, i) == i) r = open_base(l, b, i, why);
    }
    if (r == 0) l->base_count++;
    return r;
}

int links_place(struct links *l, unsigned place, struct error *why) {
    int r = 0;
    for (unsigned i = 0; r == 0 && i < l->base_count; i++) {
        r = open_base(l, &l->bases[i], place, why);
    }
    return r;
}

int links_forward(struct links *l, unsigned place, unsigned port, struct error *why) {
    const struct front f = {
        .kind = FORWARD, .at = PLACES_HOST, .place = place, .target_port = port};
    for (unsigned i = 0; i < l->base_count; i++) {
        if (l->bases[i].port == port) return 0; // it has a front
    }
    return open_front(l, &f, "127.0.0.1", port, why);
}

void links_role(struct links *l, const char *role, pid_t pid, unsigned source) {
    (void)pthread_mutex_lock(&l->lock);
    size_t i = 0;
    while (i < l->role_count && strcmp(l->roles[i].name, role) != 0) {
        i++;
    }
    if (i < LINKS_ROLES_MAX) {
        if (i == l->role_count) l->role_count++;
        l->roles[i].pid = pid;
        l->roles[i].source = source;
        (void)snprintf(l->roles[i].name, sizeof l->roles[i].name, "%s", role);
    }
    (void)pthread_mutex_unlock(&l->lock);
}

// A cut ends what runs.
static void apply_faults(void *arg) {
    struct links *l = arg;
    links_shape(l);
    list_each_safe(node, &l->relayed) {
        struct relayed *c = LIST_ENTRY(node, struct relayed, link);
        struct fault_effect there, back;
        effect_of(c, 0, &there);
        effect_of(c, 1, &back);
        if (!there.cut && !back.cut) continue;
        count_fault(c);
        end(c, true);
    }
}

void links_faults(struct links *l, const struct fault_list *faults) {
    (void)pthread_mutex_lock(&l->lock);
    l->faults = *faults;
    l->ours.count = 0;
    for (size_t i = 0; i < faults->count; i++) {
        bool kernel = links_is_for_kernel(l, &faults->faults[i]);
        if (!kernel) l->ours.faults[l->ours.count++] = faults->faults[i];
    }
    (void)pthread_mutex_unlock(&l->lock);
    (void)!loop_post(l->loop, apply_faults, l);
}

void links_slot(struct links *l, uint64_t slot) {
    (void)pthread_mutex_lock(&l->lock);
    bool any = l->faults.count > 0 && slot != l->slot;
    l->slot = slot;
    (void)pthread_mutex_unlock(&l->lock);
    if (any) (void)!loop_post(l->loop, apply_faults, l);
}

size_t links_pairs(struct links *l, struct link_pair *ret, size_t most) {
    (void)pthread_mutex_lock(&l->lock);
    size_t n = l->pair_count < most ? l->pair_count : most;
    memcpy(ret, l->pairs, n * sizeof *ret);
    (void)pthread_mutex_unlock(&l->lock);
    return n;
}

// The thread

static void *run(void *arg) {
    struct links *l = arg;
    struct error why;
    if (loop_run(l->loop, &why) < 0) log_error(l->log, "relays_ended", F_ERR(&why));
    while (!list_is_empty(&l->relayed)) {
        end(LIST_ENTRY(list_first(&l->relayed), struct relayed, link), true);
    }
    unsigned n = atomic_load(&l->front_count);
    for (unsigned i = 0; i < n; i++) {
        loop_fd_remove(l->loop, &l->fronts[i]->watch);
        (void)close(l->fronts[i]->watch.fd);
        free(l->fronts[i]);
    }
    return NULL;
}

int links_new(struct links **ret, struct log *log, uint64_t seed, struct places *places,
              struct error *why) {
    struct links *l = calloc(1, sizeof *l);
    *ret = NULL;
    if (!l) return error_set(why, ERR_NO_MEMORY, "no memory for the links");
    l->log = log;
    l->places = places;
    l->record_fd = -1;
    buf_init(&l->record, RECORD_BYTES_MAX + RECORD_HEAD_BYTES);
    list_init(&l->relayed);
    random_fast_seed(&l->random, seed);
    (void)pthread_mutex_init(&l->lock, NULL);
    int r = loop_new(&l->loop, NULL, why);
    if (r == 0) {
        int os = pthread_create(&l->thread, NULL, run, l);
        if (os) r = error_set_os(why, ERR_IO, os, "thread for the links");
    }
    if (r < 0) {
        loop_free(l->loop);
        free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void links_free(struct links *l) {
    if (!l) return;
    loop_stop(l->loop);
    (void)pthread_join(l->thread, NULL);
    loop_free(l->loop);
    if (l->record_fd >= 0) (void)close(l->record_fd);
    buf_free(&l->record);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}
