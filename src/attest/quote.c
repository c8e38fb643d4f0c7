/* SPDX-License-Identifier: MIT */
#include "attest/quote.h"

#include <string.h>

const uint8_t quote_intel_vendor_id[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                           0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

// A cursor that refuses to pass the end; `what` names the part in the error.
struct reader {
    struct bytes in;
    size_t at;
    struct error *why;
};

static int take(struct reader *r, struct bytes *ret, size_t n, const char *what) {
    if (n > r->in.n - r->at) {
        return error_set_at(r->why, ERR_SYNTAX, r->at, "quote: %s of %zu bytes passes the end",
                            what, n);
    }
    *ret = (struct bytes){r->in.p + r->at, n};
    r->at += n;
    return 0;
}

static int take_u16(struct reader *r, uint16_t *ret, const char *what) {
    struct bytes b = {NULL, 0};
    int code = take(r, &b, 2, what);
    *ret = b.n == 2 ? load_le16(b.p) : 0;
    return code;
}

static int take_u32(struct reader *r, uint32_t *ret, const char *what) {
    struct bytes b = {NULL, 0};
    int code = take(r, &b, 4, what);
    *ret = b.n == 4 ? load_le32(b.p) : 0;
    return code;
}

void sgx_report_parse(struct sgx_report *ret, const uint8_t in[QUOTE_SGX_BODY_BYTES]) {
    memcpy(ret->cpu_svn, in, 16);
    memcpy(ret->misc_select, in + 16, 4);
    memcpy(ret->attributes, in + 48, 16);
    memcpy(ret->mr_enclave, in + 64, 32);
    memcpy(ret->mr_signer, in + 128, 32);
    ret->isv_prod_id = load_le16(in + 256);
    ret->isv_svn = load_le16(in + 258);
    memcpy(ret->report_data, in + 320, 64);
}

void td_report_parse(struct td_report *ret, const uint8_t *in, size_t n) {
    memcpy(ret->tee_tcb_svn, in, 16);
    memcpy(ret->mr_seam, in + 16, 48);
    memcpy(ret->mr_signer_seam, in + 64, 48);
    memcpy(ret->seam_attributes, in + 112, 8);
    ret->td_attributes = load_le64(in + 120);
    ret->xfam = load_le64(in + 128);
    memcpy(ret->mr_td, in + 136, 48);
    memcpy(ret->mr_config_id, in + 184, 48);
    memcpy(ret->mr_owner, in + 232, 48);
    memcpy(ret->mr_owner_config, in + 280, 48);
    memcpy(ret->rtmr, in + 328, sizeof ret->rtmr);
    memcpy(ret->report_data, in + 520, 64);
    memset(ret->tee_tcb_svn2, 0, 16);
    memset(ret->mr_service_td, 0, 48);
    if (n >= QUOTE_TD15_BODY_BYTES) {
        memcpy(ret->tee_tcb_svn2, in + 584, 16);
        memcpy(ret->mr_service_td, in + 600, 48);
    }
}

void td_report_write(uint8_t *ret, size_t n, const struct td_report *in) {
    memcpy(ret, in->tee_tcb_svn, 16);
    memcpy(ret + 16, in->mr_seam, 48);
    memcpy(ret + 64, in->mr_signer_seam, 48);
    memcpy(ret + 112, in->seam_attributes, 8);
    store_le64(ret + 120, in->td_attributes);
    store_le64(ret + 128, in->xfam);
    memcpy(ret + 136, in->mr_td, 48);
    memcpy(ret + 184, in->mr_config_id, 48);
    memcpy(ret + 232, in->mr_owner, 48);
    memcpy(ret + 280, in->mr_owner_config, 48);
    memcpy(ret + 328, in->rtmr, sizeof in->rtmr);
    memcpy(ret + 520, in->report_data, 64);
    if (n >= QUOTE_TD15_BODY_BYTES) {
        memcpy(ret + 584, in->tee_tcb_svn2, 16);
        memcpy(ret + 600, in->mr_service_td, 48);
    }
}

const uint8_t *quote_report_data(const struct quote *q) {
    return q->body_type == QUOTE_BODY_SGX ? q->enclave.report_data : q->td.report_data;
}

static int read_header(struct quote *q, struct reader *r) {
    struct bytes h = {NULL, 0};
    int code = take(r, &h, QUOTE_HEADER_BYTES, "header");
    if (code < 0 || h.n == 0) return code;
    q->version = load_le16(h.p);
    q->key_type = load_le16(h.p + 2);
    q->tee = load_le32(h.p + 4);
    q->header_at_8 = load_le16(h.p + 8);
    q->header_at_10 = load_le16(h.p + 10);
    memcpy(q->vendor_id, h.p + 12, 16);
    memcpy(q->user_data, h.p + 28, 20);
    if (q->version < 3 || q->version > 5) {
        return error_set_at(r->why, ERR_UNSUPPORTED, 0, "quote: version %u", q->version);
    }
    if (q->key_type != QUOTE_KEY_TYPE_P256) {
        return error_set_at(r->why, ERR_UNSUPPORTED, 2, "quote: attestation key type %u",
                            q->key_type);
    }
    if (q->tee != QUOTE_TEE_SGX && q->tee != QUOTE_TEE_TDX) {
        return error_set_at(r->why, ERR_UNSUPPORTED, 4, "quote: TEE type 0x%x", q->tee);
    }
    if (q->version == 3 && q->tee != QUOTE_TEE_SGX) {
        return error_set_at(r->why, ERR_UNSUPPORTED, 4, "quote: version 3 is of SGX only");
    }
    if (memcmp(q->vendor_id, quote_intel_vendor_id, 16) != 0) {
        return error_set_at(r->why, ERR_UNSUPPORTED, 12, "quote: the QE vendor is not Intel");
    }
    return 0;
}

static int read_body(struct quote *q, struct reader *r) {
    uint16_t type = q->tee == QUOTE_TEE_SGX ? QUOTE_BODY_SGX : QUOTE_BODY_TD10;
    uint32_t size = q->tee == QUOTE_TEE_SGX ? QUOTE_SGX_BODY_BYTES : QUOTE_TD10_BODY_BYTES;
    int code;
    if (q->version == 5) {
        if ((code = take_u16(r, &type, "body type")) < 0) return code;
        if ((code = take_u32(r, &size, "body size")) < 0) return code;
        static const uint32_t sizes[] = {0, QUOTE_SGX_BODY_BYTES, QUOTE_TD10_BODY_BYTES,
                                         QUOTE_TD15_BODY_BYTES};
        if (type < QUOTE_BODY_SGX || type > QUOTE_BODY_TD15) {
            return error_set_at(r->why, ERR_UNSUPPORTED, 48, "quote: body type %u", type);
        }
        if (size != sizes[type]) {
            return error_set_at(r->why, ERR_SYNTAX, 50, "quote: body of type %u with %u bytes",
                                type, size);
        }
        if ((q->tee == QUOTE_TEE_SGX) != (type == QUOTE_BODY_SGX)) {
            return error_set_at(r->why, ERR_SYNTAX, 48, "quote: body type %u of TEE 0x%x", type,
                                q->tee);
        }
    }
    struct bytes body = {NULL, 0};
    if ((code = take(r, &body, size, "body")) < 0 || body.n == 0) return code;
    q->body_type = (enum quote_body)type;
    if (type == QUOTE_BODY_SGX) {
        sgx_report_parse(&q->enclave, body.p);
    } else {
        td_report_parse(&q->td, body.p, body.n);
    }
    q->signed_bytes = (struct bytes){r->in.p, r->at};
    return 0;
}

// QE report, its signature, authentication data, certification data; r ends where they end.
static int read_certification(struct quote *q, struct reader *r) {
    uint16_t auth_size = 0;
    uint32_t cert_size = 0;
    int code = take(r, &q->qe_report_bytes, QUOTE_SGX_BODY_BYTES, "QE report");
    if (code == 0) code = take(r, &q->qe_report_signature, 64, "QE report signature");
    if (code == 0) code = take_u16(r, &auth_size, "QE authentication data size");
    if (code == 0) code = take(r, &q->qe_auth, auth_size, "QE authentication data");
    if (code == 0) code = take_u16(r, &q->cert_type, "certification data type");
    if (code == 0) code = take_u32(r, &cert_size, "certification data size");
    if (code == 0) code = take(r, &q->cert_data, cert_size, "certification data");
    if (code < 0) return code;
    sgx_report_parse(&q->qe_report, q->qe_report_bytes.p);
    if (q->cert_type < QUOTE_CERT_PPID_PLAIN || q->cert_type > QUOTE_CERT_PCK_CHAIN) {
        return error_set_at(r->why, ERR_UNSUPPORTED, r->at, "quote: certification data type %u",
                            q->cert_type);
    }
    return 0;
}

static int read_signature_data(struct quote *q, struct reader *r) {
    int code = take(r, &q->signature, 64, "signature");
    if (code == 0) code = take(r, &q->attestation_key, 64, "attestation key");
    if (code < 0) return code;
    if (q->version == 3) {
        if ((code = read_certification(q, r)) < 0) return code;
        q->spare_bytes = r->in.n - r->at;
        return 0;
    }
    uint16_t type;
    uint32_t size;
    struct bytes wrapped;
    if ((code = take_u16(r, &type, "certification data type")) < 0) return code;
    if ((code = take_u32(r, &size, "certification data size")) < 0) return code;
    size_t start = r->at;
    if ((code = take(r, &wrapped, size, "certification data")) < 0) return code;
    q->spare_bytes = r->in.n - r->at;
    if (type != QUOTE_CERT_QE_REPORT) {
        return error_set_at(r->why, ERR_UNSUPPORTED, start, "quote: outer certification type %u",
                            type);
    }
    struct reader inner = {{r->in.p, start + size}, start, r->why};
    if ((code = read_certification(q, &inner)) < 0) return code;
    if (inner.at != inner.in.n) {
        return error_set_at(r->why, ERR_SYNTAX, inner.at,
                            "quote: %zu bytes after the certification data", inner.in.n - inner.at);
    }
    return 0;
}

int quote_parse(struct quote *ret, struct bytes in, struct error *why) {
    if (in.n > QUOTE_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "quote: %zu bytes, more than %u", in.n, QUOTE_BYTES_MAX);
    }
    memset(ret, 0, sizeof *ret);
    struct reader r = {in, 0, why};
    int code = read_header(ret, &r);
    if (code == 0) code = read_body(ret, &r);
    if (code == 0) code = take_u32(&r, &ret->signature_data_bytes, "signature data size");
    if (code < 0) return code;
    if (ret->signature_data_bytes > in.n - r.at) {
        return error_set_at(why, ERR_SYNTAX, r.at,
                            "quote: signature data of %u bytes passes the end",
                            ret->signature_data_bytes);
    }
    ret->trailing_bytes = in.n - r.at - ret->signature_data_bytes;
    r.in.n = r.at + ret->signature_data_bytes;
    return read_signature_data(ret, &r);
}

struct bytes quote_find_chain(struct bytes in) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    static const char end[] = "-----END CERTIFICATE-----";
    const uint8_t *from = in.n ? memmem(in.p, in.n, begin, sizeof begin - 1) : NULL;
    if (!from) return (struct bytes){in.p, 0};
    const uint8_t *stop = in.p + in.n, *last = from;
    for (const uint8_t *at = from; at; last = at) {
        at = memmem(at, (size_t)(stop - at), end, sizeof end - 1);
        if (!at) break;
        at += sizeof end - 1;
    }
    return (struct bytes){from, (size_t)(last - from)};
}

int tdreport_parse(struct td_report *ret, struct bytes in, struct error *why) {
    if (in.n != TDREPORT_BYTES) {
        return error_set(why, ERR_SYNTAX, "TDREPORT: %zu bytes, expected %u", in.n, TDREPORT_BYTES);
    }
    if (in.p[0] != QUOTE_TEE_TDX) {
        return error_set(why, ERR_SYNTAX, "TDREPORT: type 0x%02x, expected 0x81", in.p[0]);
    }
    const uint8_t *tcb = in.p + 256, *info = in.p + 512;
    memset(ret, 0, sizeof *ret);
    memcpy(ret->report_data, in.p + 128, 64);
    memcpy(ret->tee_tcb_svn, tcb + 8, 16);
    memcpy(ret->mr_seam, tcb + 24, 48);
    memcpy(ret->mr_signer_seam, tcb + 72, 48);
    memcpy(ret->seam_attributes, tcb + 120, 8);
    ret->td_attributes = load_le64(info);
    ret->xfam = load_le64(info + 8);
    memcpy(ret->mr_td, info + 16, 48);
    memcpy(ret->mr_config_id, info + 64, 48);
    memcpy(ret->mr_owner, info + 112, 48);
    memcpy(ret->mr_owner_config, info + 160, 48);
    memcpy(ret->rtmr, info + 208, sizeof ret->rtmr);
    return 0;
}
