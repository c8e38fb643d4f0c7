/* Reading of policy files.
 * SPDX-License-Identifier: MIT */
#include "attest/image.h"
#include "attest/policy.h"
#include "base/clock.h"
#include "base/hex.h"
#include "json/json.h"

#include <string.h>

struct parse {
    struct arena *a;
    struct error *why;
};

static int no_memory(struct parse *p) {
    return error_set(p->why, ERR_NO_MEMORY, "policy");
}

static int expect_type(struct parse *p, const struct json *v, enum json_type type,
                       const char *what) {
    if (json_type_of(v) == type) return 0;
    return json_error(p->why, ERR_INVALID, v, "policy: %s is not of type %s", what,
                      json_type_name(type));
}

// Every key must be known.
static int only_keys(struct parse *p, const struct json *object, const char *const *known) {
    json_members(key, value, object) {
        const char *const *k = known;
        struct bytes name = json_text(key);
        while (*k && !bytes_equal_str(name, *k)) {
            k++;
        }
        if (!*k) {
            return json_error(p->why, ERR_INVALID, value, "policy: unknown key '%.*s'",
                              (int)(name.n < 60 ? name.n : 60), (const char *)name.p);
        }
    }
    return 0;
}

// Hexadecimal of n bytes, with or without "0x".
static int read_hex(struct parse *p, const struct json *v, size_t n, struct bytes *ret) {
    struct bytes text = json_text(v);
    if (bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, text.n);
    uint8_t *to = arena_alloc(p->a, n);
    if (!to) return no_memory(p);
    if (json_type_of(v) != JSON_STRING || text.n != 2 * n || hex_decode(to, text, NULL) < 0) {
        return json_error(p->why, ERR_INVALID, v, "policy: not %zu bytes of hex", n);
    }
    *ret = (struct bytes){to, n};
    return 0;
}

static int read_values(struct parse *p, const struct json *list, size_t n,
                       struct policy_values *ret) {
    if (!list) return 0;
    if (json_type_of(list) != JSON_ARRAY || json_count(list) == 0 ||
        json_count(list) > POLICY_VALUES_MAX) {
        return json_error(p->why, ERR_INVALID, list, "policy: not a list of 1 to %d values",
                          POLICY_VALUES_MAX);
    }
    struct bytes *values = arena_new_array(p->a, struct bytes, json_count(list));
    if (!values) return no_memory(p);
    ret->values = values;
    json_each(item, list) {
        int code = read_hex(p, item, n, &values[ret->count++]);
        if (code < 0) return code;
    }
    return 0;
}

static int read_register(struct parse *p, const struct json *v, size_t n,
                         struct policy_register *ret) {
    static const char *const known[] = {"expected", "expected_any", "warnOnly", NULL};
    struct policy_values values = {0};
    const struct json *one = v;
    if (json_type_of(v) == JSON_OBJECT) {
        int code = only_keys(p, v, known);
        if (code < 0) return code;
        const struct json *warn = json_get(v, "warnOnly"), *any = json_get(v, "expected_any");
        one = json_get(v, "expected");
        if (warn && json_bool(&ret->warn_only, warn, NULL) < 0) {
            return json_error(p->why, ERR_INVALID, warn, "policy: warnOnly is no boolean");
        }
        if ((one != NULL) == (any != NULL)) {
            return json_error(p->why, ERR_INVALID, v,
                              "policy: one of 'expected' and 'expected_any' is needed");
        }
        if (any) {
            if ((code = read_values(p, any, n, &values)) < 0) return code;
            ret->values = values.values;
            ret->count = values.count;
            return 0;
        }
    }
    if (json_type_of(one) == JSON_STRING && json_text(one).n == 0) return 0; // any value
    struct bytes *value = arena_new(p->a, struct bytes);
    if (!value) return no_memory(p);
    int code = read_hex(p, one, n, value);
    ret->values = value;
    ret->count = 1;
    return code;
}

static int read_registers(struct parse *p, const struct json *object, struct policy_entry *entry) {
    int code = expect_type(p, object, JSON_OBJECT, "measurements");
    if (code < 0) return code;
    size_t n = entry->type == ATTESTATION_AZURE_TDX ? 32 : 48;
    struct policy_register *list =
        arena_new_array(p->a, struct policy_register, json_count(object));
    if (!list) return no_memory(p);
    entry->registers = list;
    json_members(key, value, object) {
        struct policy_register *r = &list[entry->register_count];
        struct bytes name = json_text(key);
        *r = (struct policy_register){0}; // one that takes any value may have stood here
        if (!measurement_index_parse(&r->index, entry->type, name)) {
            return json_error(p->why, ERR_INVALID, value, "policy: no register '%.*s' in %s",
                              (int)(name.n < 40 ? name.n : 40), (const char *)name.p,
                              attestation_type_name(entry->type));
        }
        for (size_t i = 0; i < entry->register_count; i++) {
            if (list[i].index == r->index) {
                return json_error(p->why, ERR_INVALID, value, "policy: a register named twice");
            }
        }
        if ((code = read_register(p, value, n, r)) < 0) return code;
        if (r->count > 0) entry->register_count++;
    }
    return 0;
}

static int read_image(struct parse *p, const struct json *object, struct policy_entry *entry) {
    static const char *const known[] = {"uki_authenticode", "kernel_authenticode", "cmdline_hash",
                                        "initrd_hash",      "gpt_disk_guid_hash",  NULL};
    int code = expect_type(p, object, JSON_OBJECT, "dcap_image_hashes");
    if (code == 0) code = only_keys(p, object, known);
    if (code < 0) return code;
    if (entry->type != ATTESTATION_GCP_TDX) {
        return json_error(p->why, ERR_INVALID, object, "policy: image hashes are for gcp-tdx");
    }
    struct policy_image image;
    uint8_t *fields[] = {image.uki_authenticode, image.kernel_authenticode, image.cmdline_hash,
                         image.initrd_hash, image.gpt_hash};
    for (size_t i = 0; known[i]; i++) {
        struct bytes value = {NULL, 0};
        if ((code = read_hex(p, json_get(object, known[i]), 48, &value)) < 0) {
            return error_wrap(p->why, "%s", known[i]), code;
        }
        memcpy(fields[i], value.p, 48);
    }
    uint8_t(*registers)[48] = arena_alloc(p->a, 4 * sizeof *registers);
    if (!registers) return no_memory(p);
    image_predict_gcp_image(registers, &image);
    entry->image = registers;
    return 0;
}

static int read_entry(struct parse *p, const struct json *v, struct policy_entry *ret) {
    static const char *const known[] = {"measurement_id", "attestation_type", "measurements",
                                        "dcap_image_hashes", NULL};
    struct bytes type = {NULL, 0};
    int code = expect_type(p, v, JSON_OBJECT, "an entry");
    if (code == 0) code = only_keys(p, v, known);
    if (code == 0) code = json_get_string(&type, v, "attestation_type", p->why);
    if (code < 0) return code;
    if (!attestation_type_parse(&ret->type, type)) {
        return json_error(p->why, ERR_INVALID, v,
                          "policy: invalid attestation type '%.*s' in measurements file",
                          (int)(type.n < 40 ? type.n : 40), (const char *)type.p);
    }
    if (json_get(v, "measurement_id")) {
        code = json_get_string(&ret->id, v, "measurement_id", p->why);
        if (code < 0) return code;
    }
    const struct json *registers = json_get(v, "measurements");
    const struct json *image = json_get(v, "dcap_image_hashes");
    if (registers) {
        if (json_count(registers) == 0) {
            return json_error(p->why, ERR_INVALID, registers,
                              "policy: empty measurements; leave them out to accept any");
        }
        if ((code = read_registers(p, registers, ret)) < 0) return code;
        if (ret->register_count == 0) {
            return json_error(p->why, ERR_INVALID, registers,
                              "policy: no register has a value; leave measurements out to accept "
                              "any");
        }
    }
    return image ? read_image(p, image, ret) : 0;
}

static int read_entries(struct parse *p, const struct json *list, struct policy *ret) {
    int code = expect_type(p, list, JSON_ARRAY, "the list of entries");
    if (code < 0) return code;
    if (json_count(list) > POLICY_ENTRIES_MAX) {
        return error_set(p->why, ERR_LIMIT, "policy: more than %d entries", POLICY_ENTRIES_MAX);
    }
    struct policy_entry *entries = arena_new_array(p->a, struct policy_entry, json_count(list));
    if (!entries) return no_memory(p);
    ret->entries = entries;
    ret->has_entries = true;
    json_each(item, list) {
        if ((code = read_entry(p, item, &entries[ret->entry_count])) < 0) return code;
        ret->entry_count++;
    }
    return 0;
}

/* ---- platforms ---- */

static int read_hash(struct parse *p, const struct json *object, const char *key, uint8_t ret[48]) {
    struct bytes value = {NULL, 0};
    int code = read_hex(p, json_get(object, key), 48, &value);
    if (code < 0) return error_wrap(p->why, "%s", key), code;
    memcpy(ret, value.p, 48);
    return 0;
}

static int read_firmware(struct parse *p, const struct json *v, struct image_firmware *ret) {
    static const char *const known[] = {"mrtd",          "cfv",           "hob",
                                        "length_offset", "ram_threshold", NULL};
    uint64_t offset = 0;
    int code = expect_type(p, v, JSON_OBJECT, "firmware");
    if (code == 0) code = only_keys(p, v, known);
    if (code == 0) code = read_hash(p, v, "mrtd", ret->mrtd);
    if (code == 0) code = read_hash(p, v, "cfv", ret->cfv);
    if (code == 0)
        code = read_hex(p, json_get(v, "hob"), json_text(json_get(v, "hob")).n / 2, &ret->hob);
    if (code == 0) code = json_get_u64(&offset, v, "length_offset", p->why);
    if (code == 0) code = json_get_u64(&ret->ram_threshold, v, "ram_threshold", p->why);
    ret->length_offset = offset;
    return code;
}

// What firmware measures of a machine: RTMR0 is computed from it.
static int read_facts(struct parse *p, const struct json *v, struct policy_platform *ret) {
    static const char *const known[] = {"name", "firmware", "ram_bytes", "num_disks", "acpi", NULL};
    static const char *const tables[] = {"loader", "rsdp", "tables", NULL};
    struct image_firmware firmware = {0};
    struct image_platform facts = {.firmware = &firmware};
    const struct json *acpi = json_get(v, "acpi");
    uint64_t disks = 0;
    int code = only_keys(p, v, known);
    if (code == 0) code = read_firmware(p, json_get(v, "firmware"), &firmware);
    if (code == 0) code = json_get_u64(&facts.ram_bytes, v, "ram_bytes", p->why);
    if (code == 0) code = json_get_u64(&disks, v, "num_disks", p->why);
    if (code == 0) code = expect_type(p, acpi, JSON_OBJECT, "acpi");
    if (code == 0) code = only_keys(p, acpi, tables);
    if (code == 0) code = read_hash(p, acpi, "loader", facts.acpi_loader);
    if (code == 0) code = read_hash(p, acpi, "rsdp", facts.acpi_rsdp);
    if (code == 0) code = read_hash(p, acpi, "tables", facts.acpi_tables);
    if (code < 0) return code;
    facts.num_disks = disks > UINT32_MAX ? UINT32_MAX : (uint32_t)disks;
    memcpy(ret->mrtd, firmware.mrtd, sizeof ret->mrtd);
    return image_predict_gcp_platform(ret->rtmr0, &facts, p->why);
}

static int read_platform(struct parse *p, const struct json *v, struct policy_platform *ret) {
    static const char *const known[] = {"name", "mrtd", "rtmr0", NULL};
    int code = expect_type(p, v, JSON_OBJECT, "a platform");
    if (code == 0) code = json_get_string(&ret->name, v, "name", p->why);
    if (code < 0) return code;
    if (ret->name.n == 0 || ret->name.n > POLICY_PLATFORM_NAME_MAX) {
        return json_error(p->why, ERR_INVALID, v, "policy: a platform's name has 1 to %d bytes",
                          POLICY_PLATFORM_NAME_MAX);
    }
    if (json_get(v, "firmware")) return read_facts(p, v, ret);
    code = only_keys(p, v, known);
    if (code == 0) code = read_hash(p, v, "mrtd", ret->mrtd);
    if (code == 0) code = read_hash(p, v, "rtmr0", ret->rtmr0);
    return code;
}

static int read_platforms(struct parse *p, const struct json *list, struct policy *ret) {
    if (!list) return 0;
    size_t with_hashes = 0;
    for (size_t i = 0; i < ret->entry_count; i++)
        with_hashes += ret->entries[i].image != NULL;
    if (with_hashes == 0) {
        return json_error(p->why, ERR_INVALID, list,
                          "policy: platforms, and no entry with image hashes that they are for");
    }
    if (json_type_of(list) != JSON_ARRAY || json_count(list) == 0 ||
        json_count(list) > POLICY_VALUES_MAX) {
        return json_error(p->why, ERR_INVALID, list, "policy: not a list of 1 to %d platforms",
                          POLICY_VALUES_MAX);
    }
    struct policy_platform *all = arena_new_array(p->a, struct policy_platform, json_count(list));
    if (!all) return no_memory(p);
    ret->platforms = all;
    json_each(item, list) {
        int code = read_platform(p, item, &all[ret->platform_count]);
        if (code < 0) return error_wrap(p->why, "platform %zu", ret->platform_count), code;
        ret->platform_count++;
    }
    return 0;
}

/* ---- the document ---- */

static int read_statuses(struct parse *p, const struct json *list, struct policy *ret) {
    if (!list) return 0;
    int code = expect_type(p, list, JSON_ARRAY, "statuses");
    if (code < 0) return code;
    ret->statuses = 0;
    json_each(item, list) {
        enum tcb_status s;
        struct bytes name = json_text(item);
        if (json_type_of(item) != JSON_STRING ||
            !tcb_status_parse(&s, (const char *)name.p, name.n) || s == TCB_REVOKED) {
            return json_error(p->why, ERR_INVALID, item, "policy: not a TCB status to accept");
        }
        ret->statuses |= 1u << s;
    }
    return 0;
}

static int read_advisories(struct parse *p, const struct json *list, struct policy *ret) {
    if (!list) return 0;
    int code = expect_type(p, list, JSON_ARRAY, "advisories");
    if (code < 0) return code;
    struct bytes *ids = arena_new_array(p->a, struct bytes, json_count(list));
    if (!ids) return no_memory(p);
    ret->limit_advisories = true;
    ret->advisories.values = ids;
    json_each(item, list) {
        if ((code = expect_type(p, item, JSON_STRING, "an advisory")) < 0) return code;
        ids[ret->advisories.count++] = json_text(item);
    }
    return 0;
}

static int read_tcb(struct parse *p, const struct json *object, struct policy *ret) {
    static const char *const known[] = {"statuses",          "advisories",
                                        "minimum_date",      "minimum_evaluation_number",
                                        "status_grace_days", NULL};
    if (!object) return 0;
    int code = expect_type(p, object, JSON_OBJECT, "tcb");
    if (code == 0) code = only_keys(p, object, known);
    if (code == 0) code = read_statuses(p, json_get(object, "statuses"), ret);
    if (code == 0) code = read_advisories(p, json_get(object, "advisories"), ret);
    const struct json *date = json_get(object, "minimum_date");
    if (code == 0 && date) {
        uint64_t ns = 0;
        if (clock_parse(&ns, json_text(date), NULL) < 0) {
            return json_error(p->why, ERR_INVALID, date,
                              "policy: minimum_date is no RFC 3339 time");
        }
        ret->minimum_tcb_date = ns / NS_PER_S;
    }
    uint64_t v = 0;
    if (code == 0 && json_get(object, "minimum_evaluation_number")) {
        code = json_get_u64(&v, object, "minimum_evaluation_number", p->why);
        ret->minimum_evaluation_number = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    }
    if (code == 0 && json_get(object, "status_grace_days")) {
        code = json_get_u64(&v, object, "status_grace_days", p->why);
        if (code == 0 && v > 3650) {
            return error_set(p->why, ERR_INVALID, "policy: status_grace_days above 3650");
        }
        ret->status_grace_s = v * 86400;
    }
    return code;
}

static int read_attributes(struct parse *p, const struct json *object, struct policy *ret) {
    static const char *const known[] = {"value", "mask", NULL};
    struct bytes value = {NULL, 0}, mask = {NULL, 0};
    if (!object) return 0;
    int code = expect_type(p, object, JSON_OBJECT, "td_attributes");
    if (code == 0) code = only_keys(p, object, known);
    if (code == 0) code = read_hex(p, json_get(object, "value"), 8, &value);
    if (code == 0) code = read_hex(p, json_get(object, "mask"), 8, &mask);
    if (code) return code;
    ret->td_attributes_value = load_le64(value.p);
    ret->td_attributes_mask = load_le64(mask.p);
    if (ret->td_attributes_value & ~ret->td_attributes_mask) {
        return json_error(p->why, ERR_INVALID, object,
                          "policy: value has bits outside of its mask");
    }
    return 0;
}

static int read_object(struct parse *p, const struct json *v, struct policy *ret) {
    static const char *const known[] = {
        "accept",  "tcb",           "allow_debug",  "td_attributes", "xfam",
        "mr_seam", "mr_service_td", "mr_config_id", "mr_owner",      "mr_owner_config",
        "roots",   "fmspc",         "platforms",    "mr_td",         NULL};
    int code = only_keys(p, v, known);
    if (code < 0) return code;
    const struct json *accept = json_get(v, "accept"), *debug = json_get(v, "allow_debug");
    if (!accept) return error_set(p->why, ERR_INVALID, "policy: 'accept' is missing");
    if (debug && json_bool(&ret->allow_debug, debug, NULL) < 0) {
        return json_error(p->why, ERR_INVALID, debug, "policy: allow_debug is no boolean");
    }
    struct {
        const char *key;
        size_t n;
        struct policy_values *to;
    } lists[] = {
        {"mr_td", 48, &ret->mr_td},
        {"xfam", 8, &ret->xfam},
        {"mr_seam", 48, &ret->mr_seam},
        {"mr_service_td", 48, &ret->mr_service_td},
        {"mr_config_id", 48, &ret->mr_config_id},
        {"mr_owner", 48, &ret->mr_owner},
        {"mr_owner_config", 48, &ret->mr_owner_config},
        {"roots", 32, &ret->roots},
        {"fmspc", 6, &ret->fmspc},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        code = read_values(p, json_get(v, lists[i].key), lists[i].n, lists[i].to);
        if (code < 0) return error_wrap(p->why, "%s", lists[i].key), code;
    }
    code = read_attributes(p, json_get(v, "td_attributes"), ret);
    if (code == 0) code = read_tcb(p, json_get(v, "tcb"), ret);
    if (code == 0) code = read_entries(p, accept, ret);
    return code < 0 ? code : read_platforms(p, json_get(v, "platforms"), ret);
}

int policy_parse(struct policy *ret, struct bytes in, struct arena *a, struct error *why) {
    static const struct json_limits limits = {POLICY_BYTES_MAX, 16, 1u << 19, false};
    struct parse p = {a, why};
    const struct json *root = NULL;
    *ret = policy_default;
    int code = json_parse(&root, in, a, &limits, why);
    if (code < 0) return error_wrap(why, "policy"), code;
    if (json_type_of(root) == JSON_ARRAY) {
        code = read_entries(&p, root, ret);
    } else {
        code = expect_type(&p, root, JSON_OBJECT, "the document");
        if (code == 0) code = read_object(&p, root, ret);
    }
    if (code == 0 && ret->entry_count == 0) {
        code = error_set(why, ERR_INVALID, "policy: no entries: it would accept nothing");
    }
    return code;
}
