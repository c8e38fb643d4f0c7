/* Image measurements: what a unified kernel image will leave in PCRs and RTMRs, computed from its
 * bytes, and the registers of a GCP TD from image hashes and platform facts.
 *
 * Arithmetic over bytes only: no host constants are guessed. Firmware's own registers (PCR 0, 1,
 * 7) are not predicted for TPMs. Pure but for arenas; any thread.
 *
 * Source: UEFI CC measurement protocol; systemd-stub; TCG PC Client Platform Firmware Profile.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_IMAGE_H
#define ATTEST_IMAGE_H

#include "attest/measurement.h"
#include "attest/pe.h"
#include "base/arena.h"

#define IMAGE_EVENTS_MAX 64

/* Which of the sections systemd's stub measures into PCR 11, in its order; two rules are known to
 * differ, and anything else is an error, never a guess. */
enum image_stub {
    IMAGE_STUB_252,           /* .linux .osrel .cmdline .initrd .splash .dtb .pcrpkey */
    IMAGE_STUB_254,           /* 254 and 255: .uname and .sbat after .dtb */
    IMAGE_STUB_MEASURED_BOOT, /* as the original tool computes: ".pcrkey", misspelt */
};

/* image_stub_parse reads a version as systemd states it in .sdmagic or a flag gives it ("252",
 * "254.5-1", "255.4-1", "measured-boot"). errors  ERR_UNSUPPORTED. */
[[gnu::warn_unused_result]] int image_stub_parse(enum image_stub *ret, struct bytes version,
                                                 struct error *why);

/* image_stub_find reads the version out of a UKI's .sdmagic section.
 * errors  ERR_NOT_FOUND: it does not tell; ERR_UNSUPPORTED. */
[[gnu::warn_unused_result]] int image_stub_find(enum image_stub *ret, const struct pe *uki,
                                                struct error *why);

struct image_event {
    unsigned pcr; /* 4, 5, 9, 11 */
    int rtmr;     /* 1, 2, or -1: not measured there */
    uint8_t sha256[32];
    uint8_t sha384[48];
    char text[72]; /* what it is */
};

struct image_prediction {
    struct image_event events[IMAGE_EVENTS_MAX];
    size_t event_count;
    uint8_t pcr[24][32]; /* 4, 9, 11 (and 5 with a GPT); zero: 8, 12..15 */
    uint32_t pcr_known;  /* bit per PCR */
    uint8_t rtmr[4][48]; /* 1 (with a GPT), 2; 3 zero */
    uint32_t rtmr_known;
    bool unpadded; /* file or kernel is no multiple of 8: tools disagree about its hash */
};

/* image_predict computes the registers of a UKI that is booted from disk.
 * uki     the file. loader  systemd-boot before it, or empty.
 * gpt     the event bytes of image_gpt_event, or empty: then RTMR1 and PCR 5 are not known.
 * errors  ERR_SYNTAX, ERR_INVALID, ERR_NOT_FOUND (a needed section), ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int image_predict(struct image_prediction *ret, struct bytes uki,
                                              struct bytes loader, struct bytes gpt,
                                              enum image_stub stub, struct error *why);

/* image_gpt_event gives the bytes that firmware measures of a partition table: header (92 bytes),
 * u64 number of used entries, those entries.
 * disk    at least its first 34 sectors of 512 bytes. errors  ERR_SYNTAX, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int image_gpt_event(struct bytes *ret, struct bytes disk,
                                                struct arena *a, struct error *why);

/* image_cmdline_event hashes a command line as the kernel's stub measures it: UTF-16LE with one
 * NUL; NULs that the text ends with are left out first.
 * errors  ERR_INVALID: not ASCII; ERR_LIMIT: above 64 KiB. */
[[gnu::warn_unused_result]] int image_cmdline_event(uint8_t ret_sha256[32], uint8_t ret_sha384[48],
                                                    struct bytes cmdline, struct error *why);

/* image_variable_event hashes an EFI variable as firmware measures it (GUID in memory order). */
[[gnu::warn_unused_result]] int image_variable_event(enum digest_kind kind, uint8_t *ret,
                                                     const uint8_t guid[16], const char *name,
                                                     struct bytes data, struct error *why);

/* Firmware data of a GCP build: what determines MRTD and the first events of RTMR0. */
struct image_firmware {
    uint8_t mrtd[48];
    uint8_t cfv[48];  /* digest of the configuration firmware volume */
    struct bytes hob; /* hand-off block; the u64 at length_offset is replaced */
    size_t length_offset;
    uint64_t ram_threshold;
};

/* What firmware measures of a GCP machine, beside its own code. */
struct image_platform {
    uint64_t ram_bytes;
    uint32_t num_disks;
    uint8_t acpi_loader[48], acpi_rsdp[48], acpi_tables[48];
    const struct image_firmware *firmware;
};

/* image_predict_gcp_platform computes RTMR0, which with MRTD (the firmware's) is what a platform
 * determines whatever image it boots.
 * errors  ERR_UNSUPPORTED: more than one disk; ERR_RANGE: memory below the threshold, an offset
 *         outside the block; ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int image_predict_gcp_platform(uint8_t ret_rtmr0[48],
                                                           const struct image_platform *platform,
                                                           struct error *why);

struct policy_image;

/* image_predict_gcp_image computes the registers that the image alone determines: RTMR1 and RTMR2;
 * RTMR3 is zero, and so is [0], which is not determined. What they say stands on the firmware that
 * measured: whoever compares them pins MRTD. */
void image_predict_gcp_image(uint8_t ret_rtmr[4][48], const struct policy_image *image);

/* image_compare tells whether two sets agree; else the first register that differs and what
 * determines it, in words. */
bool image_compare(unsigned *ret_register, char ret_text[80], const struct measurements *computed,
                   const struct measurements *quoted);

/* image_mrtd computes MRTD from a TDVF firmware file.
 * two_pass  pages of a section are all added before they are extended (QEMU 8); else page by page
 *           (QEMU 9 and later, Google).
 * errors    ERR_SYNTAX (no TDVF metadata, a section out of bounds), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int image_mrtd(uint8_t ret[48], struct bytes firmware, bool two_pass,
                                           struct error *why);

/* image_cfv hashes the configuration firmware volume of a TDVF firmware file (SHA-384). */
[[gnu::warn_unused_result]] int image_cfv(uint8_t ret[48], struct bytes firmware,
                                          struct error *why);

#endif
