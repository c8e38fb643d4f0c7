/* Connections that stay, and what is heard of those that go. SPDX-License-Identifier: MIT */
#include "node/peers.h"

#include "test/harness/test.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct error why;
static struct loop *loop;
static struct peers *peers;
static uint64_t asked; // the peer whose message is at work
static size_t asked_bytes;
static unsigned told_gone;

static void on_message(void *context, uint64_t peer, struct bytes data, unsigned where,
                       bool local) {
    (void)context;
    (void)where;
    CHECK(local);
    asked = peer;
    asked_bytes = data.n;
}

static void on_gone(void *context, uint64_t peer) {
    (void)context;
    CHECK_U64(peer, asked);
    told_gone++;
}

static int connect_to(const char *path) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    CHECK(connect(fd, (const struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

TEST(what_a_peer_began_ends_even_when_it_goes_first) {
    static const struct node_values values = {.body_bytes = 1u << 20};
    static struct node node;
    struct server *server;
    struct server_listener ln = {.admit = peers_admit, .unix_mode = 0600};
    char path[64], address[80];
    (void)snprintf(path, sizeof path, "/tmp/peers_test.%d", (int)getpid());
    (void)snprintf(address, sizeof address, "unix:%s", path);
    CHECK_OK(loop_new(&loop, &(struct loop_options){0}, &why), &why);
    node.loop = loop;
    node.values = &values;
    const struct peers_options o = {.node = &node, .message = on_message};
    CHECK_OK(peers_open(&peers, &o, &why), &why);
    CHECK_OK(peers_on_gone(peers, on_gone, NULL, &why), &why);
    const struct server_options so = {.name = "test"};
    CHECK_OK(server_new(&server, loop, &so, &why), &why);
    ln.admit_context = peers;
    CHECK_OK(socket_address_parse(&ln.address, bytes_from_str(address), 0, &why), &why);
    CHECK_OK(server_listen(server, NULL, &ln, &why), &why);
    int fd = connect_to(path);
    CHECK(write(fd, "{\"id\":1}", 8) == 8);
    while (!asked) {
        CHECK_OK(loop_turn(loop, NS_PER_S, &why), &why);
    }
    CHECK_U64(told_gone, 0);
    (void)close(fd); // the message is still at work
    while (!told_gone) {
        CHECK_OK(loop_turn(loop, NS_PER_S, &why), &why);
    }
    CHECK_U64(told_gone, 1);
    // The worker has just begun something for the peer, as eth_subscribe does, and is done.
    peers_done(peers, asked, asked_bytes);
    CHECK_U64(told_gone, 2);
    server_free(server);
    peers_close(peers);
    loop_free(loop);
    (void)unlink(path);
}

TEST_MAIN()
