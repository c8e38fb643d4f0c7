/* The history: what events become, byte by byte, and sinks that are away, wrong, slow, full.
 * SPDX-License-Identifier: MIT */
#include "net/testing.h"
#include "orderflow/archive_lines.h"
#include "orderflow/archive_rows.h"
#include "orderflow/share_internal.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct error why;

static const char tx_text[] =
    "\"0x02f862018001018252089400000000000000000000000000000000000000008080c001a05900a5ea3e4e07980b"
    "0d6276e2764b734be64d64c20f3eb87746c7ed1d72aa26a073f3a0877bd80098bd720afd1ba2c6d2d9c76d87cbc23f"
    "098d7be74902d9bfd4\"";

static struct flow_order *order_of(const char *method, const char *param, enum flow_source source) {
    struct arena a;
    const struct json *doc;
    struct order order = {0};
    struct flow_order *o;
    struct flow_order_facts facts = {.source = source,
                                     .peer = source == FLOW_FROM_PEER ? "them" : NULL,
                                     .priority = ORDER_LOW,
                                     .received_ns = UINT64_C(1730000000000000000),
                                     .sent_ns = source == FLOW_FROM_PEER ? 1729999999999000000 : 0,
                                     .bytes = 321};
    memset(facts.signer.b, 0x93, sizeof facts.signer.b);
    struct order_context c = {.generation = ORDER_FIRST, .signer = facts.signer};
    arena_init(&a, 4u << 20);
    CHECK_OK(json_parse(&doc, bytes_from_str(arena_str(&a, bytes_from_str(param))), &a, NULL, &why),
             &why);
    CHECK_OK(order_from_param(&order, bytes_from_str(method), doc, &c, &a, &why), &why);
    CHECK_OK(flow_order_new(&o, &order, &facts, &a, &why), &why);
    return o;
}

static struct flow_order *bundle_of(unsigned block, enum flow_source source) {
    char param[1000];
    snprintf(param, sizeof param, "{\"blockNumber\":\"0x%x\",\"txs\":[%s]}", block, tx_text);
    return order_of("eth_sendBundle", param, source);
}

/* ---- bytes ---- */

TEST(users_orders_become_events_of_the_redistribution_archive) {
    struct buf out, request;
    buf_init(&out, 0);
    buf_init(&request, 0);
    struct flow_order *o = order_of("eth_sendBundle", "{\"blockNumber\":\"0x7b\"}", FLOW_FROM_USER);
    CHECK_OK(archive_put_event(&out, o, 0, &why), &why);
    flow_order_release(o);
    buf_append_byte(&out, ',');
    o = order_of("eth_sendRawTransaction", "\"0x0102\"", FLOW_FROM_USER);
    CHECK_OK(archive_put_event(&out, o, 100, &why), &why);
    flow_order_release(o);
    archive_put_request(&request, buf_view(&out));
    buf_append_byte(&request, '\0');
    CHECK_STR(
        (const char *)request.p,
        "{\"method\":\"flashbots_newOrderEvents\",\"params\":[{\"orderEvents\":["
        "{\"eth_sendBundle\":{\"params\":{\"txs\":null,\"blockNumber\":\"0x7b\","
        "\"version\":\"v2\",\"signingAddress\":\"0x9393939393939393939393939393939393939393\"},"
        "\"metadata\":{\"receivedAt\":1730000000000}}},"
        "{\"mev_sendBundle\":{\"params\":{\"version\":\"v0.1\",\"inclusion\":{\"block\":"
        "\"0x64\",\"maxBlock\":\"0x69\"},\"body\":[{\"tx\":\"0x0102\",\"canRevert\":true}],"
        "\"validity\":{},\"metadata\":{\"signer\":"
        "\"0x9393939393939393939393939393939393939393\"}},"
        "\"metadata\":{\"receivedAt\":1730000000000}}}"
        "]}],\"id\":0,\"jsonrpc\":\"2.0\"}");
    buf_free(&out);
    buf_free(&request);
}

/* Reads a row as ClickHouse does. */
struct row {
    struct bytes rest;
};
static struct bytes take(struct row *r, size_t n) {
    CHECK(r->rest.n >= n);
    struct bytes b = bytes_slice(r->rest, 0, n);
    r->rest = bytes_slice(r->rest, n, r->rest.n);
    return b;
}
static uint64_t take_number(struct row *r, size_t n) {
    uint64_t v = 0;
    struct bytes b = take(r, n);
    for (size_t i = n; i-- > 0;) {
        v = v << 8 | b.p[i];
    }
    return v;
}
static struct bytes take_string(struct row *r) {
    uint64_t n = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t b = *take(r, 1).p;
        n |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) break;
    }
    return take(r, (size_t)n);
}

TEST(a_peers_bundle_becomes_a_receipt) {
    struct buf out;
    buf_init(&out, 0);
    struct flow_order *o = bundle_of(5, FLOW_FROM_PEER);
    struct archive_event e = {.kind = ARCHIVE_FROM_PEER, .order = o};
    CHECK_U64(archive_put_row(&out, ARCHIVE_RECEIPTS, &e, "us", &why), 1);
    struct row r = {buf_view(&out)};
    struct hash twice = order_flow_double_hash(&o->answer);
    CHECK_BYTES(take(&r, 32), BYTES_OF(o->answer));
    CHECK_BYTES(take(&r, 32), BYTES_OF(twice));
    CHECK_U64(*take(&r, 1).p, 0);
    CHECK_U64(take_number(&r, 8), 1729999999999000);
    CHECK_U64(take_number(&r, 8), 1730000000000000);
    CHECK_BYTES(take_string(&r), BYTES_LIT("us"));
    CHECK_BYTES(take_string(&r), BYTES_LIT("them"));
    CHECK_U64(take_number(&r, 4), 321);
    CHECK_U64(*take(&r, 1).p, 2);
    CHECK_U64(r.rest.n, 0);
    // It is no user's bundle, and raw transactions have no row at all.
    CHECK_U64(archive_put_row(&out, ARCHIVE_BUNDLES, &e, "us", &why), 0);
    struct flow_order *raw = order_of("eth_sendRawTransaction", "\"0x0102\"", FLOW_FROM_PEER);
    e.order = raw;
    CHECK_U64(archive_put_row(&out, ARCHIVE_RECEIPTS, &e, "us", &why), 0);
    flow_order_release(raw);
    flow_order_release(o);
    buf_free(&out);
}

TEST(a_users_bundle_becomes_a_row_of_columns) {
    struct buf out;
    buf_init(&out, 0);
    struct flow_order *o = bundle_of(0x77, FLOW_FROM_USER);
    struct archive_event e = {.kind = ARCHIVE_RECEIVED, .order = o};
    CHECK_U64(archive_put_row(&out, ARCHIVE_BUNDLES, &e, "us", &why), 1);
    struct row r = {buf_view(&out)};
    CHECK_U64(take_number(&r, 8), 1730000000000000);
    CHECK_U64(take_number(&r, 1), 1); // one hash
    take(&r, 32);
    CHECK_U64(take_number(&r, 1), 1); // one sender
    take(&r, 20);
    CHECK_U64(take_number(&r, 1), 1); // its nonce
    CHECK_U64(take_number(&r, 8), 0);
    take(&r, 2 * 33); // r, s
    CHECK_U64(take_number(&r, 1), 1);
    take(&r, 1); // v
    CHECK_U64(take_number(&r, 1), 1);
    CHECK_U64(take_number(&r, 1), 0); // to: is there
    take(&r, 20);
    CHECK_U64(take_number(&r, 1), 1);
    CHECK_U64(take_number(&r, 8), 21000);
    CHECK_U64(take_number(&r, 1), 1);
    CHECK_U64(take_number(&r, 1), 2); // type
    CHECK_U64(take_number(&r, 1), 1);
    CHECK_U64(take_string(&r).n, 0); // input
    CHECK_U64(take_number(&r, 1), 1);
    take(&r, 32); // value
    CHECK_U64(take_number(&r, 1), 1);
    CHECK_U64(take_number(&r, 1), 1); // gasPrice: null
    CHECK_U64(take_number(&r, 1), 1);
    CHECK_U64(take_number(&r, 1), 0);
    CHECK_U64(take_number(&r, 8), 1); // maxFeePerGas
    take(&r, 8);
    CHECK_U64(take_number(&r, 1), 1);
    CHECK_U64(take_number(&r, 1), 0);
    CHECK_U64(take_number(&r, 8), 1);
    take(&r, 8);
    CHECK_U64(take_number(&r, 1), 1);
    CHECK_U64(take_number(&r, 1), 1); // access list: null where it is empty
    CHECK_U64(take_number(&r, 1), 1);
    CHECK_U64(take_number(&r, 1), 1); // authorizations: null
    CHECK_U64(take_number(&r, 1), 1);
    CHECK_BYTES(take_string(&r), o->order.bundle.txs.items[0]);
    CHECK_U64(take_number(&r, 8), 0x77);
    CHECK_U64(take_number(&r, 1), 1); // min
    CHECK_U64(take_number(&r, 1), 1); // max
    take(&r, 3);                      // no hashes
    CHECK_U64(take_number(&r, 1), 1); // uuid
    CHECK_U64(take_number(&r, 1), 1); // nonce
    CHECK_U64(take_number(&r, 1), 1); // percent
    CHECK_U64(take_number(&r, 1), 1); // recipient
    CHECK_U64(take_number(&r, 1), 1); // delayed
    CHECK_U64(take_number(&r, 1), 1); // identity
    CHECK_U64(take_number(&r, 1), 0);
    CHECK_BYTES(take(&r, 20), BYTES_OF(o->signer));
    CHECK_BYTES(take(&r, 32), BYTES_OF(o->answer));
    take(&r, 16); // internal uuid: is there always
    CHECK_BYTES(take_string(&r), BYTES_LIT("us"));
    CHECK_U64(take_number(&r, 1), 2);
    CHECK_U64(r.rest.n, 0);
    flow_order_release(o);
    buf_free(&out);
}

/* ---- sinks ---- */

struct place {
    struct loop *loop;
    struct server *server;
    struct route route;
    char url[64];
    int status;
    const char *answer;
    unsigned requests, taken;
    size_t bytes;
    char query[400], signature[200], user[40], last[4000];
    bool silent; /* never answers */
};

static unsigned count_of(struct bytes body, const char *what) {
    unsigned n = 0;
    for (const uint8_t *p = body.p;
         (p = memmem(p, (size_t)(body.p + body.n - p), what, strlen(what))) != NULL; p++) {
        n++;
    }
    return n;
}

static void on_request(struct exchange *x, void *context) {
    struct place *p = context;
    struct bytes body = exchange_body(x), query = exchange_query(x);
    p->requests++;
    snprintf(p->query, sizeof p->query, "%.*s", (int)query.n, query.n ? (const char *)query.p : "");
    snprintf(p->last, sizeof p->last, "%.*s", (int)(body.n < 3999 ? body.n : 3999),
             (const char *)body.p);
    struct bytes s = exchange_header(x, "x-flashbots-signature");
    snprintf(p->signature, sizeof p->signature, "%.*s", (int)s.n, s.n ? (const char *)s.p : "");
    s = exchange_header(x, "x-clickhouse-user");
    snprintf(p->user, sizeof p->user, "%.*s", (int)s.n, s.n ? (const char *)s.p : "");
    if (p->silent) return; // until the client is gone
    if (p->status == 200) {
        p->taken += count_of(body, "receivedAt");
        p->bytes += body.n;
    }
    exchange_respond_text(x, p->status, "text/plain", bytes_from_str(p->answer));
}

static void place_open(struct place *p) {
    struct server_options so = {.routes = &p->route, .route_count = 1};
    struct server_listener ln = {0};
    struct socket_address a;
    char text[SOCKET_TEXT_MAX];
    memset(p, 0, sizeof *p);
    p->status = 200;
    p->answer = "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":null}";
    p->route = (struct route){"POST", "/", on_request, p, 64u << 20, ROUTE_PREFIX};
    CHECK_OK(loop_new(&p->loop, NULL, &why), &why);
    CHECK_OK(server_new(&p->server, p->loop, &so, &why), &why);
    CHECK_OK(socket_address_parse(&ln.address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(server_listen(p->server, &a, &ln, &why), &why);
    socket_address_text(text, &a);
    snprintf(p->url, sizeof p->url, "http://%.40s/api", text);
}

static void place_close(struct place *p) {
    server_free(p->server);
    loop_free(p->loop);
}

static struct archive *open_rpc(const struct place *p, const char *folder, unsigned queue) {
    struct archive *a;
    struct archive_options o = {
        .rpc_url = p->url, .spill_folder = folder, .queue_events = queue, .builder_name = "us"};
    CHECK_OK(archive_new(&a, &o, &why), &why);
    return a;
}

static void record(struct archive *a, unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        struct flow_order *o = bundle_of(i, FLOW_FROM_USER);
        struct archive_event e = {.kind = ARCHIVE_RECEIVED, .order = o};
        CHECK(archive_record(a, &e));
        flow_order_release(o);
    }
}

/* Ends an archive while the place still answers. */
struct ending {
    struct archive *a;
    uint64_t deadline_ns;
    atomic_bool done;
};
static void *end_run(void *context) {
    struct ending *e = context;
    archive_end(e->a, e->deadline_ns);
    atomic_store(&e->done, true);
    return NULL;
}
static void end(struct place *p, struct archive *a, uint64_t deadline_ns) {
    struct ending e = {a, deadline_ns, false};
    pthread_t t;
    CHECK(pthread_create(&t, NULL, end_run, &e) == 0);
    TURN_UNTIL_WITHIN(p->loop, 20, atomic_load(&e.done));
    pthread_join(t, NULL);
}

TEST(events_go_out_in_batches_of_a_hundred) {
    struct place p;
    place_open(&p);
    struct archive *a = open_rpc(&p, NULL, 0);
    record(a, 1, 251);
    TURN_UNTIL(p.loop, p.taken == 200); // two whole batches; the third waits for its time
    CHECK_U64(p.requests, 2);
    end(&p, a, 5 * NS_PER_S);
    CHECK_U64(p.taken, 250);
    CHECK_U64(p.requests, 3);
    place_close(&p);
}

TEST(a_place_that_is_away_gets_everything_when_it_is_back) {
    struct place p;
    char folder[] = "/tmp/archive-test-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    place_open(&p);
    p.status = 503;
    struct archive *a = open_rpc(&p, folder, 0);
    record(a, 1, 301);
    TURN_UNTIL(p.loop, p.requests > 1);
    end(&p, a, 100 * NS_PER_MS); // the process ends meanwhile
    CHECK_U64(p.taken, 0);
    p.status = 200;
    p.answer = "{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":1,\"message\":\"no\"}}";
    a = open_rpc(&p, folder, 0);
    unsigned before = p.requests;
    TURN_UNTIL(p.loop, p.requests > before); // an error in a 200 is none
    p.taken = 0;
    p.answer = "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":null}";
    TURN_UNTIL(p.loop, p.taken >= 300);
    end(&p, a, 5 * NS_PER_S);
    CHECK_U64(p.taken, 300);
    CHECK(rmdir(folder) == 0); // nothing is left
    place_close(&p);
}

/* How often a text is in the files of a folder. */
static unsigned count_in(const char *folder, const char *what) {
    char path[400];
    unsigned n = 0;
    DIR *d = opendir(folder);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%.100s/%.255s", folder, e->d_name);
        struct bytes text = test_read_file(path);
        n += count_of(text, what);
        free((void *)(uintptr_t)text.p);
    }
    closedir(d);
    return n;
}

static void remove_folder(const char *folder) {
    char path[400];
    DIR *d = opendir(folder);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        snprintf(path, sizeof path, "%.100s/%.255s", folder, e->d_name);
        if (e->d_name[0] != '.') unlink(path);
    }
    closedir(d);
    CHECK(rmdir(folder) == 0);
}

/* A process that is killed when its records are in the folder, however soon that is. */
static void run_and_kill(const struct archive_options *o, const char *folder, unsigned records,
                         const char *what) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct archive *a;
        CHECK_OK(archive_new(&a, o, &why), &why);
        record(a, 1, records + 1);
        (void)pause();
        _exit(1);
    }
    for (int i = 0; i < 60000 && count_in(folder, what) < records; i++) {
        (void)usleep(1000);
    }
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    CHECK_U64(count_in(folder, what), records);
}

TEST(a_killed_process_leaves_all_that_was_not_taken) {
    struct place p;
    char folder[] = "/tmp/archive-test-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    place_open(&p);
    // Two batches and a half; the first is taken from the disk and tried again and again.
    struct archive_options o = {.rpc_url = "http://127.0.0.1:1/", .spill_folder = folder};
    run_and_kill(&o, folder, 250, "receivedAt");
    o.rpc_url = p.url;
    struct archive *a;
    CHECK_OK(archive_new(&a, &o, &why), &why);
    CHECK(archive_was_cut(a));
    TURN_UNTIL(p.loop, p.taken >= 250);
    end(&p, a, 5 * NS_PER_S);
    CHECK_U64(p.taken, 250);
    CHECK(rmdir(folder) == 0);
    place_close(&p);
}

/* The file of lines in a folder; there is one. */
static void path_of_lines(char path[400], const char *folder) {
    DIR *d = opendir(folder);
    path[0] = '\0';
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strstr(e->d_name, ARCHIVE_LINES_SUFFIX)) {
            snprintf(path, 400, "%.100s/%.255s", folder, e->d_name);
        }
    }
    closedir(d);
    CHECK(path[0] != '\0');
}

TEST(a_killed_process_leaves_whole_lines) {
    struct archive *a;
    char folder[] = "/tmp/archive-test-XXXXXX", path[400];
    CHECK(mkdtemp(folder) != NULL);
    const struct archive_options o = {.files_folder = folder};
    run_and_kill(&o, folder, 20, "\"kind\":\"received\"");
    path_of_lines(path, folder);
    // It was in the middle of a line.
    struct bytes whole = test_read_file(path);
    CHECK(whole.p[whole.n - 1] == '\n' && truncate(path, (off_t)whole.n - 40) == 0);
    CHECK_OK(archive_new(&a, &o, &why), &why);
    CHECK(archive_was_cut(a));
    record(a, 20, 22);
    archive_end(a, 5 * NS_PER_S);
    struct bytes now = test_read_file(path); // this hour's, unless it has just ended
    unsigned lines = count_of(now, "\n");
    CHECK(lines == 19 || lines == 21);
    CHECK_U64(count_in(folder, "\"kind\":\"received\""), 21);
    CHECK(now.p[now.n - 1] == '\n');
    CHECK_OK(archive_new(&a, &o, &why), &why);
    CHECK(!archive_was_cut(a));
    archive_end(a, 0);
    free((void *)(uintptr_t)whole.p);
    free((void *)(uintptr_t)now.p);
    remove_folder(folder);
}

TEST(a_full_disk_leaves_whole_lines) {
    char folder[] = "/tmp/archive-test-XXXXXX", path[100];
    struct rlimit old, few = {.rlim_cur = 25};
    size_t written;
    CHECK(mkdtemp(folder) != NULL && getrlimit(RLIMIT_FSIZE, &old) == 0);
    snprintf(path, sizeof path, "%s/orders-x.jsonl", folder);
    const struct bytes lines = BYTES_LIT("first line\nsecond line\nthird line\n");
    few.rlim_max = old.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &few) == 0);
    CHECK_ERR(archive_lines_append(&written, path, lines, &why), ERR_IO);
    CHECK_U64(written, 23); // and the first bytes of the third are taken off
    struct bytes rest = bytes_slice(lines, written, lines.n);
    CHECK_ERR(archive_lines_append(&written, path, rest, &why), ERR_IO);
    CHECK_U64(written, 0);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK_U64(archive_lines_mend(folder), 0);
    CHECK_OK(archive_lines_append(&written, path, rest, &why), &why);
    CHECK_U64(written, 11);
    struct bytes now = test_read_file(path);
    CHECK_BYTES(now, lines);
    free((void *)(uintptr_t)now.p);
    CHECK(truncate(path, 3) == 0); // half a line and no whole one
    CHECK_U64(archive_lines_mend(folder), 1);
    CHECK_U64(archive_lines_mend(folder), 0);
    remove_folder(folder);
}

TEST(a_full_disk_loses_nothing_that_memory_holds) {
    struct place p;
    char folder[] = "/tmp/archive-test-XXXXXX";
    struct rlimit old, few = {.rlim_cur = 3000};
    CHECK(mkdtemp(folder) != NULL && getrlimit(RLIMIT_FSIZE, &old) == 0);
    few.rlim_max = old.rlim_max;
    place_open(&p);
    p.status = 503;
    struct archive *a = open_rpc(&p, folder, 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &few) == 0); // of each file
    record(a, 1, 301);
    TURN_UNTIL(p.loop, p.requests > 1);
    p.status = 200;
    TURN_UNTIL_WITHIN(p.loop, 30, p.taken >= 300);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    end(&p, a, 5 * NS_PER_S);
    CHECK_U64(p.taken, 300);
    CHECK(rmdir(folder) == 0);
    place_close(&p);
}

TEST(a_place_that_hangs_blocks_nobody) {
    struct place p;
    place_open(&p);
    p.silent = true;
    struct archive *a = open_rpc(&p, NULL, 64);
    uint64_t start = clock_monotonic_ns(&clock_system);
    unsigned lost = 0;
    struct flow_order *o = bundle_of(1, FLOW_FROM_USER);
    struct archive_event e = {.kind = ARCHIVE_RECEIVED, .order = o};
    for (int i = 0; i < 20000; i++) {
        lost += !archive_record(a, &e);
    }
    CHECK(clock_monotonic_ns(&clock_system) - start < 2 * NS_PER_S);
    flow_order_release(o);
    end(&p, a, 0);
    (void)lost; // how many depends on the threads; none was waited for
    place_close(&p);
}

TEST(the_fullness_of_the_disk_is_told_with_hysteresis) {
    struct place p;
    char folder[] = "/tmp/archive-test-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    place_open(&p);
    p.status = 503;
    struct archive *a = open_rpc(&p, folder, 0);
    record(a, 1, 3001);
    TURN_UNTIL(p.loop, p.requests > 0);
    end(&p, a, 0); // all of it to disk
    struct archive_options o = {
        .rpc_url = p.url, .spill_folder = folder, .reject_bytes = 100000, .resume_bytes = 50000};
    CHECK_OK(archive_new(&a, &o, &why), &why);
    TURN_UNTIL(p.loop, archive_is_full(a));
    p.status = 200;
    TURN_UNTIL(p.loop, !archive_is_full(a));
    TURN_UNTIL(p.loop, p.taken >= 3000);
    end(&p, a, 5 * NS_PER_S);
    CHECK_U64(p.taken, 3000);
    CHECK(rmdir(folder) == 0);
    place_close(&p);
}

TEST(rows_go_to_their_tables_and_lines_to_their_file) {
    struct place p;
    struct archive *a;
    char folder[] = "/tmp/archive-test-XXXXXX", path[400];
    CHECK(mkdtemp(folder) != NULL);
    place_open(&p);
    struct archive_options o = {.clickhouse_url = p.url,
                                .clickhouse_user = "writer",
                                .clickhouse_database = "flow",
                                .events_table = "order_events",
                                .builder_name = "us",
                                .files_folder = folder};
    CHECK_OK(archive_new(&a, &o, &why), &why);
    struct flow_order *order = bundle_of(1, FLOW_FROM_PEER);
    struct archive_event e = {.kind = ARCHIVE_SHARED, .order = order, .peer = "other"};
    CHECK(archive_record(a, &e));
    end(&p, a, 5 * NS_PER_S);
    CHECK_U64(p.requests, 1); // neither a user's bundle nor a peer's
    CHECK_STR(p.user, "writer");
    CHECK(strncmp(p.query, "database=flow&query=INSERT%20INTO%20order_events%20%28at%2Ckind", 60) ==
          0);
    CHECK_U64(p.bytes, 8 + 7 + 32 + 32 + 15 + 20 + 6 + 3 + 8 + 4 + 1);
    flow_order_release(order);
    DIR *d = opendir(folder);
    unsigned files = 0;
    for (struct dirent *f; (f = readdir(d)) != NULL;) {
        if (f->d_name[0] == '.') continue;
        files++;
        snprintf(path, sizeof path, "%.40s/%.300s", folder, f->d_name);
        struct bytes text = test_read_file(path);
        CHECK_U64(count_of(text, "\"kind\":\"shared\""), 1);
        CHECK_U64(count_of(text, "\"peer\":\"other\""), 1);
        free((void *)(uintptr_t)text.p);
        unlink(path);
    }
    closedir(d);
    CHECK_U64(files, 1);
    CHECK(rmdir(folder) == 0);
    place_close(&p);
}

TEST_MAIN()
