/* Net: one running network: its parts, and what is known of it. The loop's thread only.
 * SPDX-License-Identifier: MIT */
#ifndef DEVNET_NET_H
#define DEVNET_NET_H

#include "base/list.h"
#include "base/metrics.h"
#include "devnet/devnet.h"
#include "devnet/events.h"
#include "devnet/folder.h"
#include "devnet/identity.h"
#include "devnet/links.h"
#include "devnet/ports.h"
#include "devnet/probe.h"
#include "devnet/role.h"
#include "devnet/slots.h"
#include "eth/dev_accounts.h"
#include "net/service.h"

#define NET_IMAGE_MAX 32             /* bytes of an image's name, with its end */
#define NET_PEER_POLICY "peers.json" /* what nodes ask of each other */
#define NET_NODES_MAX 32
#define NET_MRTD_BYTES 48
#define NET_SOURCE_FIRST 10 /* node 1 is 127.0.0.11 */
#define NET_VERSION 1       /* of devnet.json and /api/state */
#define NET_NETWORK "devnet"
#define NET_URL_MAX 256
#define NET_CHAIN_ID DEV_CHAIN_ID
#define NET_FORK_VERSION "0x20000089"

enum net_state { NET_STARTING, NET_READY, NET_DEGRADED, NET_STOPPING };

/* What a node's boot says about itself, asked for again and again. */
struct net_boot {
    struct client *client;
    struct client_call *asking;
    struct buf body;
    struct buf status; /* the last JSON document of /status; empty: none */
    bool enabled;
    char hub[16]; /* "ok", "refused", "away", "unknown" */
};

struct net_node {
    char name[24];         /* "node-1" */
    char builder_name[24]; /* "node_1", as the hub knows it */
    unsigned number;
    char image[NET_IMAGE_MAX]; /* the name of its image */
    uint8_t mrtd[NET_MRTD_BYTES];
    struct identity_ecdsa orderflow, builder;
    struct identity_bls relay_key;
    unsigned hub_port, boot_port, api_port; /* its way to the hub, its boot, its System API */
    unsigned tpm_port, metadata_port;       /* with --tpm */
    unsigned user_front, peers_front, builder_front; /* as others are given them */
    unsigned user_port, peers_port, builder_port;
    unsigned orderflow_metrics, builder_metrics, builder_ready;
    struct net_boot boot;
};

/* Orders that were sent through the control address (send.c), so that either hash leads to both. */
#define NET_SENDS_KEPT 64

struct net_sent {
    struct hash order, tx;
};

struct net_account {
    uint64_t next, head; /* the next nonce, and the newest block when it was given */
};

struct net_sends {
    struct net_sent sent[NET_SENDS_KEPT]; /* a ring */
    size_t count;
    struct net_account accounts[DEV_ACCOUNTS];
};

struct net {
    struct devnet_settings *s;
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    struct service *service;
    struct server *server;
    struct arena arena; /* for as long as the network runs */
    struct folder folder;
    struct ports ports;
    struct roles *roles;
    struct links *links;
    struct places *places; /* with --netns */
    struct events *events;
    struct slots *slots;
    struct probe *probe;
    struct playbook *playbook; /* with --scenario */
    bool judged;
    struct fault_list faults;
    unsigned fault_ids;
    char program[4096];   /* of the multi-call binary */
    char recording[4096]; /* that is replayed; "": none */
    struct net_node nodes[NET_NODES_MAX];
    size_t node_count;
    struct identity_bls relay_key;
    unsigned chain_rpc, chain_ws, chain_beacon, relay_port; /* fronts */
    unsigned engine_port; /* of the chain, with a consensus client */
    char rpc_url[NET_URL_MAX], ws_url[NET_URL_MAX], beacon_url[NET_URL_MAX]; /* the chain's */
    char relay_url[NET_URL_MAX], bids_url[NET_URL_MAX]; /* the relay's data, and where bids go */
    uint64_t chain_id;
    struct shadow *shadow;                /* NULL: a chain of the network's own */
    unsigned archive_port, archive_front; /* 0: none */
    unsigned page_port, hub_port, hub_admin_port, hub_front_port;
    enum net_state state;
    uint64_t started_ns, ready_ns; /* ready_ns: from the start to readiness; 0: not yet */
    struct loop_timer tick;
    struct query chain_query; /* commands to the chain */
    struct net_sends sends;
    uint64_t genesis_s; /* time of genesis; 0: the chain's own choice */
    bool replaces;      /* the folder held a network that could go on */
    bool began;         /* it was started: there is something to look at when it fails */
    bool hub_filled, archive_filled;
    struct process show; /* with --show */
    struct loop_fd show_watch;
    int status;  /* of the program */
    bool failed; /* by itself, and was not only ended before it was done: its folder is kept */
    char verdict[ERROR_TEXT_MAX];
};

/* hub_admin.c: what the operator of the hub does. Blocking; the hub answers in milliseconds. */
[[gnu::warn_unused_result]] int hub_allow(struct net *n, const char *image, bool enabled,
                                          struct error *why);
/* hub_know_image allows an image that the hub has never heard of: what it was told of others
 * stands, with --continue. */
[[gnu::warn_unused_result]] int hub_know_image(struct net *n, const char *image, struct error *why);
/* hub_add_node enables a node that is new; one that the hub knows gets its addresses of now. */
[[gnu::warn_unused_result]] int hub_add_node(struct net *n, struct net_node *node,
                                             struct error *why);

/* peer_policy.c: what nodes ask of each other is made what the hub asks of them now. Blocking. */
[[gnu::warn_unused_result]] int peer_policy_follow(struct net *n, struct error *why);

/* describe.c: devnet.json, and the state as everybody is shown it. */
[[gnu::warn_unused_result]] int describe_store(struct net *n, struct error *why);
void describe_state(struct net *n, struct buf *out);

/* api.c: the control address. */
[[gnu::warn_unused_result]] int api_open(struct net *n, struct error *why);
/* api_refuse answers {"ok": false, "error": text} with that status. */
void api_refuse(struct exchange *x, int status, const char *text);

/* certificate.c: a new certificate and key for a node, in its folder. */
[[gnu::warn_unused_result]] int node_certificate(struct net *n, const struct net_node *node,
                                                 struct error *why);

/* quote_fault.c: what kind of quotes a node gives from now on: "good", "wrong" (of a platform with
 * another root), "expired". errors  ERR_SYNTAX, and those of the simulator. */
[[gnu::warn_unused_result]] int quote_fault(struct net *n, struct net_node *node, const char *kind,
                                            struct error *why);

/* order_trace.c: answers GET /api/order/{hash}. */
void order_trace(struct net *n, struct exchange *x);

/* page.c: the dashboard's files. look.c: GET /api/bids/{slot}, /api/build/{hash}. send.c: POST
 * /api/send; send_find gives what was sent with this transaction or order hash, or NULL. */
void page_show(struct exchange *x);
void look_bids(struct net *n, struct exchange *x);
void look_build(struct net *n, struct exchange *x);
/* look_slot fills a record with what the winner's builder or the chain noted of the slot. */
void look_slot(void *net, struct slot_record *r);
void send_order(struct net *n, struct exchange *x);
const struct net_sent *send_find(const struct net *n, const struct hash *h);

/* command.c: what the control address can be told. `words` as on the command line.
 * errors  ERR_SYNTAX, ERR_NOT_FOUND, …; out gets the answer. */
[[gnu::warn_unused_result]] int devnet_command(struct net *n, const struct config_list *words,
                                               struct buf *out, struct error *why);

/* net_probes: the network sends bundles of its own. */
static inline bool net_probes(const struct net *n) {
    return !n->shadow && !(n->s->replay && *n->s->replay);
}

/* watch.c: readiness, boots, the disabled nodes. */
void watch_tick(struct net *n);
/* watch_missing says what a network that is not ready waits for, and why. */
void watch_missing(const struct net *n, char *ret, size_t size);
void watch_close(struct net *n);
struct net_node *net_node_find(struct net *n, const char *name);
void net_image_mrtd(uint8_t ret[NET_MRTD_BYTES], const char *seed, const char *image);

#endif
