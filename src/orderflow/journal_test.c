/* SPDX-License-Identifier: MIT */
#include "orderflow/journal.h"

#include "base/file.h"
#include "orderflow/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct error why;
static struct clock_fake fake;
static char folder[64];

struct seen {
    unsigned count;
    uint64_t expires_ns[64], kept_ns; /* kept_ns: of the first */
    struct hash first;                /* SHA-256 is not needed: the first record's data as it was */
    size_t bytes;
    uint8_t data[512];
    size_t data_bytes;
};

static void note(void *context, const struct journal_record *r) {
    struct seen *s = context;
    if (s->count == 0 && r->data.n <= sizeof s->data) {
        memcpy(s->data, r->data.p, r->data.n);
        s->data_bytes = r->data.n;
        s->bytes = r->bytes;
        s->kept_ns = r->kept_ns;
    }
    if (s->count < 64) s->expires_ns[s->count] = r->expires_ns;
    s->count++;
}

static void begin(void) {
    clock_fake_init(&fake, 10 * NS_PER_S);
    (void)snprintf(folder, sizeof folder, "/tmp/journal-test-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static unsigned each_file(void (*fn)(const char *path)) {
    unsigned n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char path[400];
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (strncmp(e->d_name, "orders-", 7) == 0) n++;
        if (fn && e->d_name[0] != '.') fn(path);
    }
    (void)closedir(d);
    return n;
}

static void drop(const char *path) {
    (void)unlink(path);
}

static void end(void) {
    (void)each_file(drop);
    (void)rmdir(folder);
}

static struct journal *reopen(struct seen *s, enum journal_sync sync) {
    struct journal *j;
    const struct journal_options o = {.folder = folder, .clock = &fake.clock, .sync = sync};
    *s = (struct seen){.count = 0};
    CHECK_OK(journal_open(&j, &o, note, s, &why), &why);
    return j;
}

static struct flow_order *order(unsigned n, uint64_t expires_s) {
    char param[100];
    (void)snprintf(param, sizeof param, "{\"txs\":[\"0x%04x\"]}", n);
    return test_order("eth_sendBundle", param, 0, expires_s * NS_PER_S);
}

static void append(struct journal *j, unsigned n, uint64_t expires_s) {
    struct flow_order *o = order(n, expires_s);
    CHECK_OK(journal_append(j, o, &why), &why);
    flow_order_release(o);
}

TEST(orders_come_back_until_they_are_over) {
    struct seen s;
    begin();
    for (int sync = JOURNAL_SYNC_NONE; sync <= JOURNAL_SYNC_ALWAYS; sync++) {
        struct journal *j = reopen(&s, (enum journal_sync)sync);
        CHECK_U64(s.count, 2u * (unsigned)sync);
        append(j, 1, 100);
        append(j, 2, 11);
        append(j, 3, 200);
        journal_close(j);
        fake.wall_ns = 12 * NS_PER_S;
        j = reopen(&s, (enum journal_sync)sync);
        CHECK_U64(s.count, 2u * (unsigned)sync + 2);
        CHECK_U64(s.expires_ns[0], 100 * NS_PER_S);
        journal_close(j);
    }
    const struct flow_body *body;
    struct flow_order *o = order(1, 100);
    CHECK_OK(flow_order_body(&body, o, FLOW_BITCODE, NULL, &why), &why);
    CHECK(bytes_equal(body->data, bytes_make(s.data, s.data_bytes)));
    CHECK_U64(s.bytes, o->bytes);
    flow_order_release(o);
    end();
}

TEST(an_order_is_kept_longer_than_it_may_land) {
    struct seen s;
    begin();
    struct journal *j = reopen(&s, JOURNAL_SYNC_NONE);
    struct flow_order *o = order(1, 20);
    o->kept_ns = 100 * NS_PER_S;
    CHECK_OK(journal_append(j, o, &why), &why);
    journal_close(j);
    fake.wall_ns = 99 * NS_PER_S;
    j = reopen(&s, JOURNAL_SYNC_NONE);
    CHECK_U64(s.count, 1);
    CHECK(s.expires_ns[0] == 20 * NS_PER_S && s.kept_ns == 100 * NS_PER_S);
    const struct flow_body *body;
    CHECK_OK(flow_order_body(&body, o, FLOW_BITCODE, NULL, &why), &why);
    CHECK(bytes_equal(body->data, bytes_make(s.data, s.data_bytes)));
    flow_order_release(o);
    journal_close(j);
    fake.wall_ns = 100 * NS_PER_S;
    j = reopen(&s, JOURNAL_SYNC_NONE);
    CHECK(s.count == 0 && journal_stats(j).bytes == 0);
    journal_close(j);
    end();
}

TEST(files_go_when_all_in_them_is_over) {
    struct seen s;
    begin();
    struct journal *j = reopen(&s, JOURNAL_SYNC_INTERVAL);
    append(j, 1, 20);
    journal_tidy(j);
    CHECK_U64(each_file(NULL), 1);
    CHECK(journal_stats(j).bytes > 0);
    fake.wall_ns = 21 * NS_PER_S;
    journal_tidy(j);
    journal_tidy(j);
    CHECK_U64(each_file(NULL), 1);
    CHECK_U64(journal_stats(j).bytes, 0);
    append(j, 2, 40);
    journal_close(j);
    j = reopen(&s, JOURNAL_SYNC_NONE);
    CHECK_U64(s.count, 1);
    journal_close(j);
    end();
}

static size_t cut_bytes;
static void cut(const char *path) {
    struct buf b;
    buf_init(&b, 0);
    if (strstr(path, "lock")) return;
    CHECK_OK(file_read(&b, path, &why), &why);
    if (b.n > cut_bytes) CHECK(truncate(path, (off_t)(b.n - cut_bytes)) == 0);
    buf_free(&b);
}

static void flip(const char *path) {
    struct buf b;
    buf_init(&b, 0);
    if (strstr(path, "lock")) return;
    CHECK_OK(file_read(&b, path, &why), &why);
    if (b.n > 100) {
        b.p[JOURNAL_HEAD + 4] ^= 1;
        CHECK_OK(file_write_atomic(path, buf_view(&b), NULL, &why), &why);
    }
    buf_free(&b);
}

TEST(a_torn_end_loses_only_the_torn_record) {
    struct seen s;
    for (cut_bytes = 1; cut_bytes < 60; cut_bytes += 7) {
        begin();
        struct journal *j = reopen(&s, JOURNAL_SYNC_NONE);
        for (unsigned n = 0; n < 5; n++) {
            append(j, n, 100);
        }
        journal_close(j);
        (void)each_file(cut);
        j = reopen(&s, JOURNAL_SYNC_NONE);
        CHECK_U64(s.count, 4);
        CHECK_U64(journal_stats(j).damaged, 1);
        append(j, 9, 100);
        journal_close(j);
        j = reopen(&s, JOURNAL_SYNC_NONE);
        CHECK_U64(s.count, 5);
        journal_close(j);
        end();
    }
}

TEST(a_damaged_record_costs_no_other) {
    struct seen s;
    begin();
    struct journal *j = reopen(&s, JOURNAL_SYNC_NONE);
    append(j, 1, 100);
    append(j, 2, 100);
    append(j, 3, 90);
    journal_close(j);
    (void)each_file(flip);
    j = reopen(&s, JOURNAL_SYNC_NONE);
    CHECK_U64(s.count, 2);
    CHECK_U64(s.expires_ns[1], 90 * NS_PER_S);
    CHECK_U64(journal_stats(j).damaged, 1);
    journal_close(j);
    end();
}

static void grow(const char *path) {
    static const uint8_t rest[300]; // as some file systems leave behind
    struct buf b;
    buf_init(&b, 0);
    if (strstr(path, "lock")) return;
    CHECK_OK(file_read(&b, path, &why), &why);
    if (b.n > 0) buf_append(&b, bytes_make(rest, sizeof rest));
    CHECK_OK(file_write_atomic(path, buf_view(&b), NULL, &why), &why);
    buf_free(&b);
}

TEST(what_is_no_record_ends_a_file) {
    struct seen s;
    begin();
    struct journal *j = reopen(&s, JOURNAL_SYNC_NONE);
    append(j, 1, 100);
    journal_close(j);
    (void)each_file(grow);
    j = reopen(&s, JOURNAL_SYNC_NONE);
    CHECK_U64(s.count, 1);
    CHECK_U64(journal_stats(j).damaged, 1);
    journal_close(j);
    end();
}

TEST(one_process_has_a_folder_and_it_is_bounded) {
    struct seen s;
    struct journal *j, *other;
    begin();
    const struct journal_options o = {.folder = folder, .clock = &fake.clock, .bytes_max = 200};
    CHECK_OK(journal_open(&j, &o, note, &s, &why), &why);
    CHECK_ERR(journal_open(&other, &o, note, &s, &why), ERR_CONFLICT);
    append(j, 1, 100);
    struct flow_order *two = order(2, 100);
    int r = 0;
    for (int i = 0; i < 5 && r == 0; i++) {
        r = journal_append(j, two, &why);
    }
    CHECK_I64(r, ERR_BUSY);
    flow_order_release(two);
    journal_close(j);
    end();
    const struct journal_options nowhere = {.folder = "/nonexistent/folder"};
    CHECK_ERR(journal_open(&j, &nowhere, note, &s, &why), ERR_NOT_FOUND);
}

static unsigned lines_of(const char *text, const char *event) {
    unsigned n = 0;
    for (; (text = strstr(text, event)) != NULL; text++) {
        n++;
    }
    return n;
}

TEST(who_watches_learns_that_orders_are_refused) {
    struct seen s;
    struct journal *j;
    struct log *log;
    int fds[2];
    char text[4096];
    begin();
    CHECK(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    const struct log_options lo = {.fd = fds[1], .level = LOG_INFO, .program = "test"};
    CHECK_OK(log_open(&log, &lo, &why), &why);
    const struct journal_options o = {
        .folder = folder, .log = log, .clock = &fake.clock, .bytes_max = 200};
    CHECK_OK(journal_open(&j, &o, note, &s, &why), &why);
    struct flow_order *one = order(1, 100);
    while (journal_append(j, one, &why) == 0) {
    }
    for (int i = 0; i < 5; i++) {
        CHECK_ERR(journal_append(j, one, &why), ERR_BUSY);
    }
    CHECK_U64(journal_stats(j).refused, 6);
    clock_fake_advance(&fake, 200 * NS_PER_S);
    journal_tidy(j); // all of it is over: the file ends, then it goes
    journal_tidy(j);
    append(j, 2, 900);
    log_flush(log);
    ssize_t n = read(fds[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    CHECK_U64(lines_of(text, "level=error program=test event=journal_takes_no_orders"), 1);
    CHECK_U64(lines_of(text, "event=journal_takes_orders_again"), 1);
    flow_order_release(one);
    journal_close(j);
    log_close(log);
    (void)close(fds[0]);
    (void)close(fds[1]);
    end();
}

static void look_after(struct journal *j, uint64_t ns) {
    clock_fake_advance(&fake, ns);
    journal_tidy(j);
}

TEST(a_full_disk_and_its_end_are_seen_without_orders) {
    struct seen s;
    struct rlimit old;
    begin();
    for (int sync = JOURNAL_SYNC_NONE; sync <= JOURNAL_SYNC_ALWAYS; sync++) {
        struct journal *j = reopen(&s, (enum journal_sync)sync);
        append(j, 1, 1000);
        uint64_t bytes = journal_stats(j).bytes;
        CHECK(journal_takes(j));
        test_fill_disk(&old, 1000);
        look_after(j, 10 * NS_PER_S);
        CHECK(!journal_takes(j));
        look_after(j, 10 * NS_PER_S);
        CHECK(!journal_takes(j));
        CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
        look_after(j, NS_PER_S);
        CHECK(journal_takes(j));
        CHECK(journal_stats(j).refused == 0 && journal_stats(j).bytes == bytes);
        append(j, 2, 1000);
        journal_close(j);
    }
    struct journal *j = reopen(&s, JOURNAL_SYNC_NONE); // of the looks nothing stays
    CHECK(s.count == 6 && journal_stats(j).damaged == 0);
    journal_close(j);
    test_fill_disk(&old, 1000);
    j = reopen(&s, JOURNAL_SYNC_NONE); // full from the start
    CHECK(s.count == 6 && !journal_takes(j));
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    journal_close(j);
    end();
}

TEST(an_order_that_found_no_room_makes_the_journal_look_for_as_much) {
    struct seen s;
    struct rlimit old;
    begin();
    struct journal *j = reopen(&s, JOURNAL_SYNC_NONE);
    struct arena a;
    struct order big = {.method = ORDER_SEND_RAW_TX};
    const struct flow_order_facts facts = {.expires_ns = 1000 * NS_PER_S, .bytes = 200000};
    struct flow_order *o;
    arena_init(&a, 1 << 20);
    big.raw = bytes_make(arena_alloc(&a, 200000), 200000);
    CHECK(big.raw.p != NULL);
    CHECK_OK(flow_order_new(&o, &big, &facts, &a, &why), &why);
    test_fill_disk(&old, 150000);
    CHECK_ERR(journal_append(j, o, &why), ERR_IO);
    CHECK(!journal_takes(j));
    look_after(j, NS_PER_S);
    CHECK(!journal_takes(j));
    append(j, 1, 1000); // a small one has room
    CHECK(journal_takes(j));
    CHECK_ERR(journal_append(j, o, &why), ERR_IO);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    look_after(j, NS_PER_S);
    CHECK(journal_takes(j) && journal_stats(j).refused == 2);
    flow_order_release(o);
    journal_close(j);
    end();
}

TEST_MAIN()
