/* Peers: the builders of a network as a hub lists them, read from its answer. Pure.
 *
 * The answer is an array of objects: "name", "ip", "dns_name", and a member for each service that
 * the builder registered, named like the service: {"tls_cert", "ecdsa_pubkey_address", "region"},
 * each of which may be absent. A builder that lacks something is taken as it is, so that one
 * half-registered node does not hide all others; a builder that cannot be used at all (no name, an
 * address that is none) is left out and counted. Builders come in no order; here they are sorted by
 * name and their services too, so that two lists compare member by member.
 *
 * Source: flashbots/builder-hub, GET /api/l1-builder/v1/builders. Thread: any; no shared state.
 * SPDX-License-Identifier: MIT */
#ifndef HUB_CLIENT_PEERS_H
#define HUB_CLIENT_PEERS_H

#include "base/arena.h"
#include "base/error.h"

#define HUB_PEERS_MAX 16384    /* builders in one list */
#define HUB_SERVICES_MAX 32    /* of one builder; more are left out */
#define HUB_NAME_BYTES_MAX 255 /* of a builder's or service's name */
#define HUB_LIST_BYTES_MAX (16u << 20)

#define HUB_SERVICE_ORDERFLOW "orderflow_proxy"
#define HUB_SERVICE_BUILDER "rbuilder"
#define HUB_SERVICE_INSTANCE "instance"

/* What a service is known by. Views into the list's arena. */
struct hub_credential {
    struct bytes service;
    struct bytes tls_cert; /* PEM as registered, not looked into; empty: none */
    struct bytes region;   /* may be empty */
    struct address address;
    bool has_address;
};

struct hub_peer {
    struct bytes name;
    struct bytes ip;       /* numeric text; may be empty */
    struct bytes dns_name; /* a comma-separated list as registered; may be empty */
    const struct hub_credential *credentials; /* sorted by service */
    size_t credential_count;
};

struct hub_peers {
    const struct hub_peer *peers; /* sorted by name */
    size_t count;
    size_t left_out;     /* entries that were unusable */
    struct error reason; /* of the first of them */
};

/* hub_peers_parse reads a hub's answer.
 * ret     views point into `a` only; the input may go.
 * errors  ERR_SYNTAX, ERR_INVALID (no array), ERR_LIMIT. */
[[gnu::warn_unused_result]] int hub_peers_parse(struct hub_peers *ret, struct bytes in,
                                                struct arena *a, struct error *why);

/* hub_peers_equal: the same builders with the same addresses and credentials. hub_peer_equal: the
 * same for one. */
bool hub_peers_equal(const struct hub_peers *a, const struct hub_peers *b);
bool hub_peer_equal(const struct hub_peer *a, const struct hub_peer *b);

/* hub_peers_find gives the builder of that name, or NULL. */
const struct hub_peer *hub_peers_find(const struct hub_peers *list, struct bytes name);

/* hub_peer_credential gives what the builder registered for a service, or NULL. */
const struct hub_credential *hub_peer_credential(const struct hub_peer *p, const char *service);

/* hub_peer_certificate: the certificate its node serves with: of "instance", or where older nodes
 * registered it, of "orderflow_proxy"; empty when there is none. */
struct bytes hub_peer_certificate(const struct hub_peer *p);

/* hub_peer_host: where to reach it: the first DNS name, else the address; empty: nowhere. */
struct bytes hub_peer_host(const struct hub_peer *p);

/* hub_builder_name: a node's instance name as the hub knows it ('-' becomes '_'), for comparing
 * with a list's names. errors  ERR_LIMIT: longer than HUB_NAME_BYTES_MAX. */
[[gnu::warn_unused_result]] int hub_builder_name(char ret[HUB_NAME_BYTES_MAX + 1],
                                                 struct bytes instance_name, struct error *why);

#endif
