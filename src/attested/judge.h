/* Judge: whether a peer's evidence is good enough, as one question and one answer.
 *
 * Holds what a judgement needs (trust root, verifier, policy, collateral), reads it from files at
 * start and reload, and never touches the network: a platform whose collateral is not here is
 * refused, and put down for fetching in the background. One thread (the loop's), but for the
 * store's own.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTESTED_JUDGE_H
#define ATTESTED_JUDGE_H

#include "attest/collateral_store.h"
#include "attest/measurement.h"
#include "attest/policy.h"
#include "base/clock.h"
#include "config/config.h"

struct judge;

struct judge_options {
    const char *policy;             /* file; NULL: policy_default (attest/policy.h), any image */
    const char *root;               /* PEM; NULL: Intel's */
    struct config_list collateral;  /* folders or files, one platform each */
    struct collateral_store *store; /* borrowed; NULL: only the folders */
    bool require_ak_certificate;
    const char *ak_roots;      /* PEM file; NULL: Azure's roots */
    const struct clock *clock; /* borrowed */
};

/* judge_new reads every file. errors  those of files, policies, roots and collateral, with the
 * file named. judge_free takes NULL. */
[[gnu::warn_unused_result]] int judge_new(struct judge **ret, const struct judge_options *options,
                                          struct error *why);
void judge_free(struct judge *j);

/* Outcomes; their names are labels of the metrics and words of the log. */
#define JUDGE_OUTCOMES(X)                                                                          \
    X(ACCEPTED, "accepted")                                                                        \
    X(NO_EVIDENCE, "no_evidence")     /* type none, or no extension */                             \
    X(MALFORMED, "malformed")         /* not of its form */                                        \
    X(NOT_BOUND, "not_bound")         /* of another session, key or nonce: replay, relay */        \
    X(NO_COLLATERAL, "no_collateral") /* none here for that platform (yet) */                      \
    X(EXPIRED, "collateral_expired")  /* what the verdict stands on is out of date */              \
    X(REVOKED, "revoked")             /* a certificate or the platform's TCB is revoked */         \
    X(NOT_VALID, "not_valid")         /* a signature, chain or identity does not hold */           \
    X(REFUSED, "policy")              /* verified, and the policy does not want it */              \
    X(FAILED, "failed")               /* no memory */

enum judge_outcome {
#define JUDGE_ENUM(name, text) JUDGE_##name,
    JUDGE_OUTCOMES(JUDGE_ENUM)
#undef JUDGE_ENUM
        JUDGE_OUTCOME_COUNT
};
const char *judge_outcome_name(enum judge_outcome outcome);

/* What is judged. */
struct judge_question {
    enum attestation_type type; /* as the peer states it */
    bool certificate_form; /* evidence is a document of an aTLS certificate; else of a message */
    struct bytes evidence;
    uint8_t report_data[64]; /* that the session demands */
    uint8_t key_digest[32];  /* aTLS: SHA-256 of the peer's SPKI */
    struct bytes nonce;      /* aTLS: what the peer was asked over */
};

struct judge_answer {
    enum judge_outcome outcome;
    struct error why; /* one line; code 0 when accepted */
    struct measurements measurements;
    char status[40];                             /* TCB status; empty when it came not so far */
    char entry[64];                              /* id of the policy's entry */
    char platform[POLICY_PLATFORM_NAME_MAX + 1]; /* that its image hashes hold on; or empty */
    char root[64];                               /* name of the trust root that anchored it */
    bool root_is_intel;
    uint64_t expires_s; /* first part of the collateral to expire; 0: not known */
    unsigned warnings;
};

/* judge_ask fills *ret whatever comes. The question's bytes are not kept. */
void judge_ask(struct judge_answer *ret, struct judge *j, const struct judge_question *q);

/* judge_root_is_intel: false when another trust root was configured. */
bool judge_root_is_intel(const struct judge *j);

/* judge_expiry_s: earliest expiry over the folders; UINT64_MAX without any. */
uint64_t judge_expiry_s(const struct judge *j);

#endif
