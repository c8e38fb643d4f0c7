/* SPDX-License-Identifier: MIT */
#include "system_api/events.h"

#include "base/file.h"
#include "test/harness/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct clock_fake now;

static struct events *open_log(size_t capacity, const char *path) {
    struct events *e;
    struct error why;
    clock_fake_init(&now, UINT64_C(1739786400123456789));
    CHECK_OK(events_open(&e, capacity, path, &now.clock, &why), &why);
    CHECK_OK(events_rewrite(e, &why), &why);
    return e;
}

static void add(struct events *e, const char *text) {
    struct error why;
    CHECK_OK(events_add(e, bytes_from_str(text), &why), &why);
}

static char folder[64], path[96];
static void make_folder(void) {
    (void)strcpy(folder, "/tmp/events-test-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/events.jsonl", folder);
}
static void remove_folder(void) {
    (void)unlink(path);
    CHECK(rmdir(folder) == 0);
}

static unsigned long long count_after(const struct events *e, uint64_t id) {
    struct event event = {.id = id};
    unsigned long long n = 0;
    while (events_after(e, event.id, &event)) {
        n++;
    }
    return n;
}

TEST(events_keeps_the_newest) {
    struct events *e = open_log(5, NULL);
    struct event event;
    CHECK(!events_after(e, 0, &event));
    for (int i = 0; i <= 5; i++) {
        char text[8];
        (void)snprintf(text, sizeof text, "%d", i);
        add(e, text);
    }
    CHECK(events_after(e, 0, &event));
    CHECK_U64(event.id, 2);
    CHECK_BYTES(event.message, BYTES_LIT("1"));
    CHECK_U64(count_after(e, 0), 5);
    CHECK_U64(count_after(e, 4), 2);
    CHECK_U64(count_after(e, 6), 0);
    CHECK_U64(count_after(e, UINT64_MAX), 0);
    events_resize(e, 2);
    CHECK_U64(count_after(e, 0), 2);
    events_resize(e, 10);
    add(e, "more");
    CHECK_U64(count_after(e, 0), 3);
    events_close(e);
}

TEST(events_forms_are_the_deployed_programs) {
    struct events *e = open_log(5, NULL);
    struct event event;
    struct buf out;
    struct error why;
    add(e, "a<b> & \"c\"");
    CHECK(events_after(e, 0, &event));
    buf_init(&out, 0);
    event_write_json(&out, &event, false);
    CHECK_BYTES(buf_view(&out),
                BYTES_LIT("{\"received_at\":\"2025-02-17T10:00:00.123456789Z\",\"message\":"
                          "\"a\\u003cb\\u003e \\u0026 \\\"c\\\"\"}"));
    buf_clear(&out);
    event_write_text(&out, &event);
    CHECK_BYTES(buf_view(&out), BYTES_LIT("2025-02-17T10:00:00Z \t a<b> & \"c\"\n"));
    CHECK_OK(buf_check(&out, &why), &why);
    buf_free(&out);
    events_close(e);
}

TEST(events_outlive_a_restart) {
    make_folder();
    struct events *e = open_log(3, path);
    add(e, "one");
    add(e, "two\nlines \x01 \xff");
    events_close(e);
    e = open_log(3, path);
    struct event event;
    CHECK(events_after(e, 1, &event));
    CHECK_U64(event.id, 2);
    CHECK_BYTES(event.message, BYTES_LIT("two\nlines \x01 \xef\xbf\xbd")); // not UTF-8: replaced
    // Twice as many lines as are kept make the file begin anew; ids go on.
    for (int i = 0; i < 20; i++) {
        add(e, "again");
    }
    events_close(e);
    e = open_log(3, path);
    CHECK_U64(count_after(e, 0), 3);
    CHECK(events_after(e, 0, &event));
    CHECK_U64(event.id, 20);
    events_close(e);
    struct buf content;
    struct error why;
    buf_init(&content, 0);
    CHECK_OK(file_read(&content, path, &why), &why);
    CHECK(content.n < 4 * 80);
    buf_free(&content);
    remove_folder();
}

TEST(events_torn_last_line_is_dropped) {
    make_folder();
    struct events *e = open_log(3, path);
    struct error why;
    add(e, "one");
    events_close(e);
    FILE *f = fopen(path, "a");
    CHECK(f && fputs("{\"id\":2,\"received_at\":\"2025-02-17T10:0", f) >= 0);
    (void)fclose(f);
    e = open_log(3, path);
    CHECK_U64(count_after(e, 0), 1);
    add(e, "two");
    CHECK_U64(count_after(e, 1), 1);
    events_close(e);
    CHECK_OK(file_write_atomic(path, BYTES_LIT("no log\n"), NULL, &why), &why);
    CHECK_ERR(events_open(&e, 3, path, &now.clock, &why), ERR_SYNTAX);
    remove_folder();
}

// A sealed node must stay reachable whatever a disk did to its events.
TEST(events_of_a_damaged_file_are_read_as_far_as_they_go) {
    make_folder();
    struct events *e = open_log(9, path);
    struct error why;
    struct event event;
    struct buf content, kept;
    char beside[128];
    add(e, "one");
    add(e, "two");
    add(e, "three");
    events_close(e);
    buf_init(&content, 0);
    CHECK_OK(file_read(&content, path, &why), &why);
    uint8_t *second = (uint8_t *)memchr(content.p, '\n', content.n) + 1;
    memset(second, 0, 30); // as a power cut leaves pages that were not written yet
    CHECK_OK(file_write_atomic(path, buf_view(&content), NULL, &why), &why);
    e = open_log(9, path);
    CHECK_U64(count_after(e, 0), 3);
    CHECK(events_after(e, 1, &event));
    CHECK_U64(event.id, 3);
    CHECK(events_after(e, 3, &event)); // and the log says so
    CHECK(memmem(event.message.p, event.message.n, "1 line", 6) != NULL);
    events_close(e);
    (void)snprintf(beside, sizeof beside, "%s.damaged", path);
    buf_init(&kept, 0);
    CHECK_OK(file_read(&kept, beside, &why), &why);
    CHECK_BYTES(buf_view(&kept), buf_view(&content));
    CHECK(unlink(beside) == 0);
    e = open_log(9, path); // read again it is whole
    CHECK_U64(count_after(e, 0), 3);
    events_close(e);
    CHECK(access(beside, F_OK) != 0);
    buf_free(&content);
    buf_free(&kept);
    remove_folder();
}

// Adds one event while the file may not grow beyond `most` bytes.
static int add_with_room(struct events *e, rlim_t most) {
    struct rlimit old, few;
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    few = (struct rlimit){.rlim_cur = most, .rlim_max = old.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &few) == 0);
    int r = events_add(e, BYTES_LIT("an event that the disk has no room for"), NULL);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    return r;
}

TEST(events_go_on_after_a_full_disk) {
    make_folder();
    struct events *e = open_log(10, path);
    struct stat st;
    add(e, "one");
    CHECK(stat(path, &st) == 0);
    CHECK_I64(add_with_room(e, (rlim_t)st.st_size + 20), ERR_IO); // half a line is there
    add(e, "three");
    events_close(e);
    e = open_log(10, path);
    CHECK_U64(count_after(e, 0), 3);
    CHECK_U64(count_after(e, 2), 1);
    events_close(e);
    remove_folder();
}

TEST(events_start_on_a_full_disk) {
    make_folder();
    struct events *e = open_log(10, path);
    struct rlimit old, few;
    add(e, "one");
    events_close(e);
    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    few = (struct rlimit){.rlim_cur = 20, .rlim_max = old.rlim_max};
    CHECK(setrlimit(RLIMIT_FSIZE, &few) == 0);
    CHECK_I64(events_open(&e, 10, path, &now.clock, NULL), 0);
    int rewritten = events_rewrite(e, NULL), added = events_add(e, BYTES_LIT("two"), NULL);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK_I64(rewritten, ERR_IO);
    CHECK_I64(added, ERR_IO);
    add(e, "three");
    events_close(e);
    e = open_log(10, path);
    CHECK_U64(count_after(e, 0), 3);
    events_close(e);
    remove_folder();
}

TEST(events_of_a_larger_log_are_read_by_a_smaller_one) {
    make_folder();
    static char text[EVENT_TEXT_MAX];
    memset(text, 'x', sizeof text - 1);
    struct events *e = open_log(100, path);
    for (int i = 0; i < 100; i++) {
        add(e, text);
    }
    events_close(e);
    e = open_log(3, path);
    CHECK_U64(count_after(e, 0), 3);
    CHECK_U64(count_after(e, 99), 1);
    events_close(e);
    remove_folder();
}

TEST(events_answered_survive_a_kill) {
    make_folder();
    int told[2];
    CHECK(pipe(told) == 0);
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct events *e;
        if (events_open(&e, 1000, path, &clock_system, NULL) != 0) _exit(1);
        for (uint8_t i = 0;; i++) { // adds, then tells, until it is killed
            if (events_add(e, BYTES_LIT("event"), NULL) != 0 || write(told[1], &i, 1) != 1)
                _exit(1);
        }
    }
    CHECK(child > 0);
    uint8_t last[64];
    size_t answered = 0;
    while (answered < 200) {
        ssize_t n = read(told[0], last, sizeof last);
        CHECK(n > 0);
        answered += (size_t)n;
    }
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    (void)close(told[1]);
    for (ssize_t n; (n = read(told[0], last, sizeof last)) > 0;) {
        answered += (size_t)n;
    }
    (void)close(told[0]);
    struct events *e = open_log(100000, path);
    CHECK(count_after(e, 0) >= (answered < 1000 ? answered : 1000));
    events_close(e);
    remove_folder();
}

static unsigned told_of;
static void count_added(struct events_follower *f, const struct event *event) {
    (void)f;
    CHECK_U64(event->id, ++told_of);
}

TEST(events_followers_are_told) {
    struct events *e = open_log(2, NULL);
    struct events_follower f = {.added = count_added};
    told_of = 0;
    events_follow(e, &f);
    add(e, "a");
    add(e, "b");
    add(e, "c");
    CHECK_U64(told_of, 3);
    events_unfollow(&f);
    add(e, "d");
    CHECK_U64(told_of, 3);
    events_close(e);
}

TEST_MAIN()
