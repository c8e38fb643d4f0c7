/* SPDX-License-Identifier: MIT */
#include "attest/evidence.h"
#include "attest/digest.h"

#include <openssl/evp.h>
#include <string.h>

void binding_exporter(uint8_t ret[64], struct bytes key, const uint8_t exporter[32]) {
    memset(ret, 0, 32);
    if (key.n > 0) digest_sha256(key, ret);
    memcpy(ret + 32, exporter, 32);
}

bool binding_atls(uint8_t ret[64], uint8_t ret_user[32], struct bytes spki, struct bytes nonce) {
    digest_sha256(spki, ret_user);
    memset(ret, 0, 64);
    return digest_sha256_two(bytes_make(ret_user, 32), nonce, ret);
}

static bool update_sized(EVP_MD_CTX *ctx, struct bytes part) {
    uint8_t length[4];
    store_be32(length, (uint32_t)part.n);
    return EVP_DigestUpdate(ctx, length, 4) == 1 &&
           (part.n == 0 || EVP_DigestUpdate(ctx, part.p, part.n) == 1);
}

bool binding_session_data(uint8_t ret[64], const struct binding_session *s) {
    uint8_t role = (uint8_t)s->role;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1 &&
              update_sized(ctx, BYTES_LIT("buildernet attested session v1")) &&
              update_sized(ctx, bytes_make(&role, 1)) && update_sized(ctx, s->own_spki) &&
              update_sized(ctx, s->peer_spki) && update_sized(ctx, s->peer_nonce) &&
              update_sized(ctx, bytes_make(s->exporter, 32)) &&
              EVP_DigestFinal_ex(ctx, ret, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

void scale_put_bytes(struct buf *out, struct bytes in) {
    uint8_t head[4];
    if (in.n < 1u << 6) {
        head[0] = (uint8_t)(in.n << 2);
        buf_append(out, bytes_make(head, 1));
    } else if (in.n < 1u << 14) {
        store_le16(head, (uint16_t)(in.n << 2 | 1));
        buf_append(out, bytes_make(head, 2));
    } else {
        store_le32(head, (uint32_t)(in.n << 2 | 2));
        buf_append(out, bytes_make(head, 4));
    }
    buf_append(out, in);
}

bool scale_take_bytes(struct bytes *in, struct bytes *ret) {
    if (in->n == 0) return false;
    unsigned mode = in->p[0] & 3;
    size_t head = mode == 0 ? 1 : mode == 1 ? 2 : 4, n;
    if (mode == 3 || in->n < head) return false;
    n = mode == 0 ? in->p[0] >> 2 : mode == 1 ? load_le16(in->p) >> 2 : load_le32(in->p) >> 2;
    if ((mode == 1 && n < 1u << 6) || (mode == 2 && n < 1u << 14) || n > in->n - head) return false;
    *ret = (struct bytes){in->p + head, n};
    *in = (struct bytes){in->p + head + n, in->n - head - n};
    return true;
}

void evidence_message_write(struct buf *out, const struct evidence_message *m) {
    scale_put_bytes(out, bytes_from_str(attestation_type_name(m->type)));
    scale_put_bytes(out, m->evidence);
}

int evidence_frame_write(struct buf *out, const struct evidence_message *m, struct error *why) {
    size_t at = out->n;
    if (m->evidence.n > EVIDENCE_FRAME_BYTES_MAX - 64) {
        return error_set(why, ERR_LIMIT, "evidence of %zu bytes", m->evidence.n);
    }
    buf_append_be32(out, 0);
    evidence_message_write(out, m);
    int code = buf_check(out, why);
    if (code == 0) store_be32(out->p + at, (uint32_t)(out->n - at - 4));
    return code;
}

int evidence_message_read(struct evidence_message *ret, struct bytes in, struct error *why) {
    struct bytes rest = in, type;
    if (!scale_take_bytes(&rest, &type)) {
        return error_set_at(why, ERR_SYNTAX, 0, "evidence message: its type is cut off");
    }
    if (!attestation_type_parse(&ret->type, type)) {
        return error_set_at(why, ERR_UNSUPPORTED, 0, "evidence message: of an unknown type");
    }
    if (!scale_take_bytes(&rest, &ret->evidence)) {
        return error_set_at(why, ERR_SYNTAX, in.n - rest.n, "evidence message: cut off");
    }
    if (rest.n > 0) {
        return error_set_at(why, ERR_SYNTAX, in.n - rest.n, "evidence message: %zu bytes too many",
                            rest.n);
    }
    if (ret->type == ATTESTATION_NONE && ret->evidence.n > 0) {
        return error_set(why, ERR_SYNTAX, "evidence message: evidence of type none");
    }
    return 0;
}

int evidence_frame_read(struct evidence_message *ret, size_t *ret_used, struct bytes stream,
                        struct error *why) {
    if (stream.n < 4) return error_set(why, ERR_AGAIN, "evidence frame: not yet complete");
    uint32_t n = load_be32(stream.p);
    if (n > EVIDENCE_FRAME_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "evidence frame: %u bytes", n);
    }
    if (n > stream.n - 4) return error_set(why, ERR_AGAIN, "evidence frame: not yet complete");
    *ret_used = 4 + (size_t)n;
    return evidence_message_read(ret, bytes_slice(stream, 4, n), why);
}
