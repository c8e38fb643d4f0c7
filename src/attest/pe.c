/* SPDX-License-Identifier: MIT */
#include "attest/pe.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC_PE32 = 0x10b, MAGIC_PE32_PLUS = 0x20b, SECTION_HEADER_BYTES = 40 };

static int read_sections(struct pe *pe, size_t at, unsigned count, struct error *why) {
    if (count > PE_SECTIONS_MAX) return error_set(why, ERR_LIMIT, "PE: %u sections", count);
    if (at > pe->file.n || (size_t)count * SECTION_HEADER_BYTES > pe->file.n - at) {
        return error_set_at(why, ERR_SYNTAX, at, "PE: the section table passes the end");
    }
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *h = pe->file.p + at + (size_t)i * SECTION_HEADER_BYTES;
        struct pe_section *s = &pe->sections[pe->section_count++];
        memcpy(s->name, h, 8);
        s->virtual_size = load_le32(h + 8);
        s->raw_size = load_le32(h + 16);
        s->raw_offset = load_le32(h + 20);
    }
    return 0;
}

int pe_parse(struct pe *ret, struct bytes file, struct error *why) {
    memset(ret, 0, sizeof *ret);
    ret->file = file;
    if (file.n < 64 || file.p[0] != 'M' || file.p[1] != 'Z') {
        return error_set_at(why, ERR_SYNTAX, 0, "PE: no MZ header");
    }
    size_t coff = load_le32(file.p + 0x3c);
    if (coff > file.n || file.n - coff < 24 + 64 + 4 || memcmp(file.p + coff, "PE\0\0", 4) != 0) {
        return error_set_at(why, ERR_SYNTAX, coff, "PE: no PE header");
    }
    unsigned sections = load_le16(file.p + coff + 6);
    size_t optional_size = load_le16(file.p + coff + 20), optional = coff + 24;
    if (optional_size > file.n - optional || optional_size < 68) {
        return error_set_at(why, ERR_SYNTAX, optional, "PE: the optional header is cut off");
    }
    uint16_t magic = load_le16(file.p + optional);
    if (magic != MAGIC_PE32 && magic != MAGIC_PE32_PLUS) {
        return error_set_at(why, ERR_SYNTAX, optional, "PE: magic 0x%04x", magic);
    }
    size_t entry = magic == MAGIC_PE32_PLUS ? 144 : 128, counter = entry - 36;
    ret->checksum_offset = optional + 64;
    ret->headers_size = load_le32(file.p + optional + 60);
    // The certificate table is the fifth directory: there only if the count says so.
    if (optional_size >= entry + 8 && load_le32(file.p + optional + counter) > 4) {
        ret->cert_entry_offset = optional + entry;
        ret->cert_size = load_le32(file.p + optional + entry + 4);
    }
    return read_sections(ret, optional + optional_size, sections, why);
}

static int compare_offsets(const void *a, const void *b) {
    uint32_t x = (*(const struct pe_section *const *)a)->raw_offset;
    uint32_t y = (*(const struct pe_section *const *)b)->raw_offset;
    return x < y ? -1 : x > y;
}

static bool update(EVP_MD_CTX *ctx, struct bytes file, size_t from, size_t to) {
    struct bytes part = to > from ? bytes_slice(file, from, to - from) : (struct bytes){NULL, 0};
    return part.n == 0 || EVP_DigestUpdate(ctx, part.p, part.n) == 1;
}

static bool hash_parts(EVP_MD_CTX *ctx, const struct pe *pe) {
    const struct pe_section *sorted[PE_SECTIONS_MAX];
    size_t n = 0;
    uint64_t total = pe->headers_size;
    size_t skip = pe->cert_entry_offset ? pe->cert_entry_offset : pe->headers_size;
    bool ok = update(ctx, pe->file, 0, pe->checksum_offset) &&
              update(ctx, pe->file, pe->checksum_offset + 4, skip);
    if (ok && pe->cert_entry_offset) ok = update(ctx, pe->file, skip + 8, pe->headers_size);
    for (size_t i = 0; i < pe->section_count; i++) {
        if (pe->sections[i].raw_size > 0) sorted[n++] = &pe->sections[i];
    }
    qsort(sorted, n, sizeof *sorted, compare_offsets);
    for (size_t i = 0; ok && i < n; i++) {
        ok = update(ctx, pe->file, sorted[i]->raw_offset,
                    (size_t)sorted[i]->raw_offset + sorted[i]->raw_size);
        total += sorted[i]->raw_size;
    }
    uint64_t end = pe->file.n > pe->cert_size ? pe->file.n - pe->cert_size : 0;
    return ok && (total >= end || update(ctx, pe->file, (size_t)total, (size_t)end));
}

int pe_authenticode(const struct pe *pe, enum digest_kind kind, uint8_t *ret, struct error *why) {
    const EVP_MD *md = EVP_get_digestbyname(digest_name(kind));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = md && ctx && EVP_DigestInit_ex(ctx, md, NULL) == 1 && hash_parts(ctx, pe) &&
              EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? 0 : error_set(why, ERR_NO_MEMORY, "PE: no memory to hash");
}

const struct pe_section *pe_section_find(const struct pe *pe, const char *name) {
    for (size_t i = 0; i < pe->section_count; i++) {
        if (strcmp(pe->sections[i].name, name) == 0) return &pe->sections[i];
    }
    return NULL;
}

int pe_section_content(struct bytes *ret, const struct pe *pe, const struct pe_section *section,
                       struct error *why) {
    uint32_t size = section->virtual_size;
    if (size > section->raw_size || section->raw_offset > pe->file.n ||
        size > pe->file.n - section->raw_offset) {
        return error_set_at(why, ERR_INVALID, section->raw_offset,
                            "PE: section %s has %u bytes of content in %u of the file",
                            section->name, size, section->raw_size);
    }
    *ret = (struct bytes){pe->file.p + section->raw_offset, size};
    return 0;
}
