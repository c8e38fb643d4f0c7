/* Start, housekeeping and end of the relay. SPDX-License-Identifier: MIT */
#include "base/confine.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/list.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "relay/records_read.h"
#include "relay/relay.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUEUE_MAX 4096u
#define HOUSEKEEPING_NS (30 * NS_PER_S)
#define DRAIN_NS (10 * NS_PER_S)
#define JSON_BODY_MAX (15u << 20)
#define ROOM_MIN (UINT64_C(16) << 20) // that the database's disk must have left

bool relay_run(struct relay *r, struct pool_task *task) {
    return !r->stopping && pool_submit(r->pool, task);
}

bool relay_read(struct relay *r, struct pool_task *task) {
    return !r->stopping && pool_submit(records_read_pool(r->records), task);
}

// ---- what the store knows, once the network is known

static int take_registration(void *context, const struct signed_validator_registration *reg,
                             struct error *why) {
    struct relay *r = context;
    bool kept;
    return duties_register(&r->duties, reg, &kept, why);
}

static int on_network(void *context, const struct network *n, struct error *why) {
    struct relay *r = context;
    r->network = *n;
    int code = duties_init(&r->duties, n, why);
    if (code == 0) code = records_each_registration(r->records, take_registration, r, why);
    if (code == 0) {
        code = records_last_delivered(r->records, &r->delivered_slot, &r->delivered_hash, why);
    }
    if (code == 0) code = relay_reload_bids(r, why);
    if (code != 0) {
        duties_free(&r->duties);
        return code;
    }
    r->has_network = true;
    log_info(r->log, "network_known", F_U64("genesis", n->genesis_s),
             F_DURATION("slot", n->slot_ns), F_BOOL("minimal", n->preset == CONSENSUS_MINIMAL),
             F_U64("open_auctions", r->auctions.by_key.n));
    return 0;
}

// ---- builders: the store's rows, and those of the configuration that it does not have

static int take_builder(void *context, const struct bytes48 *pubkey,
                        const struct builder_status *status, struct error *why) {
    struct relay *r = context;
    struct builder *b = builders_get(&r->builders, pubkey);
    if (!b) return error_set(why, ERR_LIMIT, "too many builders");
    b->status = *status;
    b->listed = true;
    return 0;
}

static int read_flag(bool *ret, const struct toml *row, const char *key, struct error *why) {
    const struct toml *v = toml_find(row, key);
    return v ? toml_bool(ret, v, why) : 0;
}

// A key that is misspelt would leave a builder with another standing than the operator wants.
static int check_row(const struct toml *row, struct error *why) {
    static const char *const known[] = {"pubkey",     "id",         "high_priority",
                                        "optimistic", "collateral", "header_submissions",
                                        "blacklisted"};
    toml_each(v, row) {
        size_t i = 0, n = sizeof known / sizeof *known;
        while (i < n && !bytes_equal_str(v->key, known[i]))
            i++;
        if (i == n) {
            return toml_error(why, ERR_NOT_FOUND, v, "unknown key %.*s", (int)v->key.n,
                              (const char *)v->key.p);
        }
    }
    if (toml_find(row, "pubkey")) return 0;
    return toml_error(why, ERR_NOT_FOUND, row, "pubkey is missing");
}

static int seed_builder(struct relay *r, const struct toml *row, struct error *why) {
    struct bytes text, id = {NULL, 0}, collateral = BYTES_LIT("0");
    struct bytes48 pubkey;
    struct builder_status s = {.high_priority = false};
    int code = check_row(row, why);
    if (code == 0) code = toml_string(&text, toml_find(row, "pubkey"), why);
    if (code == 0) code = hex_decode_fixed(pubkey.b, 48, text, why);
    if (code == 0) code = read_flag(&s.high_priority, row, "high_priority", why);
    if (code == 0) code = read_flag(&s.blacklisted, row, "blacklisted", why);
    if (code == 0) code = read_flag(&s.optimistic, row, "optimistic", why);
    if (code == 0) code = read_flag(&s.header_submissions, row, "header_submissions", why);
    if (code == 0 && toml_find(row, "id")) code = toml_string(&id, toml_find(row, "id"), why);
    if (code == 0 && toml_find(row, "collateral")) {
        code = toml_string(&collateral, toml_find(row, "collateral"), why);
    }
    if (code != 0) return error_wrap(why, "builder");
    if (id.n >= sizeof s.id || !u256_from_decimal(&s.collateral, collateral)) {
        return toml_error(why, ERR_RANGE, row, "a builder's id or collateral");
    }
    if (id.n) memcpy(s.id, id.p, id.n);
    struct builder *b = builders_get(&r->builders, &pubkey);
    if (!b) return error_set(why, ERR_LIMIT, "too many builders");
    if (b->listed) return 0; // what happened since counts more than the file
    b->status = s;
    b->listed = true;
    return records_builder(r->records, b, NULL, NULL, why);
}

static int load_builders(struct relay *r, struct error *why) {
    int code = records_each_builder(r->records, take_builder, r, why);
    toml_each(row, r->values->builders) {
        if (code == 0) code = seed_builder(r, row, why);
    }
    return code;
}

// ---- parts

static void drain_mailbox(struct loop_fd *watch, unsigned events) {
    (void)events;
    (void)pool_mailbox_drain(&LIST_ENTRY(watch, struct relay, mailbox_watch)->mailbox);
}

static bool is_https(const struct config_list *urls) {
    for (size_t i = 0; i < urls->count; i++) {
        if (strncmp(urls->items[i], "https:", 6) == 0) return true;
    }
    return false;
}

static int open_tls(struct relay *r, struct error *why) {
    const struct relay_values *v = r->values;
    bool own = v->ca_file && *v->ca_file;
    if (!own && !is_https(&v->beacon) && !is_https(&v->validation)) return 0;
    return tls_new_roots(&r->tls, v->ca_file, why);
}

static int open_parts(struct relay *r, struct error *why) {
    const struct relay_values *v = r->values;
    const struct records_options records = {
        .url = v->postgres_dsn && *v->postgres_dsn ? v->postgres_dsn : v->database,
        .loop = r->loop,
        .log = r->log,
        .metrics = r->metrics};
    const struct simulators_options simulators = {.loop = r->loop,
                                                  .log = r->log,
                                                  .metrics = r->metrics,
                                                  .urls = v->validation.items,
                                                  .url_count = v->validation.count,
                                                  .timeout_ns = v->validation_timeout_ns,
                                                  .at_work_max = (unsigned)v->validation_at_work};
    int code = open_tls(r, why);
    if (code == 0) code = records_open(&r->records, &records, why);
    if (code == 0) code = load_builders(r, why);
    if (code == 0) { // the loop's answers are awaited
        code = pool_start_behind(&r->pool, (unsigned)r->values->workers, QUEUE_MAX, why);
    }
    if (code == 0) code = pool_mailbox_open(&r->mailbox, why);
    if (code != 0) return code;
    r->mailbox_watch = (struct loop_fd){r->mailbox.fd, LOOP_READ, drain_mailbox};
    code = loop_fd_add(r->loop, &r->mailbox_watch, why);
    if (code == 0) code = resolver_new(&r->names, 0, why);
    if (code != 0) return code;
    struct simulators_options with = simulators;
    with.names = r->names;
    with.tls = r->tls;
    code = simulators_new(&r->simulators, &with, why);
    if (code == 0 && v->validation.count == 0) {
        if (v->require_validation) {
            return error_set(why, ERR_NOT_FOUND, "no validation node is given");
        }
        log_warn(r->log, "nothing_is_simulated");
    }
    return code == 0 ? live_new(&r->live, r, why) : code;
}

static int open_beacon(struct relay *r, struct error *why) {
    const struct relay_values *v = r->values;
    const struct beacon_options o = {.loop = r->loop,
                                     .log = r->log,
                                     .metrics = r->metrics,
                                     .pool = r->pool,
                                     .mailbox = &r->mailbox,
                                     .names = r->names,
                                     .tls = r->tls,
                                     .urls = v->beacon.items,
                                     .url_count = v->beacon.count,
                                     .slot_ns = v->slot_ns,
                                     .duties = &r->duties,
                                     .publish_path = v->publish_path};
    const struct beacon_events events = {.network = on_network,
                                         .head = relay_head,
                                         .attributes = relay_attributes,
                                         .duties = relay_duties_changed,
                                         .context = r};
    return beacon_start(&r->beacon, &o, &events, why);
}

// ---- listeners

static int listen_on(struct relay *r, struct server **ret, const char *name, const char *address,
                     const struct route *routes, size_t count, struct error *why) {
    struct server_listener listener = {.http2 = false};
    struct socket_address bound;
    char text[SOCKET_TEXT_MAX];
    const struct server_options o = {
        .routes = routes,
        .route_count = count,
        .limits = {.body_bytes = JSON_BODY_MAX,
                   .connections = (unsigned)r->values->connections,
                   .requests_per_second = (unsigned)r->values->requests_per_second},
        .log = r->log,
        .metrics = r->metrics,
        .name = name,
        .access_log = log_enabled(r->log, LOG_DEBUG)};
    int code = server_new(ret, r->loop, &o, why);
    if (code == 0) code = socket_address_parse(&listener.address, bytes_from_str(address), 0, why);
    if (code == 0) code = server_listen(*ret, &bound, &listener, why);
    if (code == 0) code = service_add_server(r->service, *ret, why);
    if (code != 0) return error_wrap(why, "%s listener", name);
    (void)socket_address_text(text, &bound);
    log_info(r->log, "listening", F_STR("listener", name), F_STR("address", text));
    return 0;
}

#define PUBLIC_ROUTES 15
#define DATA "/relay/v1/data/"

static int open_listeners(struct relay *r, struct error *why) {
    const struct relay_values *v = r->values;
    const struct route public[PUBLIC_ROUTES] = {
        {"GET", "/eth/v1/builder/status", relay_on_status, r, 0, ROUTE_QUIET},
        {"POST", "/eth/v1/builder/validators", relay_on_register, r, 0, 0},
        {"GET", "/eth/v1/builder/header/{slot}/{parent_hash}/{pubkey}", relay_on_get_header, r, 0,
         0},
        {"POST", "/eth/v1/builder/blinded_blocks", relay_on_blinded_v1, r, 0, 0},
        {"POST", "/eth/v2/builder/blinded_blocks", relay_on_blinded_v2, r, 0, 0},
        {"GET", "/relay/v1/builder/validators", relay_on_validators, r, 0, 0},
        {"POST", "/relay/v1/builder/blocks", relay_on_blocks, r, 0, 0},
        {"POST", "/relay/v3/builder/headers", relay_on_headers, r, 0, 0},
        {"GET", DATA "bidtraces/proposer_payload_delivered", relay_on_delivered, r, 0, 0},
        {"GET", DATA "bidtraces/builder_blocks_received", relay_on_received, r, 0, 0},
        {"GET", DATA "validator_registration", relay_on_registration, r, 0, 0},
        {"GET", "/ws/v1/top_bid", relay_on_top_bid, r, 0, 0},
        {"GET", "/live/events", relay_on_live, r, 0, 0},
        {"GET", "/", relay_on_page, r, 0, 0},
        {"GET", "/page/{file}", relay_on_page, r, 0, 0},
    };
    const struct route internal[2] = {
        {"GET,POST,PUT,PATCH", "/internal/v1/builder/{pubkey}", relay_on_builder, r, 0, 0},
        {"POST,PUT", "/internal/v1/builder/collateral/{pubkey}", relay_on_collateral, r, 0, 0}};
    struct route *at = r->routes;
    size_t count = v->page ? PUBLIC_ROUTES : PUBLIC_ROUTES - 3;
    memcpy(at, public, sizeof public);
    bool own = v->metrics_addr && *v->metrics_addr;
    if (!own) {
        memcpy(at + count, service_routes(r->service), SERVICE_ROUTES * sizeof *at);
        count += SERVICE_ROUTES;
    }
    int code = listen_on(r, &r->server, "relay", v->listen_addr, at, count, why);
    if (code == 0 && own) {
        code = listen_on(r, &r->metrics_server, "metrics", v->metrics_addr,
                         service_routes(r->service), SERVICE_ROUTES, why);
    }
    if (code != 0 || !v->internal_addr || !*v->internal_addr) return code;
    memcpy(at + RELAY_ROUTES_MAX - 2, internal, sizeof internal);
    return listen_on(r, &r->internal, "internal", v->internal_addr, at + RELAY_ROUTES_MAX - 2, 2,
                     why);
}

// ---- housekeeping

static void keep_house(struct loop_timer *t) {
    struct relay *r = LIST_ENTRY(t, struct relay, housekeeping);
    const struct relay_values *v = r->values;
    struct error why;
    uint64_t now = relay_now(r);
    uint64_t slot =
        r->head_slot > v->keep_payloads_slots ? r->head_slot - v->keep_payloads_slots : 0;
    uint64_t before =
        v->keep_submissions_ns && v->keep_submissions_ns < now ? now - v->keep_submissions_ns : 0;
    if (records_prune(r->records, slot, before, &why) != 0) {
        log_warn(r->log, "pruning_failed", F_ERR(&why));
    }
    if (loop_timer_set(r->loop, t, loop_now_ns(r->loop) + HOUSEKEEPING_NS, &why) != 0) {
        log_error(r->log, "housekeeping_lost", F_ERR(&why));
    }
}

// ---- sandbox

static int restrict_self(struct relay *r, struct error *why) {
    const struct relay_values *v = r->values;
    struct confine c;
    int code = sandbox_change_user(v->process.user, why);
    if (code != 0) return code;
    confine_init(&c);
    (void)confine_allow_folder_of(&c, v->database, SANDBOX_READ | SANDBOX_WRITE);
    (void)confine_allow_folder_of(&c, config_file(r->config), SANDBOX_READ);
    (void)confine_allow(&c, v->ca_file, SANDBOX_READ);
    (void)confine_allow(&c, "/dev/urandom", SANDBOX_READ);
    (void)confine_allow(&c, "/proc", SANDBOX_READ);
    confine_allow_system(&c);
    return confine_enter(&c, v->process.sandbox, r->log, why);
}

// ---- life

// SIGHUP: the log's settings count at once, the others with the next start.
static int reload(void *context, struct error *why) {
    struct relay *r = context;
    struct relay_values fresh = {0};
    return common_reload(r->config, &fresh, &fresh.log, r->log, why);
}

static int is_ready(void *context, struct error *why) {
    const struct relay *r = context;
    const struct relay_values *v = r->values;
    int code = beacon_ready(r->beacon, why);
    if (code == 0) code = records_health(r->records, why);
    bool own = !v->postgres_dsn || !*v->postgres_dsn;
    return code == 0 && own ? file_check_room(v->database, ROOM_MIN, why) : code;
}

static void on_stopping(void *context) {
    struct relay *r = context;
    if (r->live) live_stop(r->live);
}

static int start(struct relay *r, struct error *why) {
    const struct service_options service = {.name = "relay",
                                            .log = r->log,
                                            .drain_ns = DRAIN_NS,
                                            .ready = is_ready,
                                            .reload = reload,
                                            .stopping = on_stopping,
                                            .context = r};
    if (!r->values->validation_blobs) log_warn(r->log, "validation_without_blobs");
    int code = relay_read_key(&r->signer, r->values, why);
    if (code == 0) code = restrict_self(r, why);
    if (code == 0) code = loop_new(&r->loop, &(struct loop_options){.post_capacity = 16384}, why);
    if (code == 0) code = metrics_new(&r->metrics, NULL, why);
    if (code != 0) return code;
    metrics_add_process(r->metrics);
    struct service_options with = service;
    with.metrics = r->metrics;
    code = service_new(&r->service, r->loop, &with, why);
    if (code == 0) code = open_parts(r, why);
    if (code == 0) code = open_beacon(r, why);
    if (code == 0) code = open_listeners(r, why);
    r->housekeeping.fire = keep_house;
    if (code != 0) return code;
    return loop_timer_set(r->loop, &r->housekeeping, loop_now_ns(r->loop) + HOUSEKEEPING_NS, why);
}

// In this order nothing calls what is gone: workers, then whoever still answers, then the answers.
static void stop(struct relay *r) {
    r->stopping = true;
    pool_stop(r->pool);
    if (r->mailbox_watch.ready) (void)pool_mailbox_drain(&r->mailbox);
    simulators_free(r->simulators);
    beacon_stop(r->beacon);
    records_close(r->records);
    if (r->mailbox_watch.ready) {
        (void)pool_mailbox_drain(&r->mailbox);
        loop_fd_remove(r->loop, &r->mailbox_watch);
        pool_mailbox_close(&r->mailbox);
    }
    if (r->loop) loop_timer_clear(r->loop, &r->housekeeping);
    server_free(r->server);
    server_free(r->internal);
    server_free(r->metrics_server);
    live_free(r->live);
    auctions_free(&r->auctions);
    builders_free(&r->builders);
    if (r->has_network) duties_free(&r->duties);
    buf_free(&r->validators_json);
    resolver_free(r->names);
    tls_free(r->tls);
    service_free(r->service);
    loop_free(r->loop);
    metrics_free(r->metrics);
    bytes_wipe(&r->signer.key, sizeof r->signer.key);
    log_close(r->log);
}

int relay_serve(struct config *config, const struct relay_values *values) {
    struct relay *r = calloc(1, sizeof *r);
    struct error why;
    if (!r) return 1;
    r->values = values;
    r->config = config;
    auctions_init(&r->auctions);
    builders_init(&r->builders);
    if (common_log_open(&r->log, &values->log, "relay", &why) != 0) {
        free(r);
        return 1;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    int code = start(r, &why);
    if (code == 0) code = service_run(r->service, &why);
    if (code != 0) log_error(r->log, "failed", F_ERR(&why));
    stop(r);
    free(r);
    return code == 0 ? 0 : error_class_of(code)->exit_status;
}
