/* SPDX-License-Identifier: MIT */
#include "attest/files.h"
#include "attest/image.h"
#include "attest/testing.h"
#include "base/hex.h"

#include <limits.h>
#include <stdio.h>

#define ZERO48                                                                                     \
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
    "0000"
#define ONES48                                                                                     \
    "11111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111" \
    "1111"

static struct policy_decision decide_as(struct testing *t, enum attestation_type type,
                                        const char *text) {
    static struct arena a;
    struct policy p;
    struct policy_decision d;
    struct measurements m;
    struct error why = {0};
    arena_free(&a);
    arena_init(&a, 0);
    CHECK_OK(policy_parse(&p, bytes_from_str(text), &a, &why), &why);
    measurements_of_td(&m, type, &t->verdict.quote.td);
    struct policy_subject s = {&t->verdict, &m};
    policy_decide(&d, &p, &s);
    return d;
}

static struct policy_decision decide(struct testing *t, const char *text) {
    return decide_as(t, ATTESTATION_DCAP_TDX, text);
}

static int parse(const char *text) {
    struct arena a;
    struct policy p;
    struct error why = {0};
    arena_init(&a, 0);
    int code = policy_parse(&p, bytes_from_str(text), &a, &why);
    arena_free(&a);
    return code;
}

static void refused(struct testing *t, const char *text, const char *rule) {
    struct policy_decision d = decide(t, text);
    CHECK(!d.accepted);
    CHECK_STR(d.rule, rule);
    CHECK(d.expected[0] && d.found[0]);
}

TEST(measurements_are_matched_entry_by_entry) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    memset(t.td.mr_td, 0x11, 48);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    CHECK(decide(&t, "[{\"attestation_type\":\"dcap-tdx\"}]").accepted);
    CHECK(decide(&t,
                 "[{\"attestation_type\":\"qemu-tdx\",\"measurement_id\":\"x\",\"measurements\":"
                 "{\"0\":{\"expected\":\"" ONES48 "\"},\"4\":\"" ZERO48 "\"}}]")
              .accepted);
    CHECK(decide(&t, "[{\"attestation_type\":\"dcap-tdx\",\"measurements\":{\"mrtd\":"
                     "{\"expected_any\":[\"" ZERO48 "\",\"" ONES48 "\"]}}}]")
              .accepted);
    struct policy_decision d =
        decide(&t, "[{\"attestation_type\":\"dcap-tdx\",\"measurement_id\":\"release\","
                   "\"measurements\":{\"RTMR3\":\"" ZERO48 "\",\"0\":\"" ZERO48 "\"}}]");
    CHECK(!d.accepted);
    CHECK_STR(d.rule, "measurement");
    CHECK_STR(d.expected, "0: " ZERO48);
    CHECK_STR(d.found, "0: " ONES48);
    CHECK_BYTES(d.entry, BYTES_LIT("release"));
    d = decide(&t, "[{\"attestation_type\":\"dcap-tdx\",\"measurements\":{\"0\":{\"expected\":"
                   "\"" ZERO48 "\",\"warnOnly\":true}}}]");
    CHECK(d.accepted);
    CHECK_U64(d.warnings, 1);
    refused(&t, "[{\"attestation_type\":\"azure-tdx\"}]", "attestation_type");
    testing_end(&t);
}

TEST(what_must_be_asked_for_is_refused_by_default) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    const char *any = "[{\"attestation_type\":\"dcap-tdx\"}]";
    testing_start(&t, &spec);
    t.td.td_attributes |= 1;
    CHECK(testing_check(&t, 5, QUOTE_BODY_TD15, TESTING_NOW)->valid);
    refused(&t, any, "debug");
    CHECK(decide(&t, "{\"accept\":[{\"attestation_type\":\"dcap-tdx\"}],\"allow_debug\":true}")
              .accepted);
    t.td.td_attributes = 0;
    testing_check(&t, 5, QUOTE_BODY_TD15, TESTING_NOW);
    refused(&t, any, "td_attributes");
    t.td.td_attributes = UINT64_C(1) << 28 | UINT64_C(1) << 40;
    testing_check(&t, 5, QUOTE_BODY_TD15, TESTING_NOW);
    refused(&t, any, "td_attributes");
    t.td.td_attributes = UINT64_C(1) << 28;
    memset(t.td.mr_service_td, 0x11, 48);
    testing_check(&t, 5, QUOTE_BODY_TD15, TESTING_NOW);
    refused(&t, any, "mr_service_td");
    CHECK(decide(&t, "{\"accept\":[{\"attestation_type\":\"dcap-tdx\"}],\"mr_service_td\":"
                     "[\"" ONES48 "\"]}")
              .accepted);
    testing_end(&t);
}

TEST(tcb_rules_are_data) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    spec.status = TCB_OUT_OF_DATE;
    spec.advisory = "TEST-SA-00001";
    spec.evaluation_number = 7;
    testing_start(&t, &spec);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
#define WITH(tcb) "{\"accept\":[{\"attestation_type\":\"dcap-tdx\"}],\"tcb\":{" tcb "}}"
    refused(&t, "[{\"attestation_type\":\"dcap-tdx\"}]", "tcb_status");
    CHECK(decide(&t, WITH("\"statuses\":[\"UpToDate\",\"OutOfDate\"]")).accepted);
    refused(&t, WITH("\"statuses\":[\"OutOfDate\"],\"advisories\":[]"), "tcb_advisory");
    CHECK(decide(&t, WITH("\"statuses\":[\"OutOfDate\"],\"advisories\":[\"TEST-SA-00001\"]"))
              .accepted);
    refused(&t, WITH("\"statuses\":[\"OutOfDate\"],\"minimum_date\":\"2025-12-31T00:00:00Z\""),
            "tcb_date");
    refused(&t, WITH("\"statuses\":[\"OutOfDate\"],\"minimum_evaluation_number\":8"),
            "tcb_evaluation_number");
    CHECK(decide(&t, WITH("\"status_grace_days\":31")).accepted);
    refused(&t, WITH("\"status_grace_days\":29"), "tcb_status");
    refused(&t, "{\"accept\":[{\"attestation_type\":\"dcap-tdx\"}],\"fmspc\":[\"000000000000\"]}",
            "fmspc");
    refused(&t,
            "{\"accept\":[{\"attestation_type\":\"dcap-tdx\"}],\"roots\":[\"0000000000000000000000"
            "000000000000000000000000000000000000000000\"]}",
            "root");
    refused(&t,
            "{\"accept\":[{\"attestation_type\":\"dcap-tdx\"}],\"xfam\":[\"e700060000000000\"]}",
            "xfam");
    spec.status = TCB_REVOKED;
    CHECK_OK(simulator_issue(t.simulator, &spec, &why), &why);
    testing_load(&t);
    testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW);
    refused(&t, WITH("\"statuses\":[\"OutOfDate\"]"), "valid");
    testing_end(&t);
}

TEST(misspelt_and_empty_policies_are_refused) {
    CHECK_ERR(parse("["), ERR_SYNTAX);
    CHECK_ERR(parse("[]"), ERR_INVALID);
    CHECK_ERR(parse("[{}]"), ERR_NOT_FOUND);
    CHECK_ERR(parse("{}"), ERR_INVALID);
    CHECK_ERR(parse("[{\"attestation_type\":\"dcap-tdx\",\"mesurements\":{}}]"), ERR_INVALID);
    CHECK_ERR(parse("[{\"attestation_type\":\"dcap-tdx\",\"measurements\":{}}]"), ERR_INVALID);
    CHECK_ERR(parse("[{\"attestation_type\":\"other\"}]"), ERR_INVALID);
    CHECK_ERR(
        parse("[{\"attestation_type\":\"dcap-tdx\",\"measurements\":{\"5\":\"" ZERO48 "\"}}]"),
        ERR_INVALID);
    CHECK_ERR(parse("[{\"attestation_type\":\"dcap-tdx\",\"measurements\":{\"0\":\"00\"}}]"),
              ERR_INVALID);
    CHECK_ERR(parse("[{\"attestation_type\":\"dcap-tdx\",\"measurements\":{\"0\":\"" ZERO48
                    "\",\"mrtd\":\"" ZERO48 "\"}}]"),
              ERR_INVALID);
    CHECK_ERR(parse("{\"accept\":[{\"attestation_type\":\"dcap-tdx\"}],\"allow_debg\":true}"),
              ERR_INVALID);
    CHECK_ERR(parse("{\"accept\":[{\"attestation_type\":\"dcap-tdx\"}],\"tcb\":{\"statuses\":"
                    "[\"Revoked\"]}}"),
              ERR_INVALID);
}

// A register that may have any value takes its warnOnly along.
TEST(a_skipped_register_leaves_nothing_to_the_next) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    refused(&t,
            "[{\"attestation_type\":\"dcap-tdx\",\"measurements\":{\"0\":{\"expected\":\"\","
            "\"warnOnly\":true},\"1\":\"" ONES48 "\"}}]",
            "measurement");
    CHECK_ERR(parse("[{\"attestation_type\":\"dcap-tdx\",\"measurements\":{\"0\":\"\"}}]"),
              ERR_INVALID);
    testing_end(&t);
}

#define HASHES                                                                                     \
    "{\"uki_authenticode\":\"" ONES48 "\",\"kernel_authenticode\":\"" ZERO48                       \
    "\",\"cmdline_hash\":\"" ONES48 "\",\"initrd_hash\":\"" ZERO48                                 \
    "\",\"gpt_disk_guid_hash\":\"" ONES48 "\"}"
#define PORTABLE                                                                                   \
    "{\"attestation_type\":\"gcp-tdx\",\"measurement_id\":\"release\",\"dcap_image_"               \
    "hashes\":" HASHES "}"
#define SHAPE(name, rest) "{\"name\":\"" name "\"," rest "}"
#define FACTS(ram, disks)                                                                          \
    "\"firmware\":{\"mrtd\":\"" ONES48 "\",\"cfv\":\"" ONES48                                      \
    "\",\"hob\":\"000000000000000000000000\",\"length_offset\":2,\"ram_threshold\":3}"             \
    ",\"ram_bytes\":" ram ",\"num_disks\":" disks ",\"acpi\":{\"loader\":\"" ONES48                \
    "\",\"rsdp\":\"" ONES48 "\",\"tables\":\"" ONES48 "\"}"
#define ON(shapes) "{\"accept\":[" PORTABLE "],\"platforms\":[" shapes "]}"

/* A TD with the registers of the image above on a machine of FACTS("7", "1"). */
static void boot_portable(struct td_report *td) {
    static const uint8_t hob[12];
    struct policy_image image = {0};
    struct image_firmware firmware = {.hob = {hob, 12}, .length_offset = 2, .ram_threshold = 3};
    struct image_platform facts = {.ram_bytes = 7, .num_disks = 1, .firmware = &firmware};
    struct error why = {0};
    uint8_t rtmr[4][48];
    memset(image.uki_authenticode, 0x11, 48);
    memset(image.cmdline_hash, 0x11, 48);
    memset(image.gpt_hash, 0x11, 48);
    memset(firmware.cfv, 0x11, 48);
    memset(facts.acpi_loader, 0x11, 48);
    memset(facts.acpi_rsdp, 0x11, 48);
    memset(facts.acpi_tables, 0x11, 48);
    image_predict_gcp_image(rtmr, &image);
    CHECK_OK(image_predict_gcp_platform(rtmr[0], &facts, &why), &why);
    memset(td->mr_td, 0x11, 48);
    memcpy(td->rtmr, rtmr, sizeof rtmr);
}

TEST(image_hashes_hold_on_the_platforms_of_the_policy) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    char registers[600], hex[97] = "";
    testing_start(&t, &spec);
    boot_portable(&t.td);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    hex_encode(hex, bytes_make(t.td.rtmr[0], 48));

    struct policy_decision d =
        decide_as(&t, ATTESTATION_GCP_TDX,
                  ON(SHAPE("small", FACTS("6", "1")) "," SHAPE("large", FACTS("7", "1"))));
    CHECK(d.accepted);
    CHECK_BYTES(d.platform, BYTES_LIT("large"));
    CHECK_BYTES(d.entry, BYTES_LIT("release"));
    (void)snprintf(registers, sizeof registers,
                   SHAPE("c3", "\"mrtd\":\"" ONES48 "\",\"rtmr0\":\"%s\""), hex);
    char text[4096];
    (void)snprintf(text, sizeof text, "{\"accept\":[%s],\"platforms\":[%s]}", PORTABLE, registers);
    d = decide_as(&t, ATTESTATION_GCP_TDX, text);
    CHECK(d.accepted);
    CHECK_BYTES(d.platform, BYTES_LIT("c3"));

    // Another amount of memory, another firmware, another image; the closest shape is shown.
    d = decide_as(&t, ATTESTATION_GCP_TDX,
                  ON(SHAPE("small", FACTS("6", "1")) "," SHAPE(
                      "other", "\"mrtd\":\"" ZERO48 "\",\"rtmr0\":\"" ZERO48 "\"")));
    CHECK(!d.accepted && d.platform.n == 0);
    CHECK_STR(d.rule, "measurement");
    CHECK(strstr(d.expected, "1 (memory size") && strstr(d.expected, "on small: "));
    CHECK(strncmp(d.found, "1: ", 3) == 0 && strcmp(d.found + 3, hex) == 0);
    t.td.rtmr[2][0] ^= 1;
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    d = decide_as(&t, ATTESTATION_GCP_TDX, ON(SHAPE("large", FACTS("7", "1"))));
    CHECK(!d.accepted);
    CHECK(strstr(d.expected, "3 (command line, initrd) on large: "));

    d = decide_as(&t, ATTESTATION_GCP_TDX, "[" PORTABLE "]");
    CHECK(!d.accepted);
    CHECK(strstr(d.expected, "platforms in the policy"));
    d = decide_as(&t, ATTESTATION_DCAP_TDX, ON(SHAPE("large", FACTS("7", "1"))));
    CHECK_STR(d.rule, "attestation_type");
    testing_end(&t);
}

TEST(platforms_are_whole_and_for_something) {
    CHECK_OK(parse(ON(SHAPE("a", FACTS("7", "0")))), &(struct error){0});
    CHECK_ERR(parse(ON(SHAPE("a", FACTS("2", "1")))), ERR_RANGE);       // below the threshold
    CHECK_ERR(parse(ON(SHAPE("a", FACTS("7", "2")))), ERR_UNSUPPORTED); // disks
    CHECK_ERR(parse(ON(SHAPE("", FACTS("7", "1")))), ERR_INVALID);
    CHECK_ERR(parse(ON(SHAPE("a", "\"mrtd\":\"" ONES48 "\""))), ERR_INVALID);
    CHECK_ERR(parse(ON(SHAPE("a", FACTS("7", "1") ",\"rtmr0\":\"" ONES48 "\""))), ERR_INVALID);
    CHECK_ERR(parse(ON("")), ERR_INVALID);
    CHECK_ERR(parse("{\"accept\":[{\"attestation_type\":\"gcp-tdx\"}],\"platforms\":[" SHAPE(
                  "a", FACTS("7", "1")) "]}"),
              ERR_INVALID);
}

TEST(published_files_are_read) {
    static const char *const files[] = {"attested-tls-measurements.json",
                                        "attested-tls-measurements_2.json",
                                        "attested-tls-buildernet_measurements.json"};
    for (size_t i = 0; i < 3; i++) {
        char path[PATH_MAX];
        struct arena a;
        struct bytes text;
        struct policy p;
        struct error why = {0};
        (void)snprintf(path, sizeof path, "%s/policies/%s", test_vectors("attestation"), files[i]);
        arena_init(&a, 0);
        CHECK_OK(files_read(&text, path, 1u << 20, &a, &why), &why);
        CHECK_OK(policy_parse(&p, text, &a, &why), &why);
        CHECK(p.entry_count > 0);
        arena_free(&a);
    }
}

TEST(header_keys_are_sorted_as_text) {
    struct measurements m;
    struct tpm_pcrs pcrs = {0};
    struct buf out;
    buf_init(&out, 0);
    measurements_of_pcrs(&m, &pcrs, 1u << 2 | 1u << 10 | 1u << 1);
    measurements_write_header(&out, &m);
    buf_append_byte(&out, 0);
    const char *text = (const char *)out.p;
    CHECK(strstr(text, "\"1\":") < strstr(text, "\"10\":"));
    CHECK(strstr(text, "\"10\":") < strstr(text, "\"2\":"));
    buf_free(&out);
}

TEST_MAIN()
