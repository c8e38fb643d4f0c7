/* SPDX-License-Identifier: MIT */
#include "orderflow/intake.h"

#include "test/harness/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define UUID "3255ceb4-fdc5-592d-a501-2183727ca3df"
#define SHARED_MAX 512

/* The intake with everything around it but sockets: peers and history are counters. */
struct world {
    struct pool *pool;
    struct loop *loop;
    struct sender_cache *signers, *senders;
    struct gate *gate;
    struct book *book;
    struct peers *peers;
    struct tip *tip;
    struct trace *trace;
    struct journal *journal;
    struct intake *intake;
    struct ecdsa_signer *signer;
    atomic_bool held, holding; /* what is shared waits: wanted, and so it is */
    atomic_bool full;          /* the peers take no more */
    atomic_bool full_once;     /* not the next one */
    atomic_bool judging;       /* whether they are full is known later */
    pthread_mutex_t lock;      /* guards all below */
    struct flow_order *shared[SHARED_MAX];
    size_t shared_count;
    unsigned recorded[ARCHIVE_EVENT_KINDS], answers;
    enum peer_status status;
    struct hash answer;
    char text[400];
};

static struct error why;
static const struct ecdsa_secret_key user = {{1, 1}}, peer = {{2, 2}}, trusted = {{3, 3}};

static int on_share(void *context, struct flow_order *o, struct error *error) {
    struct world *w = context;
    (void)error;
    while (atomic_load(&w->held)) {
        atomic_store(&w->holding, true);
        (void)usleep(200);
    }
    pthread_mutex_lock(&w->lock);
    if (w->shared_count < SHARED_MAX) w->shared[w->shared_count++] = flow_order_hold(o);
    pthread_mutex_unlock(&w->lock);
    return 0;
}

static bool on_share_is_full(void *context) {
    struct world *w = context;
    while (atomic_load(&w->judging)) {
        atomic_store(&w->holding, true);
        (void)usleep(200);
    }
    return atomic_load(&w->full) || atomic_exchange(&w->full_once, false);
}

static void on_record(void *context, const struct archive_event *e) {
    struct world *w = context;
    pthread_mutex_lock(&w->lock);
    w->recorded[e->kind]++;
    pthread_mutex_unlock(&w->lock);
}

/* A ticket is the world itself. */
static void on_answer(struct share_ticket *t, enum peer_status status, const struct hash *hash,
                      const char *text) {
    struct world *w = (struct world *)(void *)t;
    pthread_mutex_lock(&w->lock);
    w->answers++;
    w->status = status;
    if (hash) w->answer = *hash;
    (void)snprintf(w->text, sizeof w->text, "%s", text ? text : "");
    pthread_mutex_unlock(&w->lock);
}

static struct address address_of(struct world *w, const struct ecdsa_secret_key *key) {
    struct ecdsa_public_key k;
    CHECK_OK(ecdsa_public_key_of(w->signer, &k, key, &why), &why);
    return ecdsa_address(&k);
}

/* clock  NULL: the machine's. */
static void open_world_at(struct world *w, enum intake_api api, const struct clock *clock) {
    *w = (struct world){.pool = NULL};
    (void)pthread_mutex_init(&w->lock, NULL);
    CHECK_OK(ecdsa_signer_new(&w->signer, &why), &why);
    struct address trusted_address = address_of(w, &trusted);
    struct peers_entry entry = {.name = "alpha", .signer = address_of(w, &peer)};
    CHECK_OK(pool_start(&w->pool, 4, 1024, &why), &why);
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    CHECK_OK(sender_cache_new(&w->signers, 512, &why), &why);
    CHECK_OK(sender_cache_new(&w->senders, 512, &why), &why);
    CHECK_OK(gate_new(&w->gate, &(struct gate_options){.signer_count = 0}, &why), &why);
    CHECK_OK(book_new(&w->book, &(struct book_options){.ids_max = 0}, &why), &why);
    CHECK_OK(peers_new(&w->peers, &trusted_address, &why), &why);
    CHECK_OK(peers_set(w->peers, &entry, 1, &why), &why);
    CHECK_OK(tip_new(&w->tip, &(struct tip_options){.loop = w->loop}, &why), &why);
    CHECK_OK(trace_new(&w->trace, 64, 1, &why), &why);
    const struct intake_options o = {
        .pool = w->pool,
        .clock = clock,
        .api = api,
        .body_max = 1u << 20,
        .signers = w->signers,
        .senders = w->senders,
        .gate = w->gate,
        .book = w->book,
        .peers = w->peers,
        .tip = w->tip,
        .trace = w->trace,
        .sinks = {.share = on_share,
                  .share_is_full = on_share_is_full,
                  .record = on_record,
                  .answer = on_answer,
                  .context = w},
    };
    CHECK_OK(intake_new(&w->intake, &o, &why), &why);
}

static void open_world(struct world *w, enum intake_api api) {
    open_world_at(w, api, NULL);
}

static void close_world(struct world *w) {
    pool_stop(w->pool);
    for (size_t i = 0; i < w->shared_count; i++) {
        flow_order_release(w->shared[i]);
    }
    intake_free(w->intake);
    journal_close(w->journal);
    trace_free(w->trace);
    tip_free(w->tip);
    peers_free(w->peers);
    book_free(w->book);
    gate_free(w->gate);
    sender_cache_free(w->signers);
    sender_cache_free(w->senders);
    loop_free(w->loop);
    ecdsa_signer_free(w->signer);
}

static void wait_for_jobs(const struct world *w) {
    while (intake_jobs(w->intake) > 0) {
        (void)usleep(200);
    }
}

/* ---- users ---- */

struct reply {
    char text[600];
    int status;
    bool done;
};

static void keep_reply(struct intake_job *job) {
    struct reply *r = job->owner;
    (void)snprintf(r->text, sizeof r->text, "%.*s", (int)job->reply.n, (const char *)job->reply.p);
    r->status = job->http_status;
    r->done = true;
    intake_job_free(job);
}

static void submit(struct world *w, struct reply *r, enum intake_door door,
                   const struct ecdsa_secret_key *key, const char *body) {
    struct buf header;
    struct intake_job *job = intake_job_new(w->intake, door);
    CHECK(job != NULL);
    *r = (struct reply){.done = false};
    job->owner = r;
    job->done = keep_reply;
    buf_init(&header, 0);
    CHECK_OK(request_signature_make(&header, w->signer, key, bytes_from_str(body), &why), &why);
    memcpy(job->header, header.p, header.n);
    buf_free(&header);
    CHECK(intake_append(job, bytes_from_str(body)));
    intake_job_arrived(job);
    CHECK(intake_submit(job, NULL, 1));
}

static void ask(struct world *w, struct reply *r, enum intake_door door,
                const struct ecdsa_secret_key *key, const char *body) {
    submit(w, r, door, key, body);
    wait_for_jobs(w);
    CHECK(r->done);
}

#define REQUEST(method, param)                                                                     \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":[" param "]}"
#define RAW                                                                                        \
    "0x02f8660180018502540be4008252089411111111111111111111111111111111111111110180c080a00226cc95" \
    "c89709117a4d0c8f25d6431cc575c8e1cd16e40a6acc143acc6d46b09f5c2059c18499bacc34b6a003a44e5d7e08" \
    "6080e6faf6c76bc144ef1cb38d24"

TEST(a_users_order_goes_on_once) {
    struct world w;
    struct reply r;
    const char *body = REQUEST("eth_sendBundle", "{\"txs\":[\"" RAW "\"],\"blockNumber\":\"0x5\"}");
    open_world(&w, INTAKE_SECOND);
    ask(&w, &r, INTAKE_USER, &user, body);
    CHECK_I64(r.status, 200);
    CHECK(strstr(r.text, "{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":{\"bundleHash\":\"0x") ==
          r.text);
    CHECK_U64(w.shared_count, 1);
    const struct flow_order *o = w.shared[0];
    struct address signer = address_of(&w, &user);
    CHECK(address_equal(&o->signer, &signer) && o->source == FLOW_FROM_USER);
    CHECK(o->order.tx_count == 1 && o->priority == ORDER_MEDIUM && o->target_block == 5);
    CHECK_U64(w.recorded[ARCHIVE_RECEIVED], 1);
    ask(&w, &r, INTAKE_USER, &user, body);
    CHECK_I64(r.status, 200);
    CHECK_U64(w.shared_count, 1);
    close_world(&w);
}

TEST(a_repetition_is_answered_when_the_first_is_kept) {
    struct world w;
    struct reply r, again;
    const char *body = REQUEST("eth_sendBundle", "{\"txs\":[\"" RAW "\"],\"blockNumber\":\"0x5\"}");
    open_world(&w, INTAKE_SECOND);
    atomic_store(&w.held, true);
    submit(&w, &r, INTAKE_USER, &user, body);
    while (!atomic_load(&w.holding)) {
        (void)usleep(200);
    }
    submit(&w, &again, INTAKE_USER, &user, body);
    (void)usleep(100000);
    CHECK_U64(intake_jobs(w.intake), 2);
    atomic_store(&w.held, false);
    wait_for_jobs(&w);
    CHECK_I64(r.status, 200);
    CHECK_I64(again.status, 200);
    CHECK_U64(w.shared_count, 1);
    close_world(&w);
}

#define REPLACEMENT(nonce)                                                                         \
    REQUEST("eth_sendBundle", "{\"txs\":[\"" RAW "\"],\"blockNumber\":\"0x5\","                    \
                              "\"replacementUuid\":\"550e8400-e29b-41d4-a716-446655440000\","      \
                              "\"replacementNonce\":" nonce "}")

TEST(a_replacement_is_measured_by_what_was_taken) {
    struct world w;
    struct reply high, low;
    open_world(&w, INTAKE_SECOND);
    atomic_store(&w.judging, true);
    atomic_store(&w.full_once, true);
    submit(&w, &high, INTAKE_USER, &user, REPLACEMENT("9"));
    while (!atomic_load(&w.holding)) {
        (void)usleep(200);
    }
    submit(&w, &low, INTAKE_USER, &user, REPLACEMENT("8"));
    (void)usleep(100000);
    CHECK_U64(intake_jobs(w.intake), 2); // whether 8 is late is not known before 9 is taken
    atomic_store(&w.judging, false);
    wait_for_jobs(&w);
    CHECK_I64(high.status, 503);
    CHECK_I64(low.status, 200);
    CHECK_U64(w.shared_count, 1);
    ask(&w, &high, INTAKE_USER, &user, REPLACEMENT("9"));
    CHECK_I64(high.status, 200);
    CHECK_U64(w.shared_count, 2);
    close_world(&w);
}

TEST(refused_replacements_leave_the_one_before_in_force) {
    struct world w;
    struct reply r, first, second;
    open_world(&w, INTAKE_SECOND);
    ask(&w, &r, INTAKE_USER, &user, REPLACEMENT("5"));
    CHECK_U64(w.shared_count, 1);
    atomic_store(&w.holding, false);
    atomic_store(&w.judging, true);
    atomic_store(&w.full, true);
    submit(&w, &first, INTAKE_USER, &user, REPLACEMENT("6"));
    while (!atomic_load(&w.holding)) {
        (void)usleep(200);
    }
    submit(&w, &second, INTAKE_USER, &user, REPLACEMENT("7"));
    (void)usleep(100000);
    atomic_store(&w.judging, false);
    wait_for_jobs(&w);
    CHECK(first.status == 503 && second.status == 503);
    CHECK(book_in_force(w.book, w.shared[0]));
    atomic_store(&w.full, false);
    ask(&w, &r, INTAKE_USER, &user, REPLACEMENT("6"));
    CHECK_U64(w.shared_count, 2);
    close_world(&w);
}

TEST(what_is_refused_goes_nowhere) {
    struct world w;
    struct reply r;
    open_world(&w, INTAKE_STRICT);
    static const struct {
        const char *body;
        int status;
    } cases[] = {
        {REQUEST("eth_sendBundle", "{\"txs\":[\"0x01\"]}"), 400},
        {REQUEST("eth_sendRawTransaction", "\"0x\""), 400},
        {REQUEST("mev_sendBundle", "{}"), 404}, // strict: FlowProxy's two methods only
        {REQUEST("eth_sendBundle", ""), 400},
        {"{", 400},
        {"", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask(&w, &r, INTAKE_USER, &user, cases[i].body);
        CHECK_I64(r.status, cases[i].status);
    }
    CHECK_U64(w.shared_count, 0);
    CHECK_U64(book_stats(w.book).ids, 0);
    close_world(&w);
}

/* Many at once under one uuid, none with a nonce: each gets one of its own, and the last is in
 * force. */
TEST(replacements_without_nonces_get_rising_ones) {
    struct world w;
    static struct reply replies[200];
    static char bodies[200][600];
    unsigned in_force = 0;
    open_world(&w, INTAKE_SECOND);
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(bodies[i], sizeof bodies[i],
                       REQUEST("eth_sendBundle", "{\"txs\":[\"" RAW "\"],\"minTimestamp\":%u,"
                                                 "\"replacementUuid\":\"" UUID "\"}"),
                       i);
        submit(&w, &replies[i], INTAKE_USER, &user, bodies[i]);
    }
    wait_for_jobs(&w);
    CHECK_U64(w.shared_count, 200);
    uint64_t highest = 0;
    for (size_t i = 0; i < 200; i++) {
        CHECK_I64(replies[i].status, 200);
        for (size_t k = 0; k < i; k++) {
            CHECK(w.shared[i]->order.replacement.nonce != w.shared[k]->order.replacement.nonce);
        }
        uint64_t nonce = w.shared[i]->order.bundle.replacement_nonce;
        CHECK_U64(nonce, w.shared[i]->order.replacement.nonce);
        if (nonce > highest) highest = nonce;
        if (!book_in_force(w.book, w.shared[i])) continue;
        in_force++;
        CHECK(nonce >= highest);
    }
    CHECK_U64(in_force, 1);
    close_world(&w);
}

TEST(an_order_that_the_peers_cannot_take_is_no_order) {
    struct world w;
    struct reply r;
    const char *body = REQUEST("eth_sendRawTransaction", "\"" RAW "\"");
    open_world(&w, INTAKE_SECOND);
    atomic_store(&w.full, true);
    ask(&w, &r, INTAKE_USER, &user, body);
    CHECK_I64(r.status, 503);
    CHECK(strstr(r.text, "-32005") != NULL && strstr(r.text, "wait for the peers") != NULL);
    CHECK_U64(w.shared_count, 0);
    CHECK_U64(w.recorded[ARCHIVE_RECEIVED], 0);
    atomic_store(&w.full, false);
    ask(&w, &r, INTAKE_USER, &user, body); // it was not remembered
    CHECK_I64(r.status, 200);
    CHECK_U64(w.shared_count, 1);
    close_world(&w);
}

TEST(an_order_that_the_journal_cannot_take_is_no_order) {
    struct world w;
    struct reply r;
    struct journal_options o = {.bytes_max = 1};
    char folder[] = "/tmp/intake-test-XXXXXX", command[64];
    const char *body = REQUEST("eth_sendRawTransaction", "\"" RAW "\"");
    CHECK(mkdtemp(folder) != NULL);
    o.folder = folder;
    open_world(&w, INTAKE_SECOND);
    CHECK_OK(journal_open(&w.journal, &o, intake_replay, w.intake, &why), &why);
    intake_set_journal(w.intake, w.journal);
    ask(&w, &r, INTAKE_USER, &user, body);
    CHECK_I64(r.status, 503); // room comes when orders expire
    CHECK(strstr(r.text, "-32005") != NULL && strstr(r.text, "journal is full") != NULL);
    CHECK_U64(w.shared_count, 0);
    intake_set_journal(w.intake, NULL);
    ask(&w, &r, INTAKE_USER, &user, body); // it was not remembered
    CHECK_I64(r.status, 200);
    CHECK_U64(w.shared_count, 1);
    close_world(&w);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
}

/* A bundle under one of several uuids; block: its blockNumber, or null: the next one. */
#define OF(uuid, nonce, block)                                                                     \
    REQUEST("eth_sendBundle",                                                                      \
            "{\"txs\":[\"" RAW "\"],\"blockNumber\":" block ","                                    \
            "\"replacementUuid\":\"550e8400-e29b-41d4-a716-44665544000" uuid "\","                 \
            "\"replacementNonce\":" nonce "}")
#define FAR "\"0x5\"" /* 120 s; the next block's are over after 36 s */
#define NEXT "null"

static void restart(struct world *w, struct clock_fake *clock, const char *folder) {
    const struct journal_options o = {.folder = folder, .clock = &clock->clock};
    if (w->pool) close_world(w);
    open_world_at(w, INTAKE_SECOND, &clock->clock);
    CHECK_OK(journal_open(&w->journal, &o, intake_replay, w->intake, &why), &why);
    intake_set_journal(w->intake, w->journal);
    while (intake_replaying(w->intake) > 0) {
        intake_replay_on(w->intake);
    }
}

TEST(what_was_replaced_stays_so_over_restarts_whatever_its_block) {
    static const char *const sent[] = {OF("1", "5", FAR),  OF("1", "6", NEXT), OF("2", "5", NEXT),
                                       OF("2", "6", FAR),  OF("3", "5", FAR),  OF("3", "6", NEXT),
                                       OF("3", "7", NEXT), OF("4", "6", NEXT), OF("4", "5", FAR)};
    struct world w = {.pool = NULL};
    struct reply r;
    struct clock_fake clock;
    char folder[] = "/tmp/intake-test-XXXXXX", command[64];
    CHECK(mkdtemp(folder) != NULL);
    clock_fake_init(&clock, 1000000 * NS_PER_S);
    restart(&w, &clock, folder);
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        ask(&w, &r, INTAKE_USER, &user, sent[i]);
        CHECK_I64(r.status, 200);
    }
    for (int i = 0; i < 2; i++) {
        clock_fake_advance(&clock, 50 * NS_PER_S);
        restart(&w, &clock, folder);
        CHECK_U64(w.shared_count, 1); // one for a far block was replaced by none
        CHECK(w.shared[0]->target_block == 5 && w.shared[0]->order.replacement.nonce == 6);
        ask(&w, &r, INTAKE_USER, &user, OF("1", "5", FAR));
        CHECK_I64(r.status, 200); // and answered as before
        CHECK_U64(w.shared_count, 1);
    }
    clock_fake_advance(&clock, 50 * NS_PER_S);
    restart(&w, &clock, folder);
    CHECK_U64(w.shared_count, 0);
    CHECK_U64(journal_stats(w.journal).bytes, 0); // nothing is kept for longer
    close_world(&w);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
}

/* ---- peers ---- */

static void receive(struct world *w, enum order_method method, struct bytes data, const char *name,
                    const struct ecdsa_secret_key *key) {
    struct buf header;
    struct share_received r = {
        .method = method, .form = FLOW_BITCODE, .data = data, .peer = name, .priority = ORDER_HIGH};
    buf_init(&header, 0);
    if (key) {
        CHECK_OK(request_signature_make(&header, w->signer, key, data, &why), &why);
        r.signature = buf_view(&header);
    }
    unsigned before = w->answers;
    intake_received(w->intake, &r, (struct share_ticket *)(void *)w);
    wait_for_jobs(w);
    CHECK_U64(w->answers, before + 1);
    buf_free(&header);
}

/* What another node sends for a bundle, with a bundleHash that is a lie. */
static void put_bundle(struct buf *out, uint64_t nonce) {
    static const struct bytes tx = {(const uint8_t *)"\x02\x01", 2};
    struct bundle b = {.fields = BUNDLE_TXS | BUNDLE_VERSION | BUNDLE_REPLACEMENT_UUID |
                                 BUNDLE_REPLACEMENT_NONCE | BUNDLE_SIGNING_ADDRESS | BUNDLE_HASH,
                       .txs = {&tx, 1},
                       .version = BYTES_LIT("v2"),
                       .replacement_nonce = nonce,
                       .signing_address = {{9, 9}},
                       .bundle_hash = {{0xee}}};
    peer_bundle_encode(out, &b);
}

TEST(a_peers_order_is_proved_by_signature_or_certificate) {
    struct world w;
    struct buf data;
    open_world(&w, INTAKE_SECOND);
    buf_init(&data, 0);
    put_bundle(&data, 7);
    receive(&w, ORDER_SEND_BUNDLE, buf_view(&data), NULL, &user); // a stranger
    CHECK_U64(w.status, PEER_ERROR_INVALID_SIGNATURE);
    receive(&w, ORDER_SEND_BUNDLE, buf_view(&data), NULL, &peer);
    CHECK_U64(w.status, PEER_SUCCESS);
    CHECK(w.answer.b[0] != 0xee);
    CHECK_U64(w.recorded[ARCHIVE_FROM_PEER], 1);
    receive(&w, ORDER_SEND_BUNDLE, buf_view(&data), "beta", NULL); // known already
    CHECK_U64(w.status, PEER_SUCCESS);
    CHECK_U64(book_stats(w.book).duplicate, 1);
    buf_clear(&data);
    put_bundle(&data, 6);
    receive(&w, ORDER_SEND_BUNDLE, buf_view(&data), "beta", NULL); // late
    CHECK_U64(w.status, PEER_SUCCESS);
    CHECK_U64(book_stats(w.book).stale, 1);
    CHECK_U64(w.shared_count, 0); // one hop
    buf_free(&data);
    close_world(&w);
}

TEST(a_peers_broken_order_is_told_so) {
    struct world w;
    open_world(&w, INTAKE_SECOND);
    receive(&w, ORDER_SEND_BUNDLE, BYTES_LIT("\xff"), "beta", NULL);
    CHECK_U64(w.status, PEER_ERROR_DECODING);
    CHECK(strstr(w.text, "failed to parse bundle: ") == w.text);
    receive(&w, ORDER_SEND_RAW_TX, BYTES_LIT("\x02\xc0"), "beta", NULL);
    CHECK_U64(w.status, PEER_ERROR_DECODING);
    CHECK_STR(w.text, "failed to parse raw transaction");
    close_world(&w);
}

/* A worker may be through with a message before the call that gave it to him returns, and what was
 * large is freed then; sanitizers tell. */
TEST(a_large_message_is_not_touched_once_it_is_the_workers) {
    enum { BYTES = 100000, MESSAGES = 2000 };
    struct world w;
    uint8_t *large = malloc(BYTES);
    CHECK(large != NULL);
    memset(large, 0xff, BYTES);
    open_world(&w, INTAKE_SECOND);
    const struct share_received r = {.method = ORDER_SEND_BUNDLE,
                                     .form = FLOW_BITCODE,
                                     .data = bytes_make(large, BYTES),
                                     .peer = "beta",
                                     .priority = ORDER_HIGH};
    for (unsigned i = 0; i < MESSAGES; i++) {
        intake_received(w.intake, &r, (struct share_ticket *)(void *)&w);
    }
    wait_for_jobs(&w);
    CHECK_U64(w.answers, MESSAGES);
    close_world(&w);
    free(large);
}

TEST(only_the_networks_sender_sets_subsidies) {
    struct world w;
    open_world(&w, INTAKE_SECOND);
    receive(&w, ORDER_SUBSIDISE, BYTES_LIT("5"), "beta", NULL);
    CHECK_U64(w.status, PEER_ERROR_DECODING);
    receive(&w, ORDER_SUBSIDISE, BYTES_LIT("5"), PEER_TRUSTED_NAME, NULL); // a name proves nothing
    CHECK_U64(w.status, PEER_ERROR_DECODING);
    receive(&w, ORDER_SUBSIDISE, BYTES_LIT("5"), NULL, &peer);
    CHECK_U64(w.status, PEER_ERROR_DECODING);
    receive(&w, ORDER_SUBSIDISE, BYTES_LIT("5"), NULL, &trusted);
    CHECK_U64(w.status, PEER_SUCCESS);
    struct reply r;
    ask(&w, &r, INTAKE_SYSTEM, &trusted, REQUEST("bid_subsidiseBlock", "6"));
    CHECK_STR(r.text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}\n");
    ask(&w, &r, INTAKE_SYSTEM, &user, REQUEST("bid_subsidiseBlock", "7"));
    CHECK(strstr(r.text, "unknown peers can't send to the system address") != NULL);
    CHECK_U64(w.recorded[ARCHIVE_FROM_PEER], 0); // not archived
    close_world(&w);
}

TEST(a_compressed_request_makes_no_later_message_smaller) {
    enum { LARGE = 500000 };
    struct world w;
    struct reply r = {.done = false};
    static const uint8_t packed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
                                     0x02, 0x03, 0xab, 0xae, 0x05, 0x00, 0x43, 0xbf,
                                     0xa6, 0xa3, 0x02, 0x00, 0x00, 0x00}; // "{}" in gzip
    open_world(&w, INTAKE_SECOND);
    struct intake_job *job = intake_job_new(w.intake, INTAKE_USER);
    CHECK(job != NULL && intake_append(job, bytes_make(packed, sizeof packed)));
    job->gzip = true;
    job->body_max = 1000; // its listener takes less than another
    job->owner = &r;
    job->done = keep_reply;
    intake_job_arrived(job);
    CHECK(intake_submit(job, NULL, 1));
    wait_for_jobs(&w);
    CHECK(r.done);
    uint8_t *large = calloc(1, LARGE);
    CHECK(large != NULL);
    memcpy(large, "\x02\xc0", 2);
    receive(&w, ORDER_SEND_RAW_TX, bytes_make(large, LARGE), "beta", NULL);
    CHECK_STR(w.text, "failed to parse raw transaction"); // it was read
    free(large);
    close_world(&w);
}

TEST(a_peers_order_waits_for_a_full_builder_with_the_peer) {
    struct world w;
    struct local *local;
    struct buf data;
    open_world(&w, INTAKE_SECOND);
    buf_init(&data, 0);
    put_bundle(&data, 7);
    const struct local_options o = {
        .loop = w.loop, .url = "feed:/tmp/no-builder-listens-here", .orders_max = 1};
    CHECK_OK(local_new(&local, &o, &why), &why);
    intake_set_local(w.intake, local);
    receive(&w, ORDER_SEND_BUNDLE, buf_view(&data), "beta", NULL);
    CHECK_U64(w.status, PEER_SUCCESS);
    CHECK(local_is_full(local));
    const struct share_received r = {.method = ORDER_SEND_RAW_TX,
                                     .form = FLOW_BITCODE,
                                     .data = BYTES_LIT("\x02"),
                                     .priority = 0};
    intake_received(w.intake, &r, (struct share_ticket *)(void *)&w);
    CHECK_U64(w.answers, 2); // within the call: a stream is held back then
    CHECK_U64(w.status, PEER_ERROR_INTERNAL);
    pool_stop(w.pool);
    w.pool = NULL;
    local_free(local);
    buf_free(&data);
    close_world(&w);
}

TEST(jobs_are_bounded) {
    struct world w;
    struct intake *i;
    open_world(&w, INTAKE_SECOND);
    const struct intake_options o = {
        .pool = w.pool, .body_max = 100, .jobs_max = 2, .bytes_max = 150};
    CHECK_OK(intake_new(&i, &o, &why), &why);
    struct intake_job *a = intake_job_new(i, INTAKE_USER), *b = intake_job_new(i, INTAKE_USER);
    CHECK(a && b && !intake_job_new(i, INTAKE_USER));
    static const uint8_t some[100];
    CHECK(intake_append(a, bytes_make(some, 100)));
    CHECK(!intake_append(b, bytes_make(some, 51)));
    CHECK(intake_append(b, bytes_make(some, 50)));
    CHECK_U64(intake_bytes(i), 150);
    intake_job_free(a);
    intake_job_free(b);
    CHECK_U64(intake_bytes(i), 0);
    CHECK_U64(intake_jobs(i), 0);
    intake_free(i);
    close_world(&w);
}

TEST_MAIN()
