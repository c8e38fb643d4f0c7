/* Vectors of image measurements: expected values of images and event logs (expected.json: an
 * object from file names to values), predictions from digests (an object with "cases"), portable
 * registers of a GCP TD, quotes with their run-time event log, and CCEL logs beside quotes.
 *
 * SPDX-License-Identifier: MIT */
#include "attest/event_log.h"
#include "attest/files.h"
#include "attest/image.h"
#include "attest/policy.h"
#include "base/hex.h"
#include "test/conformance/conformance.h"
#include "json/json.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void compare_hex(const struct json *want, const void *got, size_t n, const char *name,
                        const char *what, struct tally *t) {
    char digits[2 * DIGEST_BYTES_MAX + 1];
    struct bytes text = json_text(want);
    char full[300];
    (void)snprintf(full, sizeof full, "%s %s", name, what);
    hex_encode(digits, bytes_make(got, n));
    digits[2 * n] = 0;
    if (bytes_equal_str(text, digits)) {
        tally_pass(t, full);
    } else {
        tally_fail(t, full, "got %s, expected %.*s", digits, (int)text.n, (const char *)text.p);
    }
}

static int read_beside(struct bytes *ret, const char *folder, struct bytes name, struct arena *a,
                       struct error *why) {
    char path[2 * PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%.*s", folder, (int)name.n, (const char *)name.p);
    return files_read(ret, path, 64u << 20, a, why);
}

// The value of `key` when it is one of ours, else the area does not know it: a failure.
static void check_authenticode(const struct json *want, struct bytes file, enum digest_kind kind,
                               const char *name, const char *what, struct tally *t) {
    struct pe pe;
    struct error why = {0};
    uint8_t digest[DIGEST_BYTES_MAX];
    if (!want) return;
    if (pe_parse(&pe, file, &why) < 0 || pe_authenticode(&pe, kind, digest, &why) < 0) {
        tally_fail(t, name, "%s: %s", what, why.text);
        return;
    }
    compare_hex(want, digest, digest_size(kind), name, what, t);
}

static void check_prediction(const struct json *v, struct bytes file, const char *name,
                             struct tally *t) {
    static const struct {
        const char *key;
        enum image_stub stub;
    } stubs[] = {{"pcr11_sha256_stub252", IMAGE_STUB_252},
                 {"pcr11_sha256_stub254", IMAGE_STUB_254},
                 {"pcr11_sha256_measured_boot_tool", IMAGE_STUB_MEASURED_BOOT}};
    static struct image_prediction p;
    struct bytes none = {NULL, 0};
    struct error why = {0};
    for (size_t i = 0; i < sizeof stubs / sizeof *stubs; i++) {
        const struct json *want = json_get(v, stubs[i].key);
        if (!want) continue;
        if (image_predict(&p, file, none, none, stubs[i].stub, &why) < 0) {
            tally_fail(t, name, "%s", why.text);
            return;
        }
        compare_hex(want, p.pcr[11], 32, name, stubs[i].key, t);
        compare_hex(json_get(v, "pcr4_sha256"), p.pcr[4], 32, name, "pcr4", t);
        compare_hex(json_get(v, "pcr9_sha256"), p.pcr[9], 32, name, "pcr9", t);
        for (size_t k = 0; k < p.event_count; k++) {
            const struct image_event *e = &p.events[k];
            if (strcmp(e->text, "kernel command line") == 0) {
                compare_hex(json_get(v, "pcr9_cmdline_event"), e->sha256, 32, name, e->text, t);
            } else if (strcmp(e->text, "initrd") == 0) {
                compare_hex(json_get(v, "pcr9_initrd_event"), e->sha256, 32, name, e->text, t);
            }
        }
    }
}

// The same file with bytes after its end: the firmware's rule, and with zeros up to 8 bytes.
static void check_trailing(const struct json *v, struct bytes file, struct arena *a,
                           const char *name, struct tally *t) {
    const struct json *w = json_get(v, "with_3_trailing_bytes_010203");
    if (!w) return;
    static const uint8_t trailing[3] = {1, 2, 3};
    size_t n = file.n + sizeof trailing, padded = (n + 7) / 8 * 8;
    uint8_t *copy = arena_alloc(a, padded);
    if (!copy) {
        tally_fail(t, name, "no memory");
        return;
    }
    memcpy(copy, file.p, file.n);
    memcpy(copy + file.n, trailing, sizeof trailing);
    check_authenticode(json_get(w, "firmware_unpadded_sha256"), bytes_make(copy, n), DIGEST_SHA256,
                       name, "unpadded", t);
    check_authenticode(json_get(w, "padded_to_8_sha256"), bytes_make(copy, padded), DIGEST_SHA256,
                       name, "padded", t);
}

static void check_image(const struct json *v, struct bytes file, struct arena *a, const char *name,
                        struct tally *t) {
    struct pe pe;
    struct bytes inner;
    struct error why = {0};
    check_authenticode(json_get(v, "authenticode_sha256"), file, DIGEST_SHA256, name,
                       "authenticode sha256", t);
    check_authenticode(json_get(v, "authenticode_sha384"), file, DIGEST_SHA384, name,
                       "authenticode sha384", t);
    if (pe_parse(&pe, file, &why) == 0 && pe_section_find(&pe, ".linux") &&
        pe_section_content(&inner, &pe, pe_section_find(&pe, ".linux"), &why) == 0) {
        check_authenticode(json_get(v, "linux_section_authenticode_sha256"), inner, DIGEST_SHA256,
                           name, "kernel", t);
    }
    check_prediction(v, file, name, t);
    check_trailing(v, file, a, name, t);
}

static bool log_has(const struct event_log *log, unsigned reg, const uint8_t digest[32]) {
    for (size_t i = 0; i < log->n; i++) {
        struct bytes d = log->events[i].digest[DIGEST_SHA256];
        if (log->events[i].reg == reg && d.n == 32 && memcmp(d.p, digest, 32) == 0) return true;
    }
    return false;
}

static void check_in_log(const struct json *want, const struct event_log *log, unsigned reg,
                         const char *name, const char *what, struct tally *t) {
    uint8_t digest[32];
    if (!want) return;
    if (hex_decode(digest, json_text(want), NULL) < 0 || !log_has(log, reg, digest)) {
        tally_fail(t, name, "%s is no event of register %u", what, reg);
    } else {
        tally_pass(t, name);
    }
}

static void check_gpt(const struct json *v, const char *name, struct arena *a, struct tally *t) {
    struct bytes text = json_text(json_get(v, "gpt_event_data_hex"));
    uint8_t *data = arena_alloc(a, text.n / 2 + 1), digest[48];
    if (text.n == 0) return;
    if (hex_decode(data, text, NULL) < 0) {
        tally_fail(t, name, "gpt_event_data_hex is not hex");
        return;
    }
    digest_sha256(bytes_make(data, text.n / 2), digest);
    compare_hex(json_get(v, "gpt_event_sha256"), digest, 32, name, "gpt sha256", t);
    digest_sha384(bytes_make(data, text.n / 2), digest);
    compare_hex(json_get(v, "gpt_event_sha384"), digest, 48, name, "gpt sha384", t);
}

static void check_log(const struct json *v, struct bytes file, struct arena *a, const char *name,
                      struct tally *t) {
    struct event_log log;
    struct log_registers regs;
    struct error why = {0};
    uint8_t event[32];
    if (event_log_parse(&log, file, a, &why) < 0 ||
        event_log_replay(&regs, &log, DIGEST_SHA256, &why) < 0) {
        tally_fail(t, name, "%s", why.text);
        return;
    }
    json_members(key, value, json_get(v, "tpm_pcrs_sha256")) {
        unsigned index = 99;
        if (!measurement_index_parse(&index, ATTESTATION_AZURE_TDX, json_text(key))) {
            tally_fail(t, name, "not the number of a PCR");
            continue;
        }
        compare_hex(value, regs.value[index], 32, name, "pcr", t);
    }
    check_in_log(json_get(v, "uki_authenticode_sha256"), &log, 4, name, "the image", t);
    check_in_log(json_get(v, "linux_authenticode_sha256"), &log, 4, name, "the kernel", t);
    check_in_log(json_get(v, "initrd_sha256"), &log, 9, name, "the initrd", t);
    check_in_log(json_get(v, "gpt_event_sha256"), &log, 5, name, "the partition table", t);
    const struct json *line = json_get(v, "cmdline");
    if (line && image_cmdline_event(event, NULL, json_text(line), &why) == 0) {
        compare_hex(json_get(v, "cmdline_event_sha256"), event, 32, name, "command line", t);
        check_in_log(json_get(v, "cmdline_event_sha256"), &log, 9, name, "the command line", t);
    }
    check_gpt(v, name, a, t);
}

static void run_expected(const char *folder, const struct json *root, struct arena *a,
                         struct tally *t) {
    json_members(key, value, root) {
        struct bytes file, label = json_text(key);
        struct error why = {0};
        char name[256];
        (void)snprintf(name, sizeof name, "%.*s", (int)label.n, (const char *)label.p);
        if (read_beside(&file, folder, label, a, &why) < 0) {
            tally_fail(t, name, "%s", why.text);
        } else if (bytes_starts_with(file, BYTES_LIT("MZ"))) {
            check_image(value, file, a, name, t);
        } else {
            check_log(value, file, a, name, t);
        }
    }
}

// One of the digests that the prediction cases write out: hex, or SHA256(hex or "text").
static bool read_digest(uint8_t ret[32], struct bytes text) {
    uint8_t data[256];
    if (!bytes_starts_with(text, BYTES_LIT("SHA256("))) {
        return text.n == 64 && hex_decode(ret, text, NULL) == 0;
    }
    struct bytes inner = bytes_slice(text, 7, text.n - 8);
    if (inner.n > 1 && inner.p[0] == '"') {
        digest_sha256(bytes_slice(inner, 1, inner.n - 2), ret);
        return true;
    }
    if (inner.n > 2 * sizeof data || hex_decode(data, inner, NULL) < 0) return false;
    digest_sha256(bytes_make(data, inner.n / 2), ret);
    return true;
}

static void extend_text(uint8_t reg[32], struct bytes measured) {
    uint8_t digest[32];
    digest_sha256(measured, digest);
    digest_extend(DIGEST_SHA256, reg, digest);
}

static bool predict_case(const struct json *input, uint8_t reg[32]) {
    static const uint8_t separator[4];
    uint8_t digest[32];
    json_each(item, json_get(input, "extend")) {
        if (!read_digest(digest, json_text(item))) return false;
        digest_extend(DIGEST_SHA256, reg, digest);
    }
    const struct json *stages = json_get(input, "boot_stage_authenticode_sha256");
    if (stages) {
        extend_text(reg, BYTES_LIT("Calling EFI Application from Boot Option"));
        extend_text(reg, bytes_make(separator, 4));
    }
    json_each(item, stages) {
        if (!read_digest(digest, json_text(item))) return false;
        digest_extend(DIGEST_SHA256, reg, digest);
    }
    const struct json *line = json_get(input, "cmdline_utf8_with_nul");
    if (line) {
        struct bytes text = json_text(line); // ends in the two characters "\0"
        if (text.n >= 2 && memcmp(text.p + text.n - 2, "\\0", 2) == 0) text.n -= 2;
        if (image_cmdline_event(digest, NULL, text, NULL) < 0) return false;
        digest_extend(DIGEST_SHA256, reg, digest);
        if (!read_digest(digest, json_text(json_get(input, "initrd_sha256")))) return false;
        digest_extend(DIGEST_SHA256, reg, digest);
    }
    json_each(item, json_get(input, "sections")) {
        bool measured = false;
        char name[16] = {0};
        struct bytes label = json_text(json_get(item, "name"));
        if (json_get_bool(&measured, item, "measured", NULL) < 0 || !measured) {
            measured = json_get(item, "measured") == NULL;
        }
        if (!measured) continue;
        if (label.n >= sizeof name || !read_digest(digest, json_text(json_get(item, "sha256")))) {
            return false;
        }
        memcpy(name, label.p, label.n);
        extend_text(reg, bytes_make(name, label.n + 1));
        digest_extend(DIGEST_SHA256, reg, digest);
    }
    return true;
}

static void run_cases(const struct json *cases, struct tally *t) {
    size_t i = 0;
    json_each(item, cases) {
        uint8_t reg[32] = {0};
        char name[40];
        (void)snprintf(name, sizeof name, "case %zu", i++);
        if (!predict_case(json_get(item, "input"), reg)) {
            tally_fail(t, name, "its input is not understood");
        } else {
            compare_hex(json_get(item, "expected"), reg, 32, name, "register", t);
        }
    }
}

// The block after "KEY: >-" of the firmware file: one line of hex.
static bool yaml_hex(struct bytes text, const char *key, uint8_t *ret, size_t *n, size_t room) {
    const uint8_t *at = memmem(text.p, text.n, key, strlen(key));
    if (!at) return false;
    struct bytes rest = {at, (size_t)(text.p + text.n - at)};
    const uint8_t *line = memchr(rest.p, '\n', rest.n);
    if (!line) return false;
    rest = bytes_slice(rest, (size_t)(line + 1 - rest.p), rest.n);
    while (rest.n > 0 && rest.p[0] == ' ') {
        rest = bytes_slice(rest, 1, rest.n);
    }
    const uint8_t *end = memchr(rest.p, '\n', rest.n);
    struct bytes digits = end ? bytes_slice(rest, 0, (size_t)(end - rest.p)) : rest;
    if (digits.n / 2 > room || hex_decode(ret, digits, NULL) < 0) return false;
    *n = digits.n / 2;
    return true;
}

static bool yaml_number(struct bytes text, const char *key, uint64_t *ret) {
    const uint8_t *at = memmem(text.p, text.n, key, strlen(key));
    if (!at) return false;
    uint64_t v = 0;
    for (at += strlen(key); at < text.p + text.n && *at >= '0' && *at <= '9'; at++) {
        v = v * 10 + (uint64_t)(*at - '0');
    }
    *ret = v;
    return true;
}

static bool get_hash(const struct json *object, const char *key, uint8_t ret[48]) {
    struct bytes text = json_text(json_get(object, key));
    return text.n == 96 && hex_decode(ret, text, NULL) == 0;
}

static bool read_firmware(struct bytes text, struct image_firmware *ret, uint8_t *hob,
                          size_t room) {
    size_t n = 0, hob_n = 0;
    uint64_t offset = 0;
    bool ok = yaml_hex(text, "mrtd:", ret->mrtd, &n, 48) && n == 48 &&
              yaml_hex(text, "cfv:", ret->cfv, &n, 48) && n == 48 &&
              yaml_hex(text, "bytes:", hob, &hob_n, room) &&
              yaml_number(text, "length_offset: ", &offset) &&
              yaml_number(text, "ram_threshold: ", &ret->ram_threshold);
    ret->hob = bytes_make(hob, hob_n);
    ret->length_offset = (size_t)offset;
    return ok;
}

static void run_portable(const char *folder, const struct json *root, struct arena *a,
                         struct tally *t) {
    struct image_firmware firmware = {0};
    struct image_platform platform = {.firmware = &firmware};
    struct policy_image image;
    struct measurements computed, quoted;
    struct td_report td = {0};
    struct quote q;
    struct bytes text = {NULL, 0}, quote = {NULL, 0};
    struct error why = {0};
    uint8_t hob[4096];
    char above[PATH_MAX], event[80];
    unsigned reg = 0;
    uint64_t disks = 0;
    path_folder(above, folder);
    const struct json *facts = json_get(root, "platform"), *acpi = json_get(facts, "acpi");
    const struct json *hashes = json_get(root, "image_hashes");
    bool ok = read_beside(&text, above, json_text(json_get(root, "firmware")), a, &why) == 0 &&
              read_beside(&quote, above, json_text(json_get(root, "quote")), a, &why) == 0 &&
              read_firmware(text, &firmware, hob, sizeof hob) &&
              json_get_u64(&platform.ram_bytes, facts, "ram_bytes", &why) == 0 &&
              json_get_u64(&disks, facts, "num_disks", &why) == 0 &&
              get_hash(acpi, "loader", platform.acpi_loader) &&
              get_hash(acpi, "rsdp", platform.acpi_rsdp) &&
              get_hash(acpi, "tables", platform.acpi_tables) &&
              get_hash(hashes, "uki_authenticode", image.uki_authenticode) &&
              get_hash(hashes, "kernel_authenticode", image.kernel_authenticode) &&
              get_hash(hashes, "cmdline_hash", image.cmdline_hash) &&
              get_hash(hashes, "initrd_hash", image.initrd_hash) &&
              get_hash(hashes, "gpt_disk_guid_hash", image.gpt_hash);
    platform.num_disks = (uint32_t)disks;
    if (!ok || quote_parse(&q, quote, &why) < 0 ||
        image_predict_gcp_platform(td.rtmr[0], &platform, &why) < 0) {
        tally_fail(t, "portable", "not readable: %s", why.text);
        return;
    }
    uint8_t rtmr[4][48];
    image_predict_gcp_image(rtmr, &image);
    memcpy(td.rtmr[1], rtmr[1], 3 * sizeof rtmr[0]);
    memcpy(td.mr_td, firmware.mrtd, sizeof td.mr_td);
    measurements_of_td(&computed, ATTESTATION_GCP_TDX, &td);
    measurements_of_td(&quoted, ATTESTATION_GCP_TDX, &q.td);
    if (image_compare(&reg, event, &computed, &quoted)) {
        tally_pass(t, "portable");
    } else {
        tally_fail(t, "portable", "register %u (%s) differs from the quote", reg, event);
    }
}

// {"quote": hex, "event_log": JSON text of [{imr, event_type, digest, event, event_payload}]}
static void run_report(const struct json *root, struct arena *a, struct tally *t) {
    const struct json *log = NULL;
    struct bytes digits = json_text(json_get(root, "quote"));
    uint8_t *raw = arena_alloc(a, digits.n / 2 + 1), regs[4][48] = {{0}}, digest[48];
    struct quote q;
    struct error why = {0};
    if (hex_decode(raw, digits, &why) < 0 ||
        quote_parse(&q, bytes_make(raw, digits.n / 2), &why) < 0 ||
        json_parse(&log, json_text(json_get(root, "event_log")), a, NULL, &why) < 0) {
        tally_fail(t, "report", "%s", why.text);
        return;
    }
    json_each(e, log) {
        uint64_t imr = 9;
        if (json_get_u64(&imr, e, "imr", NULL) < 0 || imr > 3 ||
            hex_decode(digest, json_text(json_get(e, "digest")), NULL) < 0) {
            tally_fail(t, "report", "an event that is not of its form");
            return;
        }
        digest_extend(DIGEST_SHA384, regs[imr], digest);
    }
    if (memcmp(regs, q.td.rtmr, sizeof regs) == 0) {
        tally_pass(t, "report");
    } else {
        tally_fail(t, "report", "the events do not give the quote's RTMRs");
    }
}

// NAME-ccel_data.dat beside ../quotes/*NAME*.bin: replayed, registers 1..3 are its RTMR0..2.
static void run_ccel(const char *path, struct bytes content, struct arena *a, struct tally *t) {
    struct event_log log;
    struct log_registers regs;
    struct quote q;
    struct bytes quote;
    struct error why = {0};
    char folder[PATH_MAX], above[PATH_MAX], name[PATH_MAX];
    path_folder(folder, path);
    path_folder(above, folder);
    const char *file = path + strlen(folder) + 1;
    (void)snprintf(name, sizeof name, "quotes/tdx-v4-%.*s.bin", (int)strcspn(file, "-"), file);
    if (event_log_parse(&log, content, a, &why) < 0 ||
        event_log_replay(&regs, &log, DIGEST_SHA384, &why) < 0) {
        tally_fail(t, "ccel", "%s", why.text);
        return;
    }
    if (read_beside(&quote, above, bytes_from_str(name), a, &why) < 0 ||
        quote_parse(&q, quote, &why) < 0) {
        tally_skip(t, "ccel", "no quote beside it");
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (memcmp(regs.value[i + 1], q.td.rtmr[i], 48) != 0) {
            tally_fail(t, "ccel", "RTMR%u does not replay", i);
            return;
        }
    }
    tally_pass(t, "ccel");
}

static void run_file(const char *path, struct bytes content, struct tally *t, void *arg) {
    (void)arg;
    struct arena a;
    const struct json *root = NULL;
    char folder[PATH_MAX];
    arena_init(&a, 0);
    path_folder(folder, path);
    if (path_ends_with(path, "-ccel_data.dat")) {
        run_ccel(path, content, &a, t);
    } else if (path_ends_with(path, ".json") && json_parse(&root, content, &a, NULL, NULL) == 0) {
        const struct json *first = json_member_value(json_first(json_as_object(root)));
        if (json_get(root, "image_hashes") && json_get(root, "platform")) {
            run_portable(folder, root, &a, t);
        } else if (json_get(root, "quote") && json_get(root, "event_log")) {
            run_report(root, &a, t);
        } else if (json_type_of(json_get(root, "cases")) == JSON_ARRAY &&
                   json_get(json_at(json_get(root, "cases"), 0), "pcr")) {
            run_cases(json_get(root, "cases"), t);
        } else if (path_ends_with(path, "expected.json") &&
                   (json_get(first, "authenticode_sha256") || json_get(first, "tpm_pcrs_sha256"))) {
            run_expected(folder, root, &a, t);
        }
    }
    arena_free(&a);
}

void area_image_measurements(const char *path, struct tally *t);

void area_image_measurements(const char *path, struct tally *t) {
    conformance_walk(path, t, run_file, NULL);
}
