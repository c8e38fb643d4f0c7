/* Vectors of precompiled contracts: [{Name, Input, Expected, Gas}] and [{Name, Input,
 * ExpectedError}], the contract named by the file. SPDX-License-Identifier: MIT */
#include "evm/precompile.h"
#include "test/conformance/evm.h"

#include "base/hex.h"

#include <stdio.h>

struct contract {
    const char *file; /* its stem, without "fail-" */
    uint16_t address;
    uint8_t fork; /* the first with the gas of the file */
};

static const struct contract contracts[] = {
    {"ecRecover", 0x01, FORK_FRONTIER},     {"modexp", 0x05, FORK_BYZANTIUM},
    {"modexp_eip2565", 0x05, FORK_BERLIN},  {"modexp_eip7883", 0x05, FORK_OSAKA},
    {"bn256Add", 0x06, FORK_ISTANBUL},      {"bn256ScalarMul", 0x07, FORK_ISTANBUL},
    {"bn256Pairing", 0x08, FORK_ISTANBUL},  {"blake2f", 0x09, FORK_ISTANBUL},
    {"pointEvaluation", 0x0a, FORK_CANCUN}, {"blsG1Add", 0x0b, FORK_PRAGUE},
    {"blsG1Mul", 0x0c, FORK_PRAGUE},        {"blsG1MultiExp", 0x0c, FORK_PRAGUE},
    {"blsG2Add", 0x0d, FORK_PRAGUE},        {"blsG2Mul", 0x0e, FORK_PRAGUE},
    {"blsG2MultiExp", 0x0e, FORK_PRAGUE},   {"blsPairing", 0x0f, FORK_PRAGUE},
    {"blsMapG1", 0x10, FORK_PRAGUE},        {"blsMapG2", 0x11, FORK_PRAGUE},
    {"p256Verify", 0x100, FORK_OSAKA},
};

static const struct contract *contract_of(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (strncmp(name, "fail-", 5) == 0) name += 5;
    for (size_t i = 0; i < sizeof contracts / sizeof *contracts; i++) {
        size_t n = strlen(contracts[i].file);
        if (strncasecmp(name, contracts[i].file, n) == 0 && strcmp(name + n, ".json") == 0) {
            return &contracts[i];
        }
    }
    return NULL;
}

// Hex digits without a prefix.
static int read_hex(struct bytes *ret, const struct json *item, const char *key, struct arena *a) {
    struct bytes text = json_text(json_get(item, key));
    uint8_t *p = arena_alloc_raw(a, text.n / 2 + 1);
    *ret = (struct bytes){p, text.n / 2};
    return p ? hex_decode(p, text, NULL) : ERR_NO_MEMORY;
}

static void run_case(const struct precompiles *p, const struct precompile *c,
                     const struct json *item, struct arena *a, struct tally *t) {
    struct bytes text = json_text(json_get(item, "Name")), in, expected;
    char name[128];
    (void)snprintf(name, sizeof name, "%.*s", (int)text.n, (const char *)text.p);
    if (read_hex(&in, item, "Input", a) != 0 || read_hex(&expected, item, "Expected", a) != 0) {
        tally_fail(t, name, "not hexadecimal");
        return;
    }
    bool fails = json_get(item, "ExpectedError") != NULL;
    uint64_t gas = 0, got_gas = c->gas(in);
    struct buf out;
    buf_init(&out, 0);
    int r = c->run(p, in, NULL, &out);
    if ((r != 0) != fails) {
        tally_fail(t, name, "%s, expected %s", r ? "failed" : "succeeded",
                   fails ? "failure" : "success");
    } else if (!fails && !bytes_equal(buf_view(&out), expected)) {
        tally_fail(t, name, "wrong output of %zu bytes", out.n);
    } else if (!fails && json_get_u64(&gas, item, "Gas", NULL) == 0 && gas != got_gas) {
        tally_fail(t, name, "gas %llu, expected %llu", (unsigned long long)got_gas,
                   (unsigned long long)gas);
    } else {
        tally_pass(t, name);
    }
    buf_free(&out);
}

bool evm_run_precompile(const struct evm_file *f, struct tally *t) {
    const struct json *first = json_at(f->json, 0);
    if (!json_get(first, "Input") || !json_get(first, "Name")) return false;
    const struct contract *c = contract_of(f->path);
    struct address address = {{0}};
    struct precompiles *p = NULL;
    struct error why = {0};
    if (!c) {
        tally_fail(t, "-", "no precompiled contract is named like the file");
        return true;
    }
    store_be16(address.b + 18, c->address);
    const struct precompile *row = precompile_find((enum fork)c->fork, &address);
    if (!row || precompiles_new(&p, &why) != 0) {
        tally_fail(t, "-", "%s", row ? why.text : "the contract does not exist");
        return true;
    }
    json_each(item, f->json) {
        run_case(p, row, item, f->a, t);
    }
    precompiles_free(p);
    return true;
}
