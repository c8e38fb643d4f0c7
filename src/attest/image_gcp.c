/* SPDX-License-Identifier: MIT */
#include "attest/image.h"
#include "attest/policy.h"

#include <stdlib.h>
#include <string.h>

// Registers grow event by event, SHA-384.
static void extend_digest(uint8_t reg[48], const uint8_t event[48]) {
    digest_extend(DIGEST_SHA384, reg, event);
}

static void extend_bytes(uint8_t reg[48], struct bytes measured) {
    uint8_t digest[48];
    digest_sha384(measured, digest);
    extend_digest(reg, digest);
}

static const uint8_t zero_separator[4];

/* The signature list that Google's images carry instead of keys: of type X.509-less RSA2048 with
 * one entry that no one can sign for. */
static const uint8_t empty_key_list[52] = {
    0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c,
    0x2b, 0xf0, 0x72, 0x34, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x18, 0x00,
    0x00, 0x00, 0xd2, 0xfa, 0x81, 0xd2, 0x88, 0x8d, 0xa4, 0x47, 0x97, 0x92, 0x5b,
    0xaa, 0x47, 0xbb, 0x1b, 0x89, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01};

static const uint8_t guid_global[16] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                        0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
static const uint8_t guid_security[16] = {0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
                                          0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f};

// Digests of GCP's boot variables, which hold device paths of its virtual machines.
static const uint8_t boot_0000[48] = {
    0x23, 0xad, 0xa0, 0x7f, 0x52, 0x61, 0xf1, 0x2f, 0x34, 0xa0, 0xbd, 0x8e, 0x46, 0x76, 0x09, 0x62,
    0xd6, 0xb4, 0xd5, 0x76, 0xa4, 0x16, 0xf1, 0xfe, 0xa1, 0xc6, 0x4b, 0xc6, 0x56, 0xb1, 0xd2, 0x8e,
    0xac, 0xf7, 0x04, 0x7a, 0xe6, 0xe9, 0x67, 0xc5, 0x8f, 0xd2, 0xa9, 0x8b, 0xfa, 0x74, 0xc2, 0x98};
static const uint8_t boot_0001[48] = {
    0xa2, 0x53, 0x33, 0xc7, 0xae, 0xc2, 0xe0, 0x99, 0x30, 0x34, 0x93, 0x8c, 0x7f, 0x11, 0x89, 0x3b,
    0x3c, 0x2b, 0xca, 0xf6, 0x7e, 0x88, 0xc3, 0x42, 0xa3, 0xd5, 0x86, 0xf6, 0xf7, 0xfa, 0xe2, 0xc6,
    0xa1, 0x24, 0x7a, 0x9e, 0xd8, 0x69, 0x88, 0x08, 0x0a, 0x6d, 0x4b, 0xe4, 0x97, 0xd4, 0xfb, 0xb6};
static const uint8_t boot_0002[48] = {
    0x90, 0x68, 0x06, 0x57, 0x54, 0xff, 0x3a, 0xe3, 0xdd, 0x58, 0xa5, 0x89, 0x75, 0x35, 0xee, 0xaf,
    0x62, 0xa1, 0x9a, 0x67, 0x57, 0xd8, 0x2d, 0xd9, 0x13, 0x49, 0xc4, 0x1b, 0xae, 0x2e, 0x3f, 0x20,
    0x8e, 0x26, 0x8a, 0xbb, 0xa2, 0xa4, 0x37, 0x8b, 0xc5, 0xc8, 0xd1, 0xac, 0xf2, 0xfd, 0x26, 0x0f};

static int extend_hob(uint8_t reg[48], const struct image_platform *p, struct error *why) {
    const struct image_firmware *f = p->firmware;
    if (f->hob.n < 8 || f->length_offset > f->hob.n - 8 || p->ram_bytes < f->ram_threshold) {
        return error_set(why, ERR_RANGE, "image: %llu bytes of memory do not fit the firmware",
                         (unsigned long long)p->ram_bytes);
    }
    uint8_t *hob = malloc(f->hob.n);
    if (!hob) return error_set(why, ERR_NO_MEMORY, "image: no memory");
    memcpy(hob, f->hob.p, f->hob.n);
    store_le64(hob + f->length_offset, p->ram_bytes - f->ram_threshold);
    extend_bytes(reg, (struct bytes){hob, f->hob.n});
    free(hob);
    return 0;
}

static int extend_variables(uint8_t reg[48], struct error *why) {
    static const uint8_t off[1];
    struct bytes keys = {empty_key_list, sizeof empty_key_list};
    const struct {
        const char *name;
        const uint8_t *guid;
        struct bytes data;
    } variables[] = {{"SecureBoot", guid_global, {off, 1}},
                     {"PK", guid_global, keys},
                     {"KEK", guid_global, keys},
                     {"db", guid_security, keys},
                     {"dbx", guid_security, keys}};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        uint8_t digest[48];
        int code = image_variable_event(DIGEST_SHA384, digest, variables[i].guid, variables[i].name,
                                        variables[i].data, why);
        if (code < 0) return code;
        extend_digest(reg, digest);
    }
    return 0;
}

int image_predict_gcp_platform(uint8_t reg[48], const struct image_platform *p, struct error *why) {
    if (p->num_disks > 1) return error_set(why, ERR_UNSUPPORTED, "image: %u disks", p->num_disks);
    memset(reg, 0, 48);
    int code = extend_hob(reg, p, why);
    if (code < 0) return code;
    extend_digest(reg, p->firmware->cfv);
    if ((code = extend_variables(reg, why)) < 0) return code;
    extend_bytes(reg, (struct bytes){zero_separator, 4});
    extend_digest(reg, p->acpi_loader);
    extend_digest(reg, p->acpi_rsdp);
    extend_digest(reg, p->acpi_tables);
    static const uint8_t with_disk[] = {1, 0, 2, 0, 0, 0}, without_disk[] = {1, 0, 0, 0};
    bool disk = p->num_disks == 1;
    extend_bytes(reg, disk ? bytes_make(with_disk, 6) : bytes_make(without_disk, 4));
    extend_digest(reg, boot_0001);
    if (disk) extend_digest(reg, boot_0002);
    extend_digest(reg, boot_0000);
    return 0;
}

void image_predict_gcp_image(uint8_t ret_rtmr[4][48], const struct policy_image *image) {
    uint8_t *boot = ret_rtmr[1], *kernel = ret_rtmr[2];
    memset(ret_rtmr, 0, 4 * sizeof ret_rtmr[0]);
    extend_bytes(boot, BYTES_LIT("Calling EFI Application from Boot Option"));
    extend_bytes(boot, (struct bytes){zero_separator, 4});
    extend_digest(boot, image->gpt_hash);
    extend_digest(boot, image->uki_authenticode);
    extend_digest(boot, image->kernel_authenticode);
    extend_bytes(boot, BYTES_LIT("Exit Boot Services Invocation"));
    extend_bytes(boot, BYTES_LIT("Exit Boot Services Returned with Success"));
    extend_digest(kernel, image->cmdline_hash);
    extend_digest(kernel, image->initrd_hash);
}

bool image_compare(unsigned *ret_register, char ret_text[80], const struct measurements *computed,
                   const struct measurements *quoted) {
    static const char *const what[] = {"firmware", "memory size, firmware volume, ACPI, boot order",
                                       "partition table, image, kernel", "command line, initrd",
                                       "run-time extensions"};
    for (size_t i = 0; i < computed->count; i++) {
        const struct measurement *want = &computed->at[i];
        const struct measurement *have = measurements_find(quoted, want->index);
        if (have && have->n == want->n && memcmp(have->value, want->value, want->n) == 0) continue;
        *ret_register = want->index;
        (void)strncpy(ret_text, want->index < 5 ? what[want->index] : "register", 79);
        ret_text[79] = 0;
        return false;
    }
    return true;
}
