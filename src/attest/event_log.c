/* SPDX-License-Identifier: MIT */
#include "attest/event_log.h"

#include <stdio.h>
#include <string.h>

enum {
    EVENT_VARIABLE_DRIVER_CONFIG = 0x80000001u,
    EVENT_VARIABLE_BOOT = 0x80000002u,
    EVENT_BOOT_SERVICES_APPLICATION = 0x80000003u,
    EVENT_BOOT_SERVICES_DRIVER = 0x80000004u,
    EVENT_RUNTIME_SERVICES_DRIVER = 0x80000005u,
    EVENT_GPT = 0x80000006u,
    EVENT_EFI_ACTION = 0x80000007u,
    EVENT_PLATFORM_BLOB2 = 0x8000000au,
    EVENT_HANDOFF_TABLES2 = 0x8000000bu,
    EVENT_VARIABLE_BOOT2 = 0x8000000cu,
    EVENT_VARIABLE_AUTHORITY = 0x800000e0u,
};

static const struct {
    uint32_t type;
    const char *name;
} type_names[] = {
    {0x0, "EV_PREBOOT_CERT"},
    {0x1, "EV_POST_CODE"},
    {EVENT_NO_ACTION, "EV_NO_ACTION"},
    {EVENT_SEPARATOR, "EV_SEPARATOR"},
    {EVENT_ACTION, "EV_ACTION"},
    {EVENT_TAG, "EV_EVENT_TAG"},
    {0x7, "EV_S_CRTM_CONTENTS"},
    {0x8, "EV_S_CRTM_VERSION"},
    {0x9, "EV_CPU_MICROCODE"},
    {0xa, "EV_PLATFORM_CONFIG_FLAGS"},
    {0xb, "EV_TABLE_OF_DEVICES"},
    {0xc, "EV_COMPACT_HASH"},
    {EVENT_IPL, "EV_IPL"},
    {0xe, "EV_IPL_PARTITION_DATA"},
    {0x11, "EV_NONHOST_INFO"},
    {0x12, "EV_OMIT_BOOT_DEVICE_EVENTS"},
    {EVENT_VARIABLE_DRIVER_CONFIG, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
    {EVENT_VARIABLE_BOOT, "EV_EFI_VARIABLE_BOOT"},
    {EVENT_BOOT_SERVICES_APPLICATION, "EV_EFI_BOOT_SERVICES_APPLICATION"},
    {EVENT_BOOT_SERVICES_DRIVER, "EV_EFI_BOOT_SERVICES_DRIVER"},
    {EVENT_RUNTIME_SERVICES_DRIVER, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
    {EVENT_GPT, "EV_EFI_GPT_EVENT"},
    {EVENT_EFI_ACTION, "EV_EFI_ACTION"},
    {0x80000008u, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
    {0x80000009u, "EV_EFI_HANDOFF_TABLES"},
    {EVENT_PLATFORM_BLOB2, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
    {EVENT_HANDOFF_TABLES2, "EV_EFI_HANDOFF_TABLES2"},
    {EVENT_VARIABLE_BOOT2, "EV_EFI_VARIABLE_BOOT2"},
    {0x80000010u, "EV_EFI_HCRTM_EVENT"},
    {EVENT_VARIABLE_AUTHORITY, "EV_EFI_VARIABLE_AUTHORITY"},
};

const char *event_type_name(uint32_t type) {
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (type_names[i].type == type) return type_names[i].name;
    }
    return NULL;
}

#define BANKS_MAX 16

// The algorithms that the first record declares.
struct banks {
    uint16_t algorithm[BANKS_MAX];
    uint16_t size[BANKS_MAX];
    size_t n;
};

static int kind_of(uint16_t algorithm) {
    switch (algorithm) {
    case 0x0004:
        return DIGEST_SHA1;
    case 0x000b:
        return DIGEST_SHA256;
    case 0x000c:
        return DIGEST_SHA384;
    case 0x000d:
        return DIGEST_SHA512;
    default:
        return -1;
    }
}

static int read_first(struct bytes in, struct banks *banks, size_t *ret_at, struct error *why) {
    static const char signature[16] = "Spec ID Event03";
    if (in.n < 32) return error_set_at(why, ERR_SYNTAX, 0, "event log: no first record");
    uint32_t size = load_le32(in.p + 28);
    if (load_le32(in.p + 4) != EVENT_NO_ACTION || size > in.n - 32 || size < 28 ||
        memcmp(in.p + 32, signature, sizeof signature) != 0) {
        return error_set_at(why, ERR_SYNTAX, 0, "event log: the first record is no Spec ID event");
    }
    const uint8_t *data = in.p + 32;
    uint32_t count = load_le32(data + 24);
    if (count == 0 || count > BANKS_MAX || 28 + 4 * count > size) {
        return error_set_at(why, ERR_SYNTAX, 56, "event log: %u banks", count);
    }
    banks->n = count;
    for (size_t i = 0; i < count; i++) {
        banks->algorithm[i] = load_le16(data + 28 + 4 * i);
        banks->size[i] = load_le16(data + 30 + 4 * i);
        int kind = kind_of(banks->algorithm[i]);
        if (kind >= 0 && digest_size((enum digest_kind)kind) != banks->size[i]) {
            return error_set_at(why, ERR_UNSUPPORTED, 60 + 4 * i,
                                "event log: bank 0x%04x of %u bytes", banks->algorithm[i],
                                banks->size[i]);
        }
    }
    *ret_at = 32 + size;
    return 0;
}

static int read_digests(struct bytes in, size_t *at, uint32_t count, const struct banks *banks,
                        struct log_event *e, struct error *why) {
    for (uint32_t i = 0; i < count; i++) {
        size_t k = 0;
        if (in.n - *at < 2) return error_set_at(why, ERR_SYNTAX, *at, "event log: cut off");
        uint16_t algorithm = load_le16(in.p + *at);
        while (k < banks->n && banks->algorithm[k] != algorithm) {
            k++;
        }
        if (k == banks->n) {
            return error_set_at(why, ERR_SYNTAX, *at, "event log: undeclared bank 0x%04x",
                                algorithm);
        }
        if (in.n - *at - 2 < banks->size[k]) {
            return error_set_at(why, ERR_SYNTAX, *at, "event log: cut off in a digest");
        }
        int kind = kind_of(algorithm);
        if (kind >= 0) e->digest[kind] = (struct bytes){in.p + *at + 2, banks->size[k]};
        *at += 2u + banks->size[k];
    }
    return 0;
}

// One event at *at; *end is set when the log ends there.
static int read_event(struct bytes in, size_t *at, const struct banks *banks, struct log_event *e,
                      bool *end, struct error *why) {
    *end = true;
    if (in.n - *at < 12) {
        for (size_t i = *at; i < in.n; i++) {
            if (in.p[i] != 0 && in.p[i] != 0xff) {
                return error_set_at(why, ERR_SYNTAX, *at, "event log: cut off");
            }
        }
        return 0;
    }
    uint32_t reg = load_le32(in.p + *at), type = load_le32(in.p + *at + 4);
    uint32_t count = load_le32(in.p + *at + 8);
    if (type == UINT32_MAX || reg == UINT32_MAX || (reg == 0 && type == 0 && count == 0)) return 0;
    if (count > banks->n) {
        return error_set_at(why, ERR_SYNTAX, *at + 8, "event log: %u digests", count);
    }
    *e = (struct log_event){.reg = reg, .type = type};
    *at += 12;
    int code = read_digests(in, at, count, banks, e, why);
    if (code < 0) return code;
    if (in.n - *at < 4 || load_le32(in.p + *at) > in.n - *at - 4) {
        return error_set_at(why, ERR_SYNTAX, *at, "event log: cut off in an event's data");
    }
    uint32_t size = load_le32(in.p + *at);
    e->data = (struct bytes){in.p + *at + 4, size};
    *at += 4 + size;
    *end = false;
    return 0;
}

int event_log_parse(struct event_log *ret, struct bytes in, struct arena *a, struct error *why) {
    struct banks banks = {0};
    size_t at = 0, room = 0;
    memset(ret, 0, sizeof *ret);
    if (in.n > EVENT_LOG_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "event log: %zu bytes", in.n);
    }
    int code = read_first(in, &banks, &at, why);
    if (code < 0) return code;
    for (size_t i = 0; i < banks.n; i++) {
        int kind = kind_of(banks.algorithm[i]);
        if (kind >= 0) ret->has_bank[kind] = true;
    }
    for (;;) {
        struct log_event e;
        bool end;
        code = read_event(in, &at, &banks, &e, &end, why);
        if (code < 0) return code;
        if (end) break;
        if (ret->n == EVENT_LOG_EVENTS_MAX) {
            return error_set(why, ERR_LIMIT, "event log: more than %d events",
                             EVENT_LOG_EVENTS_MAX);
        }
        if (ret->n == room) {
            size_t more = room ? 2 * room : 64;
            struct log_event *p = arena_new_array(a, struct log_event, more);
            if (!p) return error_set(why, ERR_NO_MEMORY, "event log");
            if (ret->n) memcpy(p, ret->events, ret->n * sizeof *p);
            ret->events = p;
            room = more;
        }
        ret->events[ret->n++] = e;
    }
    ret->used_bytes = at;
    return 0;
}

// The event's data when it tells the locality of TPM2_Startup: "StartupLocality\0" and a byte.
static bool tells_locality(const struct log_event *e, uint8_t *ret) {
    static const char name[16] = "StartupLocality";
    if (e->type != EVENT_NO_ACTION || e->reg != 0 || e->data.n != sizeof name + 1) return false;
    *ret = e->data.p[sizeof name];
    return memcmp(e->data.p, name, sizeof name) == 0;
}

int event_log_replay(struct log_registers *ret, const struct event_log *log, enum digest_kind kind,
                     struct error *why) {
    memset(ret, 0, sizeof *ret);
    ret->kind = kind;
    if (!log->has_bank[kind]) {
        return error_set(why, ERR_NOT_FOUND, "event log: no %s bank", digest_name(kind));
    }
    for (size_t i = 0; i < log->n; i++) {
        const struct log_event *e = &log->events[i];
        uint8_t locality;
        if (!(ret->touched & 1) && tells_locality(e, &locality)) {
            ret->value[0][digest_size(kind) - 1] = locality;
        }
        if (e->type == EVENT_NO_ACTION || e->digest[kind].n == 0) continue;
        if (e->reg >= EVENT_LOG_REGISTERS) {
            return error_set(why, ERR_RANGE, "event log: event %zu is of register %u", i, e->reg);
        }
        digest_extend(kind, ret->value[e->reg], e->digest[kind].p);
        ret->touched |= 1u << e->reg;
    }
    return 0;
}

// A growing line of printable ASCII.
struct line {
    char *p;
    size_t n, size;
};

static void line_char(struct line *l, uint32_t c) {
    if (l->n + 1 >= l->size) return;
    l->p[l->n++] = c >= 0x20 && c < 0x7f ? (char)c : '.';
    l->p[l->n] = 0;
}

static void line_text(struct line *l, const char *s) {
    while (*s) {
        line_char(l, (uint8_t)*s++);
    }
}

static void line_ascii(struct line *l, struct bytes in) {
    while (in.n > 0 && in.p[in.n - 1] == 0) {
        in.n--;
    }
    for (size_t i = 0; i < in.n; i++) {
        line_char(l, in.p[i]);
    }
}

static void line_utf16(struct line *l, struct bytes in) {
    for (size_t i = 0; i + 1 < in.n; i += 2) {
        uint16_t c = load_le16(in.p + i);
        if (c == 0) break;
        line_char(l, c < 0x80 ? c : '?');
    }
}

static bool mostly_utf16(struct bytes in) {
    size_t zeros = 0;
    for (size_t i = 1; i < in.n; i += 2) {
        zeros += in.p[i] == 0;
    }
    return in.n >= 4 && zeros * 4 >= in.n;
}

static void line_either(struct line *l, struct bytes in) {
    if (mostly_utf16(in)) {
        line_utf16(l, in);
    } else {
        line_ascii(l, in);
    }
}

// UEFI_VARIABLE_DATA: GUID 16, u64 name length in characters, u64 data length, name, data.
static void describe_variable(const struct log_event *e, struct line *l) {
    if (e->data.n < 32) return;
    uint64_t chars = load_le64(e->data.p + 16), size = load_le64(e->data.p + 24);
    struct bytes rest = bytes_slice(e->data, 32, e->data.n);
    if (chars > rest.n / 2) return;
    line_text(l, "variable ");
    line_utf16(l, bytes_slice(rest, 0, (size_t)chars * 2));
    char more[64];
    (void)snprintf(more, sizeof more, ", %llu bytes", (unsigned long long)size);
    line_text(l, more);
    struct bytes value = bytes_slice(rest, (size_t)chars * 2, rest.n);
    if (size == 1 && value.n >= 1) {
        line_text(l, value.p[0] ? " = 1" : " = 0");
    } else if (e->type == EVENT_VARIABLE_BOOT && value.n > 6 && mostly_utf16(value)) {
        line_text(l, ": ");
        line_utf16(l, bytes_slice(value, 6, value.n)); // after attributes and path length
    }
}

// UEFI_IMAGE_LOAD_EVENT: u64 address, size, link address, path length, device path. File path
// nodes (type 4, subtype 4) hold UTF-16 text.
static void describe_image(const struct log_event *e, struct line *l) {
    if (e->data.n < 32) return;
    char head[64];
    (void)snprintf(head, sizeof head, "image of %llu bytes",
                   (unsigned long long)load_le64(e->data.p + 8));
    line_text(l, head);
    struct bytes path = bytes_slice(e->data, 32, e->data.n);
    while (path.n >= 4) {
        uint16_t size = load_le16(path.p + 2);
        if (size < 4 || size > path.n || path.p[0] == 0x7f) break;
        if (path.p[0] == 4 && path.p[1] == 4) {
            line_text(l, ", ");
            line_utf16(l, bytes_slice(path, 4, size - 4u));
        } else if (path.p[0] == 4 && path.p[1] == 3) {
            line_text(l, ", vendor media");
        }
        path = bytes_slice(path, size, path.n);
    }
}

static void describe_gpt(const struct log_event *e, struct line *l) {
    if (e->data.n < 100) return;
    char text[64];
    (void)snprintf(text, sizeof text, "partition table, %llu used entries",
                   (unsigned long long)load_le64(e->data.p + 92));
    line_text(l, text);
}

// Linux's tagged event: u32 id, u32 size, text.
static void describe_tag(const struct log_event *e, struct line *l) {
    if (e->data.n < 8) return;
    line_either(l, bytes_slice(e->data, 8, load_le32(e->data.p + 4)));
}

static void describe_blob(const struct log_event *e, struct line *l) {
    if (e->data.n < 1) return;
    line_ascii(l, bytes_slice(e->data, 1, e->data.p[0]));
}

void event_describe(const struct log_event *e, char *ret, size_t size) {
    struct line l = {ret, 0, size};
    if (size == 0) return;
    ret[0] = 0;
    switch (e->type) {
    case EVENT_VARIABLE_DRIVER_CONFIG:
    case EVENT_VARIABLE_BOOT:
    case EVENT_VARIABLE_BOOT2:
    case EVENT_VARIABLE_AUTHORITY:
        describe_variable(e, &l);
        break;
    case EVENT_BOOT_SERVICES_APPLICATION:
    case EVENT_BOOT_SERVICES_DRIVER:
    case EVENT_RUNTIME_SERVICES_DRIVER:
        describe_image(e, &l);
        break;
    case EVENT_GPT:
        describe_gpt(e, &l);
        break;
    case EVENT_TAG:
        describe_tag(e, &l);
        break;
    case EVENT_PLATFORM_BLOB2:
    case EVENT_HANDOFF_TABLES2:
        describe_blob(e, &l);
        break;
    case EVENT_SEPARATOR:
        line_text(&l,
                  e->data.n == 4 && load_le32(e->data.p) == 0 ? "separator" : "error separator");
        break;
    default:
        line_either(&l, bytes_slice(e->data, 0, 256));
    }
}

bool event_data_hashed(const struct log_event *e, enum digest_kind kind) {
    uint8_t digest[DIGEST_BYTES_MAX];
    digest_of(kind, e->data, digest);
    return e->digest[kind].n > 0 && memcmp(digest, e->digest[kind].p, e->digest[kind].n) == 0;
}
