/* HCL reports: how Azure's paravisor ties the vTPM's keys to the TD that it runs in.
 *
 * The TDREPORT inside has the hash of the runtime data in its report data; the runtime data names
 * the vTPM's attestation key. Nothing is believed before the TD quote over the same TDREPORT is
 * verified (azure.h). Views point into the caller's bytes. Pure; any thread.
 *
 *   off   size  field                            off   size  field
 *     0      4  "HCLA"                          1216     4   data size (20 + n)
 *     4      4  version                         1220     4   version
 *     8      4  report size                     1224     4   report type: 4 TDX, 2 SNP, 3 TVM
 *    12      4  request type                    1228     4   hash type: 1 SHA-256
 *    16      4  status                          1232     4   n
 *    32   1184  hardware report (TDREPORT 1024) 1236     n   runtime data, JSON
 *
 * Source: OpenHCL attestation report; az-cvm-vtpm.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_HCL_H
#define ATTEST_HCL_H

#include "attest/quote.h"
#include "attest/tpm_attest.h"
#include "base/arena.h"

#define HCL_REPORT_BYTES_MAX (64u << 10)

struct hcl_report {
    uint32_t version;
    uint32_t report_type;
    struct bytes tdreport; /* 1,024 bytes */
    struct td_report td;
    struct bytes runtime; /* exact bytes that are hashed */
};

/* hcl_parse reads a report and checks that its report data is SHA-256(runtime data) and zeros.
 * errors  ERR_SYNTAX, ERR_UNSUPPORTED (no TDX report, another hash), ERR_INVALID (the hash). */
[[gnu::warn_unused_result]] int hcl_parse(struct hcl_report *ret, struct bytes in,
                                          struct error *why);

/* hcl_write appends a report of a simulated TD: with its MRTD, and the hash of the runtime data as
 * report data; everything else is zero. */
void hcl_write(struct buf *out, const uint8_t mr_td[48], struct bytes runtime);

/* The runtime data's parts that matter. */
struct hcl_runtime {
    struct rsa_public ak; /* key "HCLAkPub" */
    uint8_t user_data[64];
    bool has_user_data;
    struct bytes vm_id; /* may be empty */
    bool secure_boot, tpm_enabled;
};

/* hcl_runtime_parse reads the JSON. The key is found by its name, never by its place.
 * errors  ERR_SYNTAX, ERR_NOT_FOUND (no HCLAkPub), ERR_INVALID (not an RSA key, two of them),
 *         ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int hcl_runtime_parse(struct hcl_runtime *ret, struct bytes runtime,
                                                  struct arena *a, struct error *why);

#endif
