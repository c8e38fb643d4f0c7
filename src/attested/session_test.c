/* What a running session is told to have proved. SPDX-License-Identifier: MIT */
#include "attested/session.h"

#include "attest/files.h"
#include "attest/testing.h"

#include <stdio.h>
#include <stdlib.h>

static char folder[] = "/tmp/attested-session-XXXXXX";

// A judge by a policy that asks for one value of MRTD, all its digits alike.
static struct judge *judge_of(const struct simulator *platform, const struct clock *clock,
                              char digit) {
    char path[3][64], text[300], value[97] = {0};
    struct judge *j = NULL;
    struct error why = {0};
    memset(value, digit, 96);
    (void)snprintf(path[0], sizeof path[0], "%s/policy.json", folder);
    (void)snprintf(path[1], sizeof path[1], "%s/root.pem", folder);
    (void)snprintf(path[2], sizeof path[2], "%s/collateral", folder);
    (void)snprintf(text, sizeof text,
                   "[{\"attestation_type\": \"dcap-tdx\", \"measurements\": {\"0\": \"%s\"}}]",
                   value);
    CHECK_OK(simulator_save(platform, folder, &why), &why);
    CHECK_OK(files_write(path[0], bytes_from_str(text), 0600, &why), &why);
    const char *paths[] = {path[2]};
    const struct judge_options o = {
        .policy = path[0], .root = path[1], .collateral = {paths, 1}, .clock = clock};
    CHECK_OK(judge_new(&j, &o, &why), &why);
    return j;
}

TEST(a_new_judge_is_asked_before_the_timer_comes_round) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct clock_fake clock;
    struct loop *loop;
    struct attested *a;
    struct error why = {0};
    char line[64];
    CHECK(mkdtemp(folder) != NULL);
    testing_start(&t, &spec);
    clock_fake_init(&clock, TESTING_NOW * NS_PER_S);
    CHECK_OK(loop_new(&loop, NULL, &why), &why);
    const struct attested_options o = {.form = ATTESTED_EXPORTER,
                                       .judge = judge_of(t.simulator, &clock.clock, '0'),
                                       .clock = &clock.clock};
    CHECK_OK(attested_new(&a, loop, &o, &why), &why);
    struct session *s = attested_session_user(a);
    CHECK(s != NULL);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    const struct judge_question q = {.type = ATTESTATION_DCAP_TDX, .evidence = buf_view(&t.quote)};
    CHECK_OK(session_judge(s, &q, &why), &why);
    CHECK(session_peer(s)->attested && !session_peer(s)->ended);
    attested_set_judge(a, judge_of(t.simulator, &clock.clock, '0'));
    CHECK(session_peer(s)->attested && !session_peer(s)->ended);
    attested_set_judge(a, judge_of(t.simulator, &clock.clock, '1'));
    CHECK(!session_peer(s)->attested && session_peer(s)->ended);
    attested_session_done(a, s);
    attested_free(a);
    loop_free(loop);
    testing_end(&t);
    (void)snprintf(line, sizeof line, "rm -rf %s", folder);
    CHECK(system(line) == 0);
}

TEST_MAIN()
