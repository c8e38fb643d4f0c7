/* SPDX-License-Identifier: MIT */
#include "attest/pck.h"
#include "attest/der.h"

const uint8_t pck_oid[PCK_OID_BYTES] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
enum {
    PART_PPID = 1,
    PART_TCB,
    PART_PCE_ID,
    PART_FMSPC,
    PART_SGX_TYPE,
    PART_PLATFORM,
    PART_CONFIGURATION
};
enum { TCB_COMPONENTS = 16, TCB_PCE_SVN = 17, TCB_CPU_SVN = 18 };

// Takes {OID, value} where the OID is pck_oid, then `prefix` more numbers, then the part's number.
static bool take_part(struct bytes *in, struct bytes prefix, unsigned *ret_part,
                      struct der_item *ret_value) {
    struct der_item seq, oid;
    if (!der_take(in, DER_SEQUENCE, &seq) || !der_take(&seq.content, DER_OID, &oid) ||
        !der_any(&seq.content, ret_value) || seq.content.n != 0) {
        return false;
    }
    size_t head = sizeof pck_oid + prefix.n;
    if (oid.content.n != head + 1 || memcmp(oid.content.p, pck_oid, sizeof pck_oid) != 0 ||
        !bytes_equal(bytes_slice(oid.content, sizeof pck_oid, prefix.n), prefix)) {
        return false;
    }
    *ret_part = oid.content.p[head];
    return true;
}

static bool octets(const struct der_item *item, uint8_t *ret, size_t n) {
    if (item->tag != DER_OCTET_STRING || item->content.n != n) return false;
    memcpy(ret, item->content.p, n);
    return true;
}

static bool number(const struct der_item *item, uint8_t tag, uint64_t most, uint64_t *ret) {
    return item->tag == tag && der_u64(item->content, ret) && *ret <= most;
}

static bool read_tcb(const struct der_item *tcb, struct pck_extension *ret) {
    static const uint8_t two[] = {PART_TCB};
    struct bytes in = tcb->content;
    uint32_t seen = 0;
    if (tcb->tag != DER_SEQUENCE) return false;
    while (in.n > 0) {
        unsigned part;
        struct der_item value;
        uint64_t v;
        if (!take_part(&in, (struct bytes){two, 1}, &part, &value) || part < 1 ||
            part > TCB_CPU_SVN || (seen & 1u << part)) {
            return false;
        }
        seen |= 1u << part;
        if (part == TCB_CPU_SVN) {
            if (!octets(&value, ret->cpu_svn, 16)) return false;
        } else if (part == TCB_PCE_SVN) {
            if (!number(&value, DER_INTEGER, UINT16_MAX, &v)) return false;
            ret->pce_svn = (uint16_t)v;
        } else {
            if (!number(&value, DER_INTEGER, UINT8_MAX, &v)) return false;
            ret->component_svn[part - 1] = (uint8_t)v;
        }
    }
    return seen == ((1u << (TCB_CPU_SVN + 1)) - 2);
}

static bool read_configuration(const struct der_item *item, struct pck_extension *ret) {
    static const uint8_t seven[] = {PART_CONFIGURATION};
    bool *flags[] = {NULL, &ret->dynamic_platform, &ret->cached_keys, &ret->smt_enabled};
    struct bytes in = item->content;
    if (item->tag != DER_SEQUENCE) return false;
    while (in.n > 0) {
        unsigned part;
        struct der_item value;
        if (!take_part(&in, (struct bytes){seven, 1}, &part, &value) || part < 1 || part > 3 ||
            value.tag != DER_BOOLEAN || value.content.n != 1) {
            return false;
        }
        *flags[part] = value.content.p[0] != 0;
    }
    return true;
}

static bool read_part(unsigned part, const struct der_item *value, struct pck_extension *ret) {
    uint64_t v;
    switch (part) {
    case PART_PPID:
        return octets(value, ret->ppid, 16);
    case PART_TCB:
        return read_tcb(value, ret);
    case PART_PCE_ID:
        return octets(value, ret->pce_id, 2);
    case PART_FMSPC:
        return octets(value, ret->fmspc, 6);
    case PART_SGX_TYPE:
        if (!number(value, DER_ENUMERATED, 2, &v)) return false;
        ret->sgx_type = (uint8_t)v;
        return true;
    case PART_PLATFORM:
        ret->has_platform = true;
        return octets(value, ret->platform_instance_id, 16);
    case PART_CONFIGURATION:
        ret->has_configuration = true;
        return read_configuration(value, ret);
    default:
        return false;
    }
}

int pck_extension_parse(struct pck_extension *ret, struct bytes value, struct error *why) {
    struct der_item seq;
    uint32_t seen = 0;
    memset(ret, 0, sizeof *ret);
    if (!der_take(&value, DER_SEQUENCE, &seq) || value.n != 0) {
        return error_set(why, ERR_SYNTAX, "SGX extension: not one sequence");
    }
    while (seq.content.n > 0) {
        unsigned part;
        struct der_item item;
        if (!take_part(&seq.content, (struct bytes){NULL, 0}, &part, &item) || part < 1 ||
            part > PART_CONFIGURATION || (seen & 1u << part) || !read_part(part, &item, ret)) {
            return error_set(why, ERR_SYNTAX, "SGX extension: a part that does not belong");
        }
        seen |= 1u << part;
    }
    uint32_t required = 1u << PART_PPID | 1u << PART_TCB | 1u << PART_PCE_ID | 1u << PART_FMSPC |
                        1u << PART_SGX_TYPE;
    if ((seen & required) != required) {
        return error_set(why, ERR_SYNTAX, "SGX extension: a required part is missing");
    }
    return 0;
}
