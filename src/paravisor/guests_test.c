/* Whoever speaks to the TPM: commands in pieces and from many, and what is no command.
 * SPDX-License-Identifier: MIT */
#include "paravisor/guests.h"

#include "net/socket.h"
#include "net/testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define CONTROL_SHUTDOWN 3
#define CONTROL_SET_LOCALITY 5

/* A TPM that answers each command with itself, its code replaced by how many it had. */
struct world {
    struct loop *loop;
    struct guests *guests;
    int port;
    unsigned commands;
    size_t longest;
    bool gone; /* the TPM answers nothing any more */
    int lost;  /* as guests told it */
};

static int on_command(void *context, struct buf *ret, struct bytes command, struct error *why) {
    struct world *w = context;
    uint8_t head[10];
    if (w->gone) return error_set(why, ERR_IO, "the TPM has gone");
    memcpy(head, command.p, sizeof head);
    store_be32(head + 6, ++w->commands);
    buf_append(ret, bytes_make(head, sizeof head));
    buf_append(ret, bytes_slice(command, 10, command.n));
    if (command.n > w->longest) w->longest = command.n;
    return 0;
}

static void on_lost(void *context, const struct error *why) {
    ((struct world *)context)->lost = (int)why->code;
}

static int open_at(struct world *w, int port, struct error *why) {
    char address[32];
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", port);
    const struct guests_options o = {
        .loop = w->loop, .address = address, .command = on_command, .lost = on_lost, .context = w};
    return guests_open(&w->guests, &o, why);
}

// On a port whose successor is free too.
static void begin(struct world *w) {
    struct error why = {0};
    *w = (struct world){.port = 0};
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    for (int tries = 0; !w->guests && tries < 50; tries++) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t n = sizeof a;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(bind(fd, (struct sockaddr *)&a, n) == 0);
        CHECK(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
        (void)close(fd);
        w->port = ntohs(a.sin_port);
        (void)!open_at(w, w->port, &why);
    }
    CHECK(w->guests != NULL);
}

static void end(struct world *w) {
    guests_close(w->guests);
    loop_free(w->loop);
}

static int dial(const struct world *w, bool control) {
    const struct sockaddr_in a = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)(w->port + control))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, (const struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

static void say(int fd, const void *p, size_t n) {
    CHECK(send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n);
}

/* A command of that length whose bytes behind the head are `fill`. */
static size_t command(uint8_t *to, uint32_t n, uint8_t fill) {
    memset(to, fill, n);
    store_be16(to, 0x8001);
    store_be32(to + 2, n);
    store_be32(to + 6, 0x17b);
    return n;
}

// Turns until n bytes came, or 0 of a closed connection.
static size_t hear(struct world *w, int fd, uint8_t *to, size_t n) {
    size_t have = 0;
    ssize_t got = -1;
    while (have < n && got != 0) {
        TURN_UNTIL(w->loop, (got = recv(fd, to + have, n - have, MSG_DONTWAIT)) >= 0);
        have += (size_t)got;
    }
    return have;
}

static bool is_closed(struct world *w, int fd) {
    uint8_t byte;
    ssize_t got = -1;
    TURN_UNTIL(w->loop, (got = recv(fd, &byte, 1, MSG_DONTWAIT)) >= 0 || errno == ECONNRESET);
    (void)close(fd);
    return got <= 0;
}

TEST(commands_come_whole_or_in_pieces) {
    struct world w;
    uint8_t out[GUESTS_COMMAND_BYTES_MAX], in[GUESTS_COMMAND_BYTES_MAX];
    begin(&w);
    int fd = dial(&w, false);
    for (uint32_t n = 10; n < 40; n += 7) {
        command(out, n, (uint8_t)n);
        for (uint32_t i = 0; i < n; i++) { // byte by byte
            struct error why = {0};
            say(fd, out + i, 1);
            CHECK_OK(loop_turn(w.loop, NS_PER_MS, &why), &why);
        }
        CHECK_U64(hear(&w, fd, in, n), n);
        CHECK(memcmp(in + 10, out + 10, n - 10) == 0);
    }
    CHECK_U64(w.commands, 5);
    say(fd, out, command(out, sizeof out, 9)); // the longest
    CHECK_U64(hear(&w, fd, in, sizeof in), sizeof in);
    CHECK_U64(w.longest, GUESTS_COMMAND_BYTES_MAX);
    (void)close(fd);
    end(&w);
}

TEST(guests_take_turns) {
    struct world w;
    int fds[8];
    uint8_t out[16], in[16];
    begin(&w);
    for (size_t i = 0; i < 8; i++) {
        fds[i] = dial(&w, false);
        say(fds[i], out, command(out, 12, (uint8_t)i) - 2); // nobody's is whole
    }
    for (size_t i = 8; i-- > 0;) {
        say(fds[i], (uint8_t[]){(uint8_t)i, (uint8_t)i}, 2);
        CHECK_U64(hear(&w, fds[i], in, 12), 12);
        CHECK_U64(in[10], i); // its own, not another's
        CHECK_U64(load_be32(in + 6), 8 - i);
    }
    for (size_t i = 0; i < 8; i++) {
        (void)close(fds[i]);
    }
    end(&w);
}

TEST(what_is_no_command_is_hung_up_on) {
    struct world w;
    uint8_t out[64], in[64];
    begin(&w);
    static const uint32_t lengths[] = {0, 9, GUESTS_COMMAND_BYTES_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        int fd = dial(&w, false);
        command(out, 20, 0);
        store_be32(out + 2, lengths[i]);
        say(fd, out, 10);
        CHECK(is_closed(&w, fd));
    }
    CHECK_U64(w.commands, 0);
    int fd = dial(&w, false); // two before the first is answered
    command(out, 12, 1);
    command(out + 12, 12, 2);
    say(fd, out, 24);
    CHECK(is_closed(&w, fd));
    CHECK_U64(w.commands, 0);
    fd = dial(&w, false); // others are served as before
    say(fd, out, 12);
    CHECK_U64(hear(&w, fd, in, 12), 12);
    (void)close(fd);
    end(&w);
}

TEST(the_control_channel_answers_what_clients_send) {
    struct world w;
    uint8_t in[8], out[8] = {0};
    begin(&w);
    int fd = dial(&w, true);
    store_be32(out, CONTROL_SET_LOCALITY);
    say(fd, out, 5);
    CHECK_U64(hear(&w, fd, in, 4), 4);
    CHECK_U64(load_be32(in), 0);
    // A shutdown is of this guest's own: the TPM runs on for the others.
    store_be32(out, CONTROL_SHUTDOWN);
    say(fd, out, 4);
    CHECK_U64(hear(&w, fd, in, 4), 4);
    CHECK_U64(load_be32(in), 0);
    store_be32(out, 1); // not one that clients send
    say(fd, out, 4);
    CHECK(is_closed(&w, fd));
    CHECK_U64(w.commands, 0);
    CHECK_I64(w.lost, 0);
    end(&w);
}

TEST(connections_are_bounded) {
    struct world w;
    int fds[GUESTS_MAX];
    uint8_t out[16], in[16];
    begin(&w);
    for (size_t i = 0; i < GUESTS_MAX; i++) {
        fds[i] = dial(&w, false);
        say(fds[i], out, command(out, 12, 0));
        CHECK_U64(hear(&w, fds[i], in, 12), 12);
    }
    CHECK(is_closed(&w, dial(&w, false)));
    (void)close(fds[0]);
    bool served = false; // its place is free again, once the loop has seen the end
    for (int i = 0; !served && i < 100; i++) {
        fds[0] = dial(&w, false);
        say(fds[0], out, 12);
        served = hear(&w, fds[0], in, 12) == 12;
        if (!served) (void)close(fds[0]);
    }
    CHECK(served);
    for (size_t i = 0; i < GUESTS_MAX; i++) {
        (void)close(fds[i]);
    }
    end(&w);
}

TEST(a_tpm_that_is_gone_is_told) {
    struct world w;
    uint8_t out[16];
    begin(&w);
    int fd = dial(&w, false);
    w.gone = true;
    say(fd, out, command(out, 12, 0));
    CHECK(is_closed(&w, fd));
    CHECK_I64(w.lost, ERR_IO);
    end(&w);
}

TEST(addresses_are_checked) {
    struct world w, other = {0};
    struct error why = {0};
    begin(&w);
    other.loop = w.loop;
    CHECK_ERR(open_at(&other, w.port, &why), ERR_CONFLICT);
    CHECK_ERR(open_at(&other, w.port - 1, &why), ERR_CONFLICT); // its control channel is taken
    const struct guests_options o = {.loop = w.loop, .address = "[::1]:2321"};
    CHECK_ERR(guests_open(&other.guests, &o, &why), ERR_SYNTAX);
    CHECK(other.guests == NULL);
    guests_close(NULL);
    end(&w);
}

TEST_MAIN()
