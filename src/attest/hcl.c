/* SPDX-License-Identifier: MIT */
#include "attest/hcl.h"
#include "attest/digest.h"
#include "base/base64.h"
#include "base/hex.h"
#include "json/json.h"

#include <string.h>

enum {
    HARDWARE_AT = 32,
    HEADER_BYTES = 1216,
    RUNTIME_AT = 1236,
    REPORT_TYPE_TDX = 4,
    HASH_SHA256 = 1
};

int hcl_parse(struct hcl_report *ret, struct bytes in, struct error *why) {
    static const uint8_t zero[32];
    uint8_t hash[32];
    memset(ret, 0, sizeof *ret);
    if (in.n < RUNTIME_AT || in.n > HCL_REPORT_BYTES_MAX) {
        return error_set(why, ERR_SYNTAX, "HCL report: %zu bytes", in.n);
    }
    if (memcmp(in.p, "HCLA", 4) != 0) {
        return error_set_at(why, ERR_SYNTAX, 0, "HCL report: it does not begin with HCLA");
    }
    ret->version = load_le32(in.p + 4);
    ret->report_type = load_le32(in.p + HEADER_BYTES + 8);
    uint32_t data_size = load_le32(in.p + HEADER_BYTES), n = load_le32(in.p + HEADER_BYTES + 16);
    if (ret->report_type != REPORT_TYPE_TDX) {
        return error_set_at(why, ERR_UNSUPPORTED, HEADER_BYTES + 8,
                            "HCL report: of type %u, expected %d (TDX)", ret->report_type,
                            REPORT_TYPE_TDX);
    }
    if (load_le32(in.p + HEADER_BYTES + 12) != HASH_SHA256) {
        return error_set_at(why, ERR_UNSUPPORTED, HEADER_BYTES + 12, "HCL report: hash type %u",
                            load_le32(in.p + HEADER_BYTES + 12));
    }
    if (n > in.n - RUNTIME_AT || data_size != 20 + n) {
        return error_set_at(why, ERR_SYNTAX, HEADER_BYTES + 16,
                            "HCL report: %u bytes of runtime data", n);
    }
    ret->tdreport = (struct bytes){in.p + HARDWARE_AT, TDREPORT_BYTES};
    ret->runtime = (struct bytes){in.p + RUNTIME_AT, n};
    int code = tdreport_parse(&ret->td, ret->tdreport, why);
    if (code < 0) return error_wrap(why, "HCL report"), code;
    digest_sha256(ret->runtime, hash);
    if (memcmp(ret->td.report_data, hash, 32) != 0 ||
        memcmp(ret->td.report_data + 32, zero, 32) != 0) {
        return error_set(why, ERR_INVALID,
                         "HCL report: its report data is not the hash of its "
                         "runtime data");
    }
    return 0;
}

static void append_u32(struct buf *out, uint32_t v) {
    uint8_t b[4];
    store_le32(b, v);
    buf_append(out, bytes_make(b, 4));
}

void hcl_write(struct buf *out, const uint8_t mr_td[48], struct bytes runtime) {
    uint8_t hardware[HEADER_BYTES - HARDWARE_AT] = {[0] = QUOTE_TEE_TDX};
    const uint8_t zero[12] = {0};
    uint32_t n = (uint32_t)runtime.n;
    digest_sha256(runtime, hardware + 128);
    memcpy(hardware + 528, mr_td, 48);
    buf_append_str(out, "HCLA");
    append_u32(out, 2);
    append_u32(out, RUNTIME_AT + n);
    append_u32(out, 2);
    append_u32(out, 0);
    buf_append(out, bytes_make(zero, sizeof zero));
    buf_append(out, bytes_make(hardware, sizeof hardware));
    append_u32(out, 20 + n);
    append_u32(out, 1);
    append_u32(out, REPORT_TYPE_TDX);
    append_u32(out, HASH_SHA256);
    append_u32(out, n);
    buf_append(out, runtime);
}

static int read_key(struct rsa_public *ret, const struct json *key, struct arena *a,
                    struct error *why) {
    struct bytes n = {NULL, 0}, e = {NULL, 0}, exponent;
    if (!bytes_equal_str(json_text(json_get(key, "kty")), "RSA")) {
        return error_set(why, ERR_INVALID, "runtime data: HCLAkPub is no RSA key");
    }
    int code = json_get_string(&n, key, "n", why);
    if (code == 0) code = json_get_string(&e, key, "e", why);
    if (code == 0) code = base64_decode(&ret->n, n, BASE64_URL | BASE64_NO_PAD, a, why);
    if (code == 0) code = base64_decode(&exponent, e, BASE64_URL | BASE64_NO_PAD, a, why);
    if (code < 0) return error_wrap(why, "runtime data: HCLAkPub"), ERR_INVALID;
    if (exponent.n == 0 || exponent.n > 4) {
        return error_set(why, ERR_INVALID, "runtime data: HCLAkPub's exponent");
    }
    ret->e = 0;
    for (size_t i = 0; i < exponent.n; i++) {
        ret->e = ret->e << 8 | exponent.p[i];
    }
    return 0;
}

static int find_key(struct hcl_runtime *ret, const struct json *keys, struct arena *a,
                    struct error *why) {
    bool found = false;
    if (json_type_of(keys) != JSON_ARRAY) {
        return error_set(why, ERR_NOT_FOUND, "runtime data: no keys");
    }
    json_each(key, keys) {
        if (!bytes_equal_str(json_text(json_get(key, "kid")), "HCLAkPub")) continue;
        if (found) return error_set(why, ERR_INVALID, "runtime data: two keys named HCLAkPub");
        found = true;
        int code = read_key(&ret->ak, key, a, why);
        if (code < 0) return code;
    }
    return found ? 0 : error_set(why, ERR_NOT_FOUND, "runtime data: no key named HCLAkPub");
}

int hcl_runtime_parse(struct hcl_runtime *ret, struct bytes runtime, struct arena *a,
                      struct error *why) {
    static const struct json_limits limits = {HCL_REPORT_BYTES_MAX, 8, 4096, false};
    const struct json *root = NULL;
    memset(ret, 0, sizeof *ret);
    int code = json_parse(&root, runtime, a, &limits, why);
    if (code < 0) return error_wrap(why, "runtime data"), code;
    if ((code = find_key(ret, json_get(root, "keys"), a, why)) < 0) return code;
    const struct json *user = json_get(root, "user-data"), *vm = json_get(root, "vm-configuration");
    if (user) {
        struct bytes text = json_text(user);
        if (json_type_of(user) != JSON_STRING || text.n != 128 ||
            hex_decode(ret->user_data, text, NULL) < 0) {
            return error_set(why, ERR_INVALID, "runtime data: user-data is not 64 bytes of hex");
        }
        ret->has_user_data = true;
    }
    ret->vm_id = json_text(json_get(vm, "vmUniqueId"));
    (void)!json_get_bool(&ret->secure_boot, vm, "secure-boot", NULL);
    (void)!json_get_bool(&ret->tpm_enabled, vm, "tpm-enabled", NULL);
    return 0;
}
