/* SPDX-License-Identifier: MIT */
#include "orderflow/custody.h"

#include "orderflow/testing.h"

#include <stdio.h>
#include <stdlib.h>

static struct error why;
static struct clock_fake fake;
static struct custody *custody;
static char told[16], letters[] = "abc";

/* A ticket is a letter. */
static void kept(void *context, void *ticket, const struct flow_order *o) {
    size_t n = strlen(told);
    (void)context;
    CHECK(o->source == FLOW_FROM_PEER && n + 1 < sizeof told);
    told[n] = *(const char *)ticket;
    told[n + 1] = '\0';
}

static void begin(void) {
    told[0] = '\0';
    clock_fake_init(&fake, 10 * NS_PER_S);
    const struct custody_options o = {.clock = &fake.clock, .kept = kept};
    CHECK_OK(custody_new(&custody, &o, &why), &why);
}

static struct flow_order *of_peer(const char *tx) {
    char param[80];
    (void)snprintf(param, sizeof param, "{\"txs\":[\"%s\"]}", tx);
    struct flow_order *o = test_order("eth_sendBundle", param, 0, 100 * NS_PER_S);
    o->source = FLOW_FROM_PEER;
    return o;
}

TEST(a_peer_is_told_when_the_builder_has_its_order) {
    begin();
    struct flow_order *a = of_peer("0x01"), *b = of_peer("0x02");
    CHECK(custody_begin(custody, a, &letters['a' - 'a']) &&
          custody_begin(custody, b, &letters['b' - 'a']));
    custody_tidy(custody);
    CHECK_STR(told, "");
    CHECK_U64(custody_stats(custody).waiting, 2);
    custody_settled(custody, b);
    custody_settled(custody, b); // a builder that restarted has it twice
    CHECK_STR(told, "b");
    CHECK(custody_cancel(custody, a)); // could not be handed on: whoever asked tells
    custody_settled(custody, a);
    CHECK_STR(told, "b");
    CHECK_U64(custody_stats(custody).waiting, 0);
    custody_free(custody);
    flow_order_release(a);
    flow_order_release(b);
}

static void count(void *context, const struct journal_record *r) {
    CHECK(r->of_peer && r->priority == ORDER_MEDIUM);
    ++*(unsigned *)context;
}

TEST(what_the_builder_is_late_to_take_goes_into_the_journal) {
    char folder[] = "/tmp/custody-test-XXXXXX", command[64];
    struct journal *j;
    unsigned found = 0;
    begin();
    CHECK(mkdtemp(folder) != NULL);
    const struct journal_options o = {.folder = folder, .clock = &fake.clock};
    CHECK_OK(journal_open(&j, &o, count, &found, &why), &why);
    custody_set_journal(custody, j);
    struct flow_order *a = of_peer("0x01"), *b = of_peer("0x02");
    CHECK(custody_begin(custody, a, &letters['a' - 'a']));
    clock_fake_advance(&fake, CUSTODY_PATIENCE_NS / 2);
    CHECK(custody_begin(custody, b, &letters['b' - 'a']));
    clock_fake_advance(&fake, CUSTODY_PATIENCE_NS / 2);
    custody_tidy(custody);
    CHECK_STR(told, "a");
    custody_settled(custody, a); // told already
    CHECK_STR(told, "a");
    CHECK_U64(custody_stats(custody).late, 1);
    CHECK_U64(custody_stats(custody).unsafe, 0);
    journal_close(j);
    custody_set_journal(custody, NULL);
    CHECK_OK(journal_open(&j, &o, count, &found, &why), &why);
    CHECK_U64(found, 1);
    journal_close(j);
    clock_fake_advance(&fake, CUSTODY_PATIENCE_NS);
    custody_tidy(custody); // without one it is counted
    CHECK_STR(told, "ab");
    CHECK_U64(custody_stats(custody).unsafe, 1);
    struct flow_order *left = of_peer("0x03");
    CHECK(custody_begin(custody, left, &letters['c' - 'a']));
    custody_free(custody);
    flow_order_release(a);
    flow_order_release(b);
    flow_order_release(left);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
}

TEST(a_peer_is_told_once_when_its_order_is_refused_too_late) {
    begin();
    struct flow_order *a = of_peer("0x01");
    CHECK(custody_begin(custody, a, &letters['a' - 'a']));
    clock_fake_advance(&fake, CUSTODY_PATIENCE_NS);
    custody_tidy(custody); // while a worker is about to fail
    CHECK_STR(told, "a");
    CHECK(!custody_cancel(custody, a));
    CHECK_STR(told, "a");
    custody_free(custody);
    flow_order_release(a);
}

static bool was_replaced(void *context, const struct flow_order *o) {
    (void)context;
    (void)o;
    return false;
}

TEST(what_was_replaced_does_not_go_into_the_journal) {
    char folder[] = "/tmp/custody-test-XXXXXX", command[64];
    struct journal *j;
    unsigned found = 0;
    told[0] = '\0';
    clock_fake_init(&fake, 10 * NS_PER_S);
    const struct custody_options options = {
        .clock = &fake.clock, .kept = kept, .journaled = was_replaced};
    CHECK_OK(custody_new(&custody, &options, &why), &why);
    CHECK(mkdtemp(folder) != NULL);
    const struct journal_options o = {.folder = folder, .clock = &fake.clock};
    CHECK_OK(journal_open(&j, &o, count, &found, &why), &why);
    custody_set_journal(custody, j);
    struct flow_order *a = of_peer("0x01");
    CHECK(custody_begin(custody, a, &letters[0]));
    clock_fake_advance(&fake, CUSTODY_PATIENCE_NS);
    custody_tidy(custody);
    CHECK_STR(told, "a");
    CHECK_U64(journal_stats(j).records, 0);
    custody_free(custody);
    journal_close(j);
    flow_order_release(a);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
}

int main(int argc, char **argv) {
    return test_main(argc, argv);
}
