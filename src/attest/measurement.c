/* SPDX-License-Identifier: MIT */
#include "attest/measurement.h"
#include "base/hex.h"

#include <stdlib.h>
#include <string.h>

static const char *const type_names[ATTESTATION_TYPES] = {
    "none", "azure-tdx", "gcp-tdx", "qemu-tdx", "dcap-tdx", "self-hosted-tdx",
};

const char *attestation_type_name(enum attestation_type type) {
    return (unsigned)type < ATTESTATION_TYPES ? type_names[type] : "unknown";
}

bool attestation_type_parse(enum attestation_type *ret, struct bytes name) {
    for (unsigned i = 0; i < ATTESTATION_TYPES; i++) {
        if (!bytes_equal_str(name, type_names[i])) continue;
        *ret = (enum attestation_type)i;
        return true;
    }
    return false;
}

bool attestation_is_dcap(enum attestation_type type) {
    return type != ATTESTATION_NONE && type != ATTESTATION_AZURE_TDX;
}

static bool is_bare_metal(enum attestation_type type) {
    return type == ATTESTATION_QEMU_TDX || type == ATTESTATION_DCAP_TDX ||
           type == ATTESTATION_SELF_HOSTED;
}

bool attestation_same_kind(enum attestation_type policy, enum attestation_type evidence) {
    if (policy == evidence) return true;
    if (policy == ATTESTATION_DCAP_TDX && evidence == ATTESTATION_GCP_TDX) return true;
    return is_bare_metal(policy) && is_bare_metal(evidence);
}

static void put(struct measurements *m, unsigned index, const uint8_t *value, size_t n) {
    struct measurement *at = &m->at[m->count++];
    at->index = index;
    at->n = n;
    memcpy(at->value, value, n);
}

void measurements_of_td(struct measurements *ret, enum attestation_type type,
                        const struct td_report *td) {
    memset(ret, 0, sizeof *ret);
    ret->type = type;
    put(ret, 0, td->mr_td, 48);
    for (unsigned i = 0; i < 4; i++) {
        put(ret, 1 + i, td->rtmr[i], 48);
    }
}

void measurements_of_pcrs(struct measurements *ret, const struct tpm_pcrs *pcrs,
                          uint32_t selection) {
    memset(ret, 0, sizeof *ret);
    ret->type = ATTESTATION_AZURE_TDX;
    for (unsigned i = 0; i < TPM_PCRS; i++) {
        if (selection & 1u << i) put(ret, i, pcrs->value[i], 32);
    }
}

const struct measurement *measurements_find(const struct measurements *m, unsigned index) {
    for (size_t i = 0; i < m->count; i++) {
        if (m->at[i].index == index) return &m->at[i];
    }
    return NULL;
}

// A decimal number below `below` without leading zeros.
static bool read_number(unsigned *ret, struct bytes text, unsigned below) {
    uint64_t v;
    if (text.n > 1 && text.p[0] == '0') return false;
    if (!bytes_parse_u64(&v, text) || v >= below) return false;
    *ret = (unsigned)v;
    return true;
}

static bool starts_with_word(struct bytes name, const char *word, struct bytes *rest) {
    size_t n = strlen(word);
    if (name.n < n) return false;
    for (size_t i = 0; i < n; i++) {
        if ((name.p[i] | 0x20) != (uint8_t)word[i]) return false;
    }
    *rest = bytes_slice(name, n, name.n);
    return true;
}

bool measurement_index_parse(unsigned *ret, enum attestation_type type, struct bytes name) {
    struct bytes rest;
    if (type == ATTESTATION_AZURE_TDX) {
        if (starts_with_word(name, "pcr", &rest)) return read_number(ret, rest, TPM_PCRS);
        return read_number(ret, name, TPM_PCRS);
    }
    if (starts_with_word(name, "mrtd", &rest) && rest.n == 0) {
        *ret = 0;
        return true;
    }
    if (starts_with_word(name, "rtmr", &rest)) {
        if (!read_number(ret, rest, 4)) return false;
        ++*ret;
        return true;
    }
    return read_number(ret, name, 5);
}

static size_t index_text(char ret[3], unsigned index) {
    size_t n = 0;
    if (index >= 10) ret[n++] = (char)('0' + index / 10);
    ret[n++] = (char)('0' + index % 10);
    ret[n] = 0;
    return n;
}

static int compare_as_text(const void *a, const void *b) {
    char x[3], y[3];
    (void)index_text(x, (*(const struct measurement *const *)a)->index);
    (void)index_text(y, (*(const struct measurement *const *)b)->index);
    return strcmp(x, y);
}

void measurements_write_header(struct buf *out, const struct measurements *m) {
    const struct measurement *sorted[MEASUREMENTS_MAX];
    for (size_t i = 0; i < m->count; i++) {
        sorted[i] = &m->at[i];
    }
    qsort(sorted, m->count, sizeof *sorted, compare_as_text);
    buf_append_byte(out, '{');
    for (size_t i = 0; i < m->count; i++) {
        char index[3];
        size_t n = index_text(index, sorted[i]->index);
        buf_append_str(out, i ? ",\"" : "\"");
        buf_append(out, bytes_make(index, n));
        buf_append_str(out, "\":\"");
        hex_append(out, bytes_make(sorted[i]->value, sorted[i]->n));
        buf_append_byte(out, '"');
    }
    buf_append_byte(out, '}');
}
