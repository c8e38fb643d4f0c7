/* Evidence on the wire, byte by byte: what both attested TLS protocols sign, send and read.
 *
 * Sans-I/O: the proxy feeds bytes and takes bytes. Two protocols are deployed:
 *   exporter form   ALPN flashbots-ratls/1: after the handshake each side sends u32 BE length and
 *                   a SCALE message {type, evidence}; the report data binds the sender's key and
 *                   the TLS exporter
 *   certificate     aTLS (atls.h): evidence in a certificate extension over the peer's nonce
 * and a third, ours, binds role, both keys, nonce and exporter together. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_EVIDENCE_H
#define ATTEST_EVIDENCE_H

#include "attest/measurement.h"
#include "base/buf.h"

#define EVIDENCE_FRAME_BYTES_MAX 65536u /* of the exporter form, without its length */
#define EVIDENCE_EXPORTER_LABEL "EXPORTER-Channel-Binding" /* 32 bytes, no context */

/* binding_exporter: SHA-256(key) ‖ exporter.
 * key  content of the subjectPublicKey BIT STRING of the attester's leaf (for P-256 the 65-byte
 *      point); empty when it has no certificate: 32 zero bytes stand there. */
void binding_exporter(uint8_t ret[64], struct bytes key, const uint8_t exporter[32]);

/* binding_atls: SHA-256(SHA-256(SPKI) ‖ nonce) ‖ 32 zero bytes.
 * spki     DER SubjectPublicKeyInfo of the attester's certificate. nonce  the peer's bytes.
 * ret_user SHA-256(SPKI), the document's UserData. errors  false without memory. */
[[gnu::warn_unused_result]] bool binding_atls(uint8_t ret[64], uint8_t ret_user[32],
                                              struct bytes spki, struct bytes nonce);

/* Our own form: who attests to whom, over which keys, in which session. Neither side's evidence
 * fits the other's role, another session, or another peer. */
enum binding_role { BINDING_CLIENT = 1, BINDING_SERVER = 2 };
struct binding_session {
    enum binding_role role; /* of the attester */
    struct bytes own_spki;  /* of the attester; empty: no certificate */
    struct bytes peer_spki;
    struct bytes peer_nonce; /* fresh bytes of the verifier */
    uint8_t exporter[32];
};

/* binding_session_data: SHA-512 over "buildernet attested session v1" and the fields, each after
 * its length. errors  false without memory. */
[[gnu::warn_unused_result]] bool binding_session_data(uint8_t ret[64],
                                                      const struct binding_session *s);

/* An exchange message: SCALE {string type, bytes evidence}. */
struct evidence_message {
    enum attestation_type type;
    struct bytes evidence; /* raw quote, Azure JSON, or empty */
};

/* evidence_message_write appends the SCALE form; evidence_frame_write the length before it. */
void evidence_message_write(struct buf *out, const struct evidence_message *m);
[[gnu::warn_unused_result]] int
evidence_frame_write(struct buf *out, const struct evidence_message *m, struct error *why);

/* evidence_message_read reads a whole message; views point into `in`.
 * errors  ERR_SYNTAX (why->at; trailing bytes are refused), ERR_UNSUPPORTED: unknown type. */
[[gnu::warn_unused_result]] int evidence_message_read(struct evidence_message *ret, struct bytes in,
                                                      struct error *why);

/* evidence_frame_read reads the frame at the start of a stream.
 * ret_used  bytes of the stream that belonged to it.
 * errors    ERR_AGAIN: more bytes are needed; ERR_LIMIT: stated length above the maximum, told
 *           from the first four bytes on; and those of evidence_message_read. */
[[gnu::warn_unused_result]] int evidence_frame_read(struct evidence_message *ret, size_t *ret_used,
                                                    struct bytes stream, struct error *why);

/* SCALE compact numbers, below 2^30. scale_take_bytes: compact length and that many bytes; false
 * when cut off, in a longer form than needed, or of the big-integer mode. */
void scale_put_bytes(struct buf *out, struct bytes in);
bool scale_take_bytes(struct bytes *in, struct bytes *ret);

#endif
