/* Prediction from a UKI; image_gcp.c has the portable registers, image_tdvf.c the firmware.
 * SPDX-License-Identifier: MIT */
#include "attest/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CMDLINE_BYTES_MAX (64u << 10)

static const char *const sections_252[] = {".linux",  ".osrel", ".cmdline", ".initrd",
                                           ".splash", ".dtb",   ".pcrpkey", NULL};
static const char *const sections_254[] = {".linux", ".osrel", ".cmdline", ".initrd",  ".splash",
                                           ".dtb",   ".uname", ".sbat",    ".pcrpkey", NULL};
static const char *const sections_measured_boot[] = {".linux",  ".osrel", ".cmdline", ".initrd",
                                                     ".splash", ".dtb",   ".uname",   ".sbat",
                                                     ".pcrkey", NULL};

static const char *const *const stub_sections[] = {
    [IMAGE_STUB_252] = sections_252,
    [IMAGE_STUB_254] = sections_254,
    [IMAGE_STUB_MEASURED_BOOT] = sections_measured_boot,
};

int image_stub_parse(enum image_stub *ret, struct bytes version, struct error *why) {
    static const struct {
        const char *prefix;
        enum image_stub stub;
    } known[] = {{"252", IMAGE_STUB_252},
                 {"254", IMAGE_STUB_254},
                 {"255", IMAGE_STUB_254},
                 {"measured-boot", IMAGE_STUB_MEASURED_BOOT}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct bytes prefix = bytes_from_str(known[i].prefix);
        if (!bytes_starts_with(version, prefix)) continue;
        if (version.n > prefix.n && version.p[prefix.n] >= '0' && version.p[prefix.n] <= '9') break;
        *ret = known[i].stub;
        return 0;
    }
    return error_set(why, ERR_UNSUPPORTED,
                     "image: the measuring rules of stub '%.*s' are not known",
                     (int)(version.n < 40 ? version.n : 40), (const char *)version.p);
}

int image_stub_find(enum image_stub *ret, const struct pe *uki, struct error *why) {
    static const char marker[] = "systemd-stub ";
    const struct pe_section *s = pe_section_find(uki, ".sdmagic");
    struct bytes text = {NULL, 0};
    if (s && pe_section_content(&text, uki, s, NULL) < 0) text.n = 0;
    const uint8_t *at = text.n ? memmem(text.p, text.n, marker, sizeof marker - 1) : NULL;
    if (!at) return error_set(why, ERR_NOT_FOUND, "image: its stub does not tell its version");
    at += sizeof marker - 1;
    struct bytes version = {at, (size_t)(text.p + text.n - at)};
    for (size_t i = 0; i < version.n; i++) {
        if (version.p[i] == ' ' || version.p[i] == 0) version.n = i;
    }
    return image_stub_parse(ret, version, why);
}

static int add_event(struct image_prediction *p, unsigned pcr, int rtmr, const uint8_t sha256[32],
                     const uint8_t sha384[48], const char *text, struct error *why) {
    if (p->event_count == IMAGE_EVENTS_MAX) {
        return error_set(why, ERR_LIMIT, "image: more than %d events", IMAGE_EVENTS_MAX);
    }
    struct image_event *e = &p->events[p->event_count++];
    e->pcr = pcr;
    e->rtmr = rtmr;
    memcpy(e->sha256, sha256, 32);
    memcpy(e->sha384, sha384, 48);
    (void)snprintf(e->text, sizeof e->text, "%s", text);
    return 0;
}

static int add_bytes(struct image_prediction *p, unsigned pcr, int rtmr, struct bytes measured,
                     const char *text, struct error *why) {
    uint8_t sha256[32], sha384[48];
    digest_sha256(measured, sha256);
    digest_sha384(measured, sha384);
    return add_event(p, pcr, rtmr, sha256, sha384, text, why);
}

static int add_pe(struct image_prediction *p, struct bytes file, const char *text,
                  struct error *why) {
    struct pe pe;
    uint8_t sha256[32], sha384[48];
    int code = pe_parse(&pe, file, why);
    if (code == 0) code = pe_authenticode(&pe, DIGEST_SHA256, sha256, why);
    if (code == 0) code = pe_authenticode(&pe, DIGEST_SHA384, sha384, why);
    if (code < 0) return error_wrap(why, "%s", text), code;
    p->unpadded |= file.n % 8 != 0 && pe.cert_size == 0;
    return add_event(p, 4, 1, sha256, sha384, text, why);
}

int image_cmdline_event(uint8_t ret_sha256[32], uint8_t ret_sha384[48], struct bytes cmdline,
                        struct error *why) {
    while (cmdline.n > 0 && cmdline.p[cmdline.n - 1] == 0) {
        cmdline.n--;
    }
    if (cmdline.n > CMDLINE_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "image: a command line of %zu bytes", cmdline.n);
    }
    uint8_t *wide = calloc(cmdline.n + 1, 2);
    if (!wide) return error_set(why, ERR_NO_MEMORY, "image: no memory");
    for (size_t i = 0; i < cmdline.n; i++) {
        if (cmdline.p[i] >= 0x80 || cmdline.p[i] == 0) {
            free(wide);
            return error_set_at(why, ERR_INVALID, i, "image: the command line is not ASCII");
        }
        wide[2 * i] = cmdline.p[i];
    }
    struct bytes measured = {wide, 2 * cmdline.n + 2};
    if (ret_sha256) digest_sha256(measured, ret_sha256);
    if (ret_sha384) digest_sha384(measured, ret_sha384);
    free(wide);
    return 0;
}

static int get_section(struct bytes *ret, const struct pe *uki, const char *name,
                       struct error *why) {
    const struct pe_section *s = pe_section_find(uki, name);
    if (!s) return error_set(why, ERR_NOT_FOUND, "image: no section %s", name);
    return pe_section_content(ret, uki, s, why);
}

static int add_kernel_events(struct image_prediction *p, const struct pe *uki, struct error *why) {
    struct bytes cmdline, initrd;
    uint8_t sha256[32], sha384[48];
    int code = get_section(&cmdline, uki, ".cmdline", why);
    if (code == 0) code = image_cmdline_event(sha256, sha384, cmdline, why);
    if (code == 0) code = add_event(p, 9, 2, sha256, sha384, "kernel command line", why);
    if (code == 0) code = get_section(&initrd, uki, ".initrd", why);
    if (code == 0) code = add_bytes(p, 9, 2, initrd, "initrd", why);
    return code;
}

static int add_stub_events(struct image_prediction *p, const struct pe *uki, enum image_stub stub,
                           struct error *why) {
    for (const char *const *name = stub_sections[stub]; *name; name++) {
        const struct pe_section *s = pe_section_find(uki, *name);
        struct bytes content;
        char text[40];
        if (!s) continue;
        int code = pe_section_content(&content, uki, s, why);
        if (code < 0) return code;
        (void)snprintf(text, sizeof text, "section name %s", *name);
        code = add_bytes(p, 11, -1, bytes_make(*name, strlen(*name) + 1), text, why);
        (void)snprintf(text, sizeof text, "section %s", *name);
        if (code == 0) code = add_bytes(p, 11, -1, content, text, why);
        if (code < 0) return code;
    }
    return 0;
}

static void extend_all(struct image_prediction *p, bool have_gpt) {
    static const unsigned known[] = {4, 8, 9, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < p->event_count; i++) {
        const struct image_event *e = &p->events[i];
        digest_extend(DIGEST_SHA256, p->pcr[e->pcr], e->sha256);
        if (e->rtmr >= 0) digest_extend(DIGEST_SHA384, p->rtmr[e->rtmr], e->sha384);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        p->pcr_known |= 1u << known[i];
    }
    p->rtmr_known = 1u << 2 | 1u << 3;
    if (have_gpt) {
        p->pcr_known |= 1u << 5;
        p->rtmr_known |= 1u << 1;
    }
}

/* RTMR1 takes the events of PCR 4 and PCR 5 in the order of time: action, separator, GPT, images,
 * exit of the boot services. */
static int add_boot_events(struct image_prediction *p, struct bytes uki, struct bytes loader,
                           struct bytes linux_image, struct bytes gpt, struct error *why) {
    static const uint8_t separator[4];
    struct bytes zero = {separator, 4};
    int code = add_bytes(p, 4, 1, BYTES_LIT("Calling EFI Application from Boot Option"),
                         "boot option action", why);
    if (code == 0) code = add_bytes(p, 4, 1, zero, "separator", why);
    if (code == 0 && gpt.n > 0) {
        code = add_bytes(p, 5, -1, zero, "separator", why);
        if (code == 0) code = add_bytes(p, 5, 1, gpt, "partition table", why);
    }
    if (code == 0 && loader.n > 0) code = add_pe(p, loader, "boot loader", why);
    if (code == 0) code = add_pe(p, uki, "unified kernel image", why);
    if (code == 0) code = add_pe(p, linux_image, "kernel inside the image", why);
    if (code < 0 || gpt.n == 0) return code;
    code = add_bytes(p, 5, 1, BYTES_LIT("Exit Boot Services Invocation"),
                     "exit of the boot services begins", why);
    if (code == 0) {
        code = add_bytes(p, 5, 1, BYTES_LIT("Exit Boot Services Returned with Success"),
                         "exit of the boot services succeeded", why);
    }
    return code;
}

int image_predict(struct image_prediction *ret, struct bytes uki, struct bytes loader,
                  struct bytes gpt, enum image_stub stub, struct error *why) {
    struct pe pe;
    struct bytes linux_image = {NULL, 0};
    memset(ret, 0, sizeof *ret);
    int code = pe_parse(&pe, uki, why);
    if (code == 0) code = get_section(&linux_image, &pe, ".linux", why);
    if (code == 0) code = add_boot_events(ret, uki, loader, linux_image, gpt, why);
    if (code == 0) code = add_kernel_events(ret, &pe, why);
    if (code == 0) code = add_stub_events(ret, &pe, stub, why);
    if (code == 0) extend_all(ret, gpt.n > 0);
    return code;
}

int image_gpt_event(struct bytes *ret, struct bytes disk, struct arena *a, struct error *why) {
    enum { SECTOR = 512, HEADER = 92, ENTRY = 128, ENTRIES_MAX = 128 };
    static const uint8_t unused[16];
    if (disk.n < 2 * SECTOR || memcmp(disk.p + SECTOR, "EFI PART", 8) != 0) {
        return error_set(why, ERR_SYNTAX, "GPT: no header in the second sector");
    }
    const uint8_t *h = disk.p + SECTOR;
    uint64_t lba = load_le64(h + 72);
    uint32_t count = load_le32(h + 80), size = load_le32(h + 84);
    if (load_le32(h + 12) != HEADER || size != ENTRY || count > ENTRIES_MAX || lba > 1u << 20 ||
        lba * SECTOR + (uint64_t)count * ENTRY > disk.n) {
        return error_set(why, ERR_SYNTAX, "GPT: an entry array that is not of the usual form");
    }
    uint8_t *event = arena_alloc(a, HEADER + 8 + (size_t)count * ENTRY);
    if (!event) return error_set(why, ERR_NO_MEMORY, "GPT: no memory");
    memcpy(event, h, HEADER);
    uint64_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = disk.p + lba * SECTOR + (size_t)i * ENTRY;
        if (memcmp(entry, unused, 16) == 0) continue;
        memcpy(event + HEADER + 8 + used++ * ENTRY, entry, ENTRY);
    }
    store_le64(event + HEADER, used);
    *ret = (struct bytes){event, HEADER + 8 + used * ENTRY};
    return 0;
}

int image_variable_event(enum digest_kind kind, uint8_t *ret, const uint8_t guid[16],
                         const char *name, struct bytes data, struct error *why) {
    size_t chars = strlen(name);
    uint8_t *measured = calloc(1, 32 + 2 * chars + data.n);
    if (!measured) return error_set(why, ERR_NO_MEMORY, "image: no memory");
    memcpy(measured, guid, 16);
    store_le64(measured + 16, chars);
    store_le64(measured + 24, data.n);
    for (size_t i = 0; i < chars; i++) {
        measured[32 + 2 * i] = (uint8_t)name[i];
    }
    if (data.n) memcpy(measured + 32 + 2 * chars, data.p, data.n);
    digest_of(kind, (struct bytes){measured, 32 + 2 * chars + data.n}, ret);
    free(measured);
    return 0;
}
