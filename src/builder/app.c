/* SPDX-License-Identifier: MIT */
#include "builder/app.h"

#include "base/file.h"
#include "builder/block_source.h"
#include "builder/confine.h"
#include "builder/registration.h"
#include "crypto/kzg.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define RPC_BODY_MAX (32u << 20)
#define SENDERS_KEPT (1u << 17)

/* Callbacks of the builders' threads. */

static void on_report(void *context, const struct build_report *r) {
    struct app *a = context;
    telemetry_report(&a->telemetry, r);
}

static void on_simulated(void *context, const struct slot_work *w, const struct job_entry *e,
                         const struct simulated *s) {
    struct app *a = context;
    order_log_simulated(a->order_log, e, w->slot, w->parent_number + 1,
                        clock_wall_ns(&clock_system));
    telemetry_simulated(&a->telemetry, e, s);
}

/* The chain. */

static int read_genesis(struct app *a, struct error *why) {
    static const struct json_limits limits = {JSON_BYTES_MAX, 64, JSON_VALUES_MAX, true};
    const struct json *doc;
    struct buf text;
    const char *path = a->values.chain;
    if (!path || !*path) return error_set(why, ERR_NOT_FOUND, "chain: no genesis file is given");
    arena_init(&a->genesis_memory, 0);
    buf_init(&text, 0);
    int r = file_read(&text, path, why);
    struct bytes copy = {0};
    if (r == 0) copy = arena_copy(&a->genesis_memory, buf_view(&text));
    if (r == 0 && !copy.p) r = error_set(why, ERR_NO_MEMORY, "no memory for the genesis");
    if (r == 0) r = json_parse(&doc, copy, &a->genesis_memory, &limits, why);
    if (r == 0) r = genesis_decode(&a->genesis, doc, &a->genesis_memory, why);
    buf_free(&text);
    return r == 0 ? 0 : error_wrap(why, "chain %s", path);
}

static int open_chain(struct app *a, struct error *why) {
    int r = read_genesis(a, why);
    if (r == 0) r = sender_cache_new(&a->senders, SENDERS_KEPT, why);
    if (r == 0) r = kzg_open(&a->kzg, KZG_VERIFY, why);
    if (r != 0) return r;
    const char *folder = a->values.data_folder, *url = a->values.state_rpc;
    if (url && *url) {
        r = state_link_new(&a->state, url, a->tls, (size_t)a->values.state_bytes, a->log, why);
    }
    if (r != 0) return r;
    const struct head_options options = {.genesis = &a->genesis,
                                         .folder = folder && *folder ? folder : NULL,
                                         .relaxed = true,
                                         .threads = head_threads(a->values.threads),
                                         .senders = a->senders,
                                         .remote = a->state ? a->state->state : NULL,
                                         .anchor = a->state ? &a->state->anchor : NULL,
                                         .log = a->log};
    return head_open(&a->head, &options, why);
}

static int open_block_list(struct app *a, struct error *why) {
    const struct block_source_options options = {.from = a->values.block_list,
                                                 .folder = a->values.data_folder,
                                                 .required = a->values.block_list_required,
                                                 .refresh_ns = a->values.block_list_refresh_ns,
                                                 .log = a->log};
    if (!options.from || !*options.from) {
        if (!options.required) return 0;
        return error_set(why, ERR_NOT_FOUND, "blocklist: none is given");
    }
    int r = block_source_new(&a->block_source, &options, why);
    if (r == 0) app_take_block_list(a);
    return r;
}

void app_take_block_list(struct app *a) {
    struct block_list *fresh =
        a->block_source ? block_source_take(a->block_source, &a->listed_at_ns) : NULL;
    if (!fresh) return;
    block_list_release(a->listed);
    a->listed = fresh;
}

/* Links. */

static int open_pool(struct app *a, struct error *why) {
    const struct order_pool_options options = {
        .orders_max = (size_t)a->values.orders_max,
        .bytes_max = (size_t)a->values.pool_bytes,
        .public_age_ns = 5 * a->values.slot_ns,
        .ignore_cancellable = a->values.ignore_cancellable,
        .ignore_blobs = a->values.ignore_blobs,
        .added = intake_added,
        .removed = intake_removed,
        .worth = intake_worth,
        .context = a,
    };
    size_t places = (size_t)a->values.order_log;
    int r = places ? order_log_new(&a->order_log, places, why) : 0;
    return r == 0 ? order_pool_new(&a->pool, &options, why) : r;
}

static int open_builders(struct app *a, struct error *why) {
    const struct crew_options options = {
        .head = a->head,
        .keys = &a->setup.keys,
        .list = a->setup.builders,
        .count = a->setup.builder_count,
        .simulators = (unsigned)a->values.simulators,
        .seal = {.policy = a->setup.policy, .check = a->values.check},
        .refine = a->values.refine,
        .can_pay = true,
        .log = a->log,
        .on_built = build_slots_built,
        .on_report = on_report,
        .on_simulated = on_simulated,
        .context = a,
    };
    return crew_new(&a->builders, &options, why);
}

static int open_accounts(struct app *a, struct error *why) {
    const struct accounts_options options = {.folder = a->values.records_folder,
                                             .head = a->head,
                                             .keys = &a->setup.keys,
                                             .log = a->log,
                                             .seed = a->values.seed};
    if (!options.folder || !*options.folder) return 0;
    return accounts_new(&a->accounts, &options, why);
}

static int by_priority(const void *x, const void *y) {
    const struct relay_settings *p = x, *q = y;
    return p->priority < q->priority ? -1 : p->priority > q->priority;
}

static int open_relays(struct app *a, struct error *why) {
    qsort(a->setup.relays, a->setup.relay_count, sizeof *a->setup.relays, by_priority);
    for (size_t i = 0; i < a->setup.relay_count; i++) {
        const struct relay_link_options options = {
            .loop = a->loop,
            .settings = &a->setup.relays[i],
            .optimistic_max = a->setup.optimistic_max,
            .names = a->names,
            .tls = a->tls,
            .log = a->log,
            .duties = build_slots_duties,
            .answered = build_slots_answered,
            .context = a,
        };
        int r = relay_link_new(&a->relays[i], &options, why);
        if (r != 0) return r;
        a->relay_count++;
        relay_link_refresh(a->relays[i]);
    }
    return 0;
}

static int open_beacons(struct app *a, struct error *why) {
    for (size_t i = 0; i < a->values.beacons.count; i++) {
        const struct beacon_link_options options = {
            .loop = a->loop,
            .url = a->values.beacons.items[i],
            .names = a->names,
            .tls = a->tls,
            .log = a->log,
            .slot_ns = a->values.slot_ns,
            .attributes = build_slots_attributes,
            .context = a,
        };
        if (i == BEACONS_MAX) return error_set(why, ERR_LIMIT, "beacon: more than %u", BEACONS_MAX);
        int r = beacon_link_new(&a->beacons[i], &options, why);
        if (r != 0) return r;
        a->beacon_count++;
    }
    return 0;
}

static int open_streams(struct app *a, struct error *why) {
    for (size_t i = 0; i < a->values.top_bid_urls.count; i++) {
        if (i == TOP_BIDS_MAX) {
            return error_set(why, ERR_LIMIT, "top-bid: more than %u", TOP_BIDS_MAX);
        }
        int r = top_bid_link_new(&a->top_bids[i], a, a->values.top_bid_urls.items[i], why);
        if (r != 0) return r;
        a->top_bid_count++;
    }
    return 0;
}

static int open_links(struct app *a, struct error *why) {
    const struct node_link_options node = {
        .loop = a->loop,
        .url = a->values.node,
        .log = a->log,
        .head = a->head,
        .transactions = true,
        .head_changed = build_slots_head,
        .transaction = intake_transaction,
        .context = a,
    };
    int r = resolver_new(&a->names, 30 * NS_PER_S, why);
    struct node_link_options with = node;
    with.names = a->names;
    with.tls = a->tls;
    if (r == 0) r = open_relays(a, why);
    if (r == 0) r = node_link_new(&a->node, &with, why);
    if (r == 0) r = open_beacons(a, why);
    return r == 0 ? open_streams(a, why) : r;
}

/* Servers. */

static int ready(void *context, struct error *why) {
    struct app *a = context;
    uint64_t limit = a->values.watchdog_ns;
    int r = node_link_ready(a->node, why);
    if (r != 0) return r;
    if (!a->enabled) return error_set(why, ERR_BUSY, "bidding is not enabled");
    if (limit && a->last_begun_ns && loop_now_ns(a->loop) > a->last_begun_ns + limit) {
        return error_set(why, ERR_STALE, "no block was begun for too long");
    }
    return 0;
}

// SIGHUP: the log's settings and the block list count at once, the others with the next start.
static int reload(void *context, struct error *why) {
    struct app *a = context;
    struct builder_values fresh = {0};
    int r = common_reload(a->config, &fresh, &fresh.log, a->log, why);
    if (r != 0 || !a->block_source) return r;
    log_info(a->log, "block_list_asked");
    return block_source_reload(a->block_source, why);
}

static void stopping(void *context) {
    build_slots_stop(context);
}

static void serve_full(struct exchange *x, void *context) {
    struct app *a = context;
    struct buf out;
    buf_init(&out, 0);
    metrics_write(a->telemetry.full, &out);
    exchange_respond_text(x, 200, METRICS_CONTENT_TYPE, buf_view(&out));
    buf_free(&out);
}

static void serve_redacted(struct exchange *x, void *context) {
    struct app *a = context;
    struct buf out;
    buf_init(&out, 0);
    metrics_write(a->telemetry.redacted, &out);
    exchange_respond_text(x, 200, METRICS_CONTENT_TYPE, buf_view(&out));
    buf_free(&out);
}

static int open_server(struct app *a, struct server **ret, const char *name, const char *ip,
                       uint64_t port, const struct route *routes, size_t count, struct error *why) {
    struct server_listener listener = {.http2 = false};
    struct socket_address bound;
    char text[SOCKET_TEXT_MAX];
    const struct server_options options = {
        .routes = routes,
        .route_count = count,
        .limits = {.connections = (unsigned)a->values.rpc_connections, .body_bytes = RPC_BODY_MAX},
        .log = a->log,
        .name = name,
    };
    if (port == 0) return 0;
    (void)snprintf(text, sizeof text, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, (unsigned)port);
    int r = server_new(ret, a->loop, &options, why);
    if (r == 0) r = service_add_server(a->service, *ret, why);
    if (r == 0) r = socket_address_parse(&listener.address, bytes_from_str(text), 0, why);
    if (r == 0) r = server_listen(*ret, &bound, &listener, why);
    if (r != 0) return error_wrap(why, "%s listener", name);
    (void)socket_address_text(text, &bound);
    log_info(a->log, "listening", F_STR("listener", name), F_STR("address", text));
    return 0;
}

/* Routes live in the program's struct: servers keep pointers to them. */
struct doors {
    struct route rpc[1 + SERVICE_ROUTES], full[2 + SERVICE_ROUTES], redacted[1 + SERVICE_ROUTES];
};

static int open_servers(struct app *a, struct doors *d, struct error *why) {
    const struct route *common = service_routes(a->service);
    const struct builder_values *v = &a->values;
    // The service's /metrics is the full one: where anyone looks, the redacted one stands there.
    d->rpc[0] = (struct route){.methods = "POST",
                               .path = "/",
                               .handle = intake_rpc,
                               .context = a,
                               .flags = ROUTE_PREFIX | ROUTE_QUIET};
    d->full[0] = (struct route){.methods = "GET",
                                .path = "/debug/metrics/prometheus",
                                .handle = serve_full,
                                .context = a,
                                .flags = ROUTE_QUIET};
    d->redacted[0] = (struct route){.methods = "GET",
                                    .path = "/debug/metrics/prometheus",
                                    .handle = serve_redacted,
                                    .context = a,
                                    .flags = ROUTE_QUIET};
    for (size_t i = 0; i < SERVICE_ROUTES; i++) {
        d->full[1 + i] = d->redacted[1 + i] = d->rpc[1 + i] = common[i];
        if (strcmp(common[i].path, "/metrics") != 0) continue;
        d->redacted[1 + i].handle = d->rpc[1 + i].handle = serve_redacted;
        d->redacted[1 + i].context = d->rpc[1 + i].context = a;
    }
    size_t count = 1 + SERVICE_ROUTES;
    d->full[count] = (struct route){.methods = "GET",
                                    .path = ORDERS_PATH,
                                    .handle = intake_order_asked,
                                    .context = a,
                                    .flags = ROUTE_PREFIX | ROUTE_QUIET};
    int r = open_server(a, &a->rpc_server, "rpc", v->rpc_ip, v->rpc_port, d->rpc, count, why);
    if (r == 0) {
        r = open_server(a, &a->full_server, "full_telemetry", v->full_ip, v->full_port, d->full,
                        count + 1, why);
    }
    if (r == 0) {
        r = open_server(a, &a->redacted_server, "redacted_telemetry", v->redacted_ip,
                        v->redacted_port, d->redacted, count, why);
    }
    const char *socket = v->orders_socket;
    if (r == 0 && socket && *socket) r = feed_server_new(&a->feed, a, socket, why);
    return r;
}

/* Life. */

static int start(struct app *a, struct doors *d, struct error *why) {
    static const struct tls_options roots = {.role = TLS_CLIENT, .trust = TLS_TRUST_SYSTEM};
    const struct service_options options = {.name = "builder",
                                            .log = a->log,
                                            .metrics = a->telemetry.full,
                                            .drain_ns = 5 * NS_PER_S,
                                            .ready = ready,
                                            .reload = reload,
                                            .stopping = stopping,
                                            .context = a};
    int r = builder_setup_read(&a->setup, &a->values, why);
    if (r == 0) r = loop_new(&a->loop, &(struct loop_options){.post_capacity = 65536}, why);
    if (r == 0) r = service_new(&a->service, a->loop, &options, why);
    if (r == 0) r = builder_confine(&a->values, config_file(a->config), a->log, why);
    if (r == 0) r = open_block_list(a, why);
    if (r == 0) r = tls_new(&a->tls, &roots, why);
    if (r == 0) r = open_chain(a, why);
    if (r == 0) r = open_pool(a, why);
    if (r == 0) r = build_slots_start(a, why);
    if (r == 0) r = open_builders(a, why);
    if (r == 0) r = registration_key(&a->setup.keys, why);
    if (r == 0) {
        r = registration_new(&a->registration, a->values.registration_url,
                             &a->setup.keys.records_address, a->log, why);
    }
    if (r == 0) r = open_accounts(a, why);
    if (r == 0) r = open_links(a, why);
    return r == 0 ? open_servers(a, d, why) : r;
}

static void stop(struct app *a) {
    build_slots_stop(a);
    registration_free(a->registration);
    feed_server_free(a->feed);
    for (size_t i = 0; i < a->top_bid_count; i++) {
        top_bid_link_free(a->top_bids[i]);
    }
    for (size_t i = 0; i < a->beacon_count; i++) {
        beacon_link_free(a->beacons[i]);
    }
    node_link_free(a->node);
    for (size_t i = 0; i < a->relay_count; i++) {
        relay_link_free(a->relays[i]);
    }
    crew_free(a->builders);
    server_free(a->rpc_server);
    server_free(a->full_server);
    server_free(a->redacted_server);
    service_free(a->service);
    // What builders posted last is still on its way.
    struct error why;
    if (a->loop && loop_turn(a->loop, 0, &why) != 0) log_warn(a->log, "loop_failed", F_ERR(&why));
    accounts_free(a->accounts);
    order_pool_free(a->pool);
    order_log_free(a->order_log);
    head_close(a->head);
    state_link_free(a->state);
    sender_cache_free(a->senders);
    kzg_close(a->kzg);
    block_source_free(a->block_source);
    block_list_release(a->listed);
    tls_free(a->tls);
    resolver_free(a->names);
    loop_free(a->loop);
    arena_free(&a->genesis_memory);
    builder_setup_free(&a->setup);
    telemetry_free(&a->telemetry);
}

int app_run(struct config *config, const struct builder_values *values) {
    struct app *a = calloc(1, sizeof *a);
    struct doors doors;
    struct error why;
    if (!a) return 71;
    a->config = config;
    a->values = *values;
    int r = common_log_open(&a->log, &values->log, "builder", &why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet builder: %s\n", why.text);
        free(a);
        return error_class_of(r)->exit_status;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    r = telemetry_init(&a->telemetry, &why);
    if (r == 0) r = start(a, &doors, &why);
    if (r == 0) r = service_run(a->service, &why);
    if (r != 0) log_error(a->log, "failed", F_ERR(&why));
    stop(a);
    log_close(a->log);
    free(a);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}
