/* PE files as firmware measures them: sections and the Authenticode hash.
 *
 * Views point into the caller's bytes. Pure; any thread.
 *
 * Source: Microsoft PE format; Windows Authenticode Portable Executable Signature Format. The hash
 * is EDK2's: trailing bytes are hashed as they are, without padding to 8.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_PE_H
#define ATTEST_PE_H

#include "attest/digest.h"
#include "base/error.h"

#define PE_SECTIONS_MAX 96

struct pe_section {
    char name[9];          /* NUL-terminated */
    uint32_t virtual_size; /* bytes of content */
    uint32_t raw_size;     /* bytes in the file, rounded up */
    uint32_t raw_offset;
};

struct pe {
    struct bytes file;
    struct pe_section sections[PE_SECTIONS_MAX];
    size_t section_count;
    size_t checksum_offset;   /* of the 4 bytes that are not hashed */
    size_t cert_entry_offset; /* of the 8 bytes that are not hashed; 0: no such entry */
    uint32_t headers_size;
    uint32_t cert_size; /* of the certificate table, which is not hashed */
};

/* pe_parse reads the headers. Sections may reach beyond the end of the file (a kernel cut out of a
 * larger one): every read is clamped. errors  ERR_SYNTAX (why->at), ERR_LIMIT. */
[[gnu::warn_unused_result]] int pe_parse(struct pe *ret, struct bytes file, struct error *why);

/* pe_authenticode hashes the file; digest_size(kind) bytes at ret. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int pe_authenticode(const struct pe *pe, enum digest_kind kind,
                                                uint8_t *ret, struct error *why);

/* pe_section_find: NULL when there is none of that name. */
const struct pe_section *pe_section_find(const struct pe *pe, const char *name);

/* pe_section_content gives virtual_size bytes.
 * errors  ERR_INVALID: more content than the file holds for it. */
[[gnu::warn_unused_result]] int pe_section_content(struct bytes *ret, const struct pe *pe,
                                                   const struct pe_section *section,
                                                   struct error *why);

#endif
