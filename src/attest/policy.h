/* Policies: which verified evidence is good enough, as data.
 *
 * A policy file is JSON in one of these dialects, told apart by its form:
 *   array   the published measurement files: [{"measurement_id", "attestation_type",
 *           "measurements": {INDEX: {"expected": HEX, "warnOnly"?} | {"expected_any": [HEX]} |
 * HEX}, "dcap_image_hashes"?}]; an entry without measurements takes any of its type object  ours:
 * {"accept": [entries as above], "tcb": {"statuses", "advisories", "minimum_date",
 *           "minimum_evaluation_number", "status_grace_days"}, "allow_debug", "td_attributes":
 *           {"value", "mask"}, "mr_td": [HEX], "xfam": [HEX], "mr_seam": [HEX], "mr_service_td":
 * [HEX], "mr_config_id", "mr_owner", "mr_owner_config": [HEX], "roots": [SHA-256], "fmspc": [HEX],
 * "platforms": [shapes]}; see docs/security.md An entry with image hashes fixes RTMR1..3; MRTD and
 * RTMR0 must be those of one of the platforms. Unknown keys are refused: a misspelt rule must not
 * pass for a rule.
 *
 * What no policy can let through: a verdict that is not valid. What must be asked for: debug TDs,
 * TCB statuses other than UpToDate, a MRSERVICETD, a TD without SEPT_VE_DISABLE or with reserved
 * attribute bits. Read only after parsing; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_POLICY_H
#define ATTEST_POLICY_H

#include "attest/measurement.h"
#include "attest/verify.h"

#define POLICY_BYTES_MAX (4u << 20)
#define POLICY_ENTRIES_MAX 4096
#define POLICY_VALUES_MAX 256 /* alternatives of one register or field */

/* Alternatives of one register. */
struct policy_register {
    unsigned index;
    bool warn_only; /* a mismatch is told, not refused */
    const struct bytes *values;
    size_t count;
};

/* Image hashes for portable measurements (gcp-tdx): registers are computed from them. */
struct policy_image {
    uint8_t uki_authenticode[48];
    uint8_t kernel_authenticode[48];
    uint8_t cmdline_hash[48];
    uint8_t initrd_hash[48];
    uint8_t gpt_hash[48];
};

struct policy_entry {
    struct bytes id; /* measurement_id; may be empty */
    enum attestation_type type;
    const struct policy_register *registers;
    size_t register_count;
    const uint8_t (*image)[48]; /* RTMR0..3 by its image hashes ([0] is the platform's), or NULL */
};

/* The shape of a machine that images may run on: firmware, memory, processors, disks are in these
 * two registers, and nothing of the image is. */
struct policy_platform {
    struct bytes name;
    uint8_t mrtd[48], rtmr0[48];
};
#define POLICY_PLATFORM_NAME_MAX 40

/* A list of allowed values of a fixed-size field; count 0: the default of that field. */
struct policy_values {
    const struct bytes *values;
    size_t count;
};

struct policy {
    const struct policy_entry *entries;
    size_t entry_count;
    bool has_entries;  /* false: any measurement (only the built-in policy) */
    uint32_t statuses; /* bit per enum tcb_status */
    bool limit_advisories;
    struct policy_values advisories; /* tolerated ones, when limited */
    uint64_t minimum_tcb_date;       /* seconds since 1970; 0: none */
    uint32_t minimum_evaluation_number;
    uint64_t status_grace_s; /* OutOfDate is taken so long after the newest level's date */
    bool allow_debug;
    uint64_t td_attributes_value, td_attributes_mask;
    struct policy_values mr_td; /* of whatever kind; the only hold on Azure's paravisor */
    struct policy_values xfam, mr_seam, mr_service_td, mr_config_id, mr_owner, mr_owner_config;
    struct policy_values roots, fmspc;
    const struct policy_platform *platforms; /* for entries with image hashes */
    size_t platform_count;
};

/* policy_default: UpToDate only, production attributes, any measurement. */
extern const struct policy policy_default;

/* policy_parse reads either dialect.
 * in, a   the policy points into both.
 * errors  ERR_SYNTAX, ERR_INVALID (a value out of form, an unknown key or type), ERR_LIMIT,
 *         ERR_NO_MEMORY; why->at is the offset. */
[[gnu::warn_unused_result]] int policy_parse(struct policy *ret, struct bytes in, struct arena *a,
                                             struct error *why);

#define POLICY_TEXT_MAX 200

struct policy_decision {
    bool accepted;
    char rule[40];                  /* the rule that failed: "tcb_status", "measurement", ... */
    char expected[POLICY_TEXT_MAX]; /* what it asked for */
    char found[POLICY_TEXT_MAX];
    struct bytes entry;    /* id of the entry that matched, or came closest */
    struct bytes platform; /* of its image hashes: the platform that matched; else empty */
    unsigned warnings;     /* registers that differ under warnOnly */
};

/* What is judged. */
struct policy_subject {
    const struct verdict *verdict;
    const struct measurements *measurements; /* NULL: of no register, as an enclave's */
};

/* policy_decide judges verified evidence. A verdict that is not valid is refused by the rule
 * "valid". ret is always filled. */
void policy_decide(struct policy_decision *ret, const struct policy *p,
                   const struct policy_subject *subject);

#endif
