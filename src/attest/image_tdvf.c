/* MRTD and configuration volume from TDVF firmware.
 * SPDX-License-Identifier: MIT */
#include "attest/image.h"

#include <openssl/evp.h>
#include <string.h>

enum {
    PAGE = 4096,
    CHUNK = 256,
    SECTION_BYTES = 32,
    SECTION_CFV = 1,
    ATTRIBUTE_EXTEND = 1,
    ATTRIBUTE_AUG = 2,
    SECTIONS_MAX = 64
};

struct tdvf_section {
    uint32_t offset, raw_size, type, attributes;
    uint64_t address, memory_size;
};

// The descriptor's distance from the end of the file, out of the GUID table before the reset
// vector.
static int find_descriptor(size_t *ret, struct bytes fw, struct error *why) {
    static const uint8_t footer[16] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                       0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
    static const uint8_t tdvf[16] = {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
                                     0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2};
    if (fw.n < 64 || memcmp(fw.p + fw.n - 48, footer, 16) != 0) {
        return error_set(why, ERR_SYNTAX, "TDVF: no GUID table at the end");
    }
    size_t end = fw.n - 32, left = load_le16(fw.p + fw.n - 50);
    if (left > end) return error_set(why, ERR_SYNTAX, "TDVF: the GUID table is too long");
    size_t start = end - left;
    for (size_t at = end - 18; at >= start + 18;) {
        const uint8_t *guid = fw.p + at - 16;
        size_t size = load_le16(guid - 2);
        if (size < 18 || size > at - start) break;
        if (memcmp(guid, tdvf, 16) == 0 && size >= 22) {
            *ret = load_le32(fw.p + at - size);
            return 0;
        }
        at -= size;
    }
    return error_set(why, ERR_SYNTAX, "TDVF: the firmware has no TDX metadata");
}

static int read_sections(struct tdvf_section *ret, size_t *ret_n, struct bytes fw,
                         struct error *why) {
    size_t distance = 0;
    int code = find_descriptor(&distance, fw, why);
    if (code < 0) return code;
    if (distance < 16 || distance > fw.n || memcmp(fw.p + fw.n - distance, "TDVF", 4) != 0) {
        return error_set(why, ERR_SYNTAX, "TDVF: no descriptor");
    }
    const uint8_t *d = fw.p + fw.n - distance;
    uint32_t count = load_le32(d + 12);
    if (load_le32(d + 8) != 1 || count == 0 || count > SECTIONS_MAX ||
        16 + (size_t)count * SECTION_BYTES > distance) {
        return error_set(why, ERR_SYNTAX, "TDVF: %u sections of version %u", count,
                         load_le32(d + 8));
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *s = d + 16 + (size_t)i * SECTION_BYTES;
        ret[i] = (struct tdvf_section){load_le32(s),      load_le32(s + 4), load_le32(s + 24),
                                       load_le32(s + 28), load_le64(s + 8), load_le64(s + 16)};
        if (ret[i].address % PAGE || ret[i].memory_size % PAGE ||
            ret[i].memory_size < ret[i].raw_size || ret[i].memory_size > UINT64_C(1) << 32 ||
            ret[i].offset > fw.n || ret[i].raw_size > fw.n - ret[i].offset) {
            return error_set(why, ERR_SYNTAX, "TDVF: section %u is out of bounds", i);
        }
    }
    *ret_n = count;
    return 0;
}

static bool record(EVP_MD_CTX *ctx, struct bytes tag, uint64_t address) {
    uint8_t bytes[128] = {0};
    memcpy(bytes, tag.p, tag.n);
    store_le64(bytes + 16, address);
    return EVP_DigestUpdate(ctx, bytes, sizeof bytes) == 1;
}

static bool extend_page(EVP_MD_CTX *ctx, struct bytes fw, const struct tdvf_section *s,
                        uint64_t page) {
    bool ok = true;
    for (unsigned i = 0; ok && i < PAGE / CHUNK; i++) {
        uint8_t chunk[CHUNK] = {0};
        uint64_t from = page + i * CHUNK;
        if (from < s->raw_size) {
            size_t n = s->raw_size - from < CHUNK ? (size_t)(s->raw_size - from) : CHUNK;
            memcpy(chunk, fw.p + s->offset + from, n);
        }
        ok = record(ctx, BYTES_LIT("MR.EXTEND"), s->address + from) &&
             EVP_DigestUpdate(ctx, chunk, CHUNK) == 1;
    }
    return ok;
}

static bool add_section(EVP_MD_CTX *ctx, struct bytes fw, const struct tdvf_section *s,
                        bool two_pass) {
    bool add = !(s->attributes & ATTRIBUTE_AUG), extend = s->attributes & ATTRIBUTE_EXTEND;
    bool ok = true;
    for (uint64_t page = 0; ok && page < s->memory_size; page += PAGE) {
        if (add) ok = record(ctx, BYTES_LIT("MEM.PAGE.ADD"), s->address + page);
        if (ok && extend && !two_pass) ok = extend_page(ctx, fw, s, page);
    }
    for (uint64_t page = 0; ok && extend && two_pass && page < s->memory_size; page += PAGE) {
        ok = extend_page(ctx, fw, s, page);
    }
    return ok;
}

int image_mrtd(uint8_t ret[48], struct bytes firmware, bool two_pass, struct error *why) {
    struct tdvf_section sections[SECTIONS_MAX];
    size_t n = 0;
    int code = read_sections(sections, &n, firmware, why);
    if (code < 0) return code;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha384(), NULL) == 1;
    for (size_t i = 0; ok && i < n; i++) {
        ok = add_section(ctx, firmware, &sections[i], two_pass);
    }
    ok = ok && EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? 0 : error_set(why, ERR_NO_MEMORY, "TDVF: no memory to hash");
}

int image_cfv(uint8_t ret[48], struct bytes firmware, struct error *why) {
    struct tdvf_section sections[SECTIONS_MAX];
    size_t n = 0;
    int code = read_sections(sections, &n, firmware, why);
    for (size_t i = 0; code == 0 && i < n; i++) {
        if (sections[i].type != SECTION_CFV) continue;
        digest_sha384(bytes_slice(firmware, sections[i].offset, sections[i].raw_size), ret);
        return 0;
    }
    return code < 0 ? code : error_set(why, ERR_NOT_FOUND, "TDVF: no configuration volume");
}
