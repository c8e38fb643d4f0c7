/* `devnet tx`: a signed transaction of a development account, for trying the network by hand.
 * SPDX-License-Identifier: MIT */
#include "eth/tx.h"

#include "base/hex.h"
#include "devnet/asker.h"
#include "eth/address.h"
#include "eth/dev_accounts.h"
#include "net/rpc_caller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_WEI 2000000000u
#define MAX_FEE_WEI 200000000000u
#define GAS 21000

static int pending_nonce(struct asker *k, const char *url, const char *address, uint64_t *ret,
                         struct error *why) {
    const struct rpc_caller_options chain = {.url = url};
    const struct json *answer;
    struct rpc_caller *c;
    char params[64];
    (void)snprintf(params, sizeof params, "[\"%s\",\"pending\"]", address);
    int r = rpc_caller_new(&c, &chain, why);
    if (r < 0) return error_wrap(why, "chain");
    r = rpc_caller_call(c, "eth_getTransactionCount", bytes_from_str(params), &k->arena, &answer,
                        why);
    if (r == 0) r = json_quantity(ret, answer, why);
    rpc_caller_free(c);
    return r < 0 ? error_wrap(why, "chain") : 0;
}

// Ether with at most 18 digits behind the point, as wei.
static int read_ether(struct u256 *ret, const char *text, struct error *why) {
    char digits[64] = "";
    size_t n = strcspn(text, "."), behind = text[n] ? strlen(text + n + 1) : 0;
    bool ok = n > 0 && n < 20 && behind <= 18 && strspn(text, "0123456789.") == strlen(text);
    if (ok) {
        (void)snprintf(digits, sizeof digits, "%.*s%s%.*s", (int)n, text,
                       behind ? text + n + 1 : "", (int)(18 - behind), "000000000000000000");
        const char *first = digits + strspn(digits, "0");
        ok = u256_from_decimal(ret, bytes_from_str(*first ? first : "0"));
    }
    return ok ? 0 : error_set(why, ERR_SYNTAX, "\"%s\" is no amount of ether", text);
}

static int sign(struct tx *t, const struct ecdsa_secret_key *key, struct address *ret_from,
                struct arena *a, struct error *why) {
    struct ecdsa_signer *signer;
    struct ecdsa_public_key public;
    int r = ecdsa_signer_new(&signer, why);
    if (r < 0) return r;
    r = ecdsa_public_key_of(signer, &public, key, why);
    if (r == 0) *ret_from = ecdsa_address(&public);
    if (r == 0 && t) r = tx_sign(t, signer, key, a, why);
    ecdsa_signer_free(signer);
    return r;
}

int tx_print(struct asker *k, struct config_list words, struct error *why) {
    const struct json *state = NULL, *role = NULL;
    struct ecdsa_secret_key key;
    struct address from = {{0}}, to;
    struct u256 value = u256_from_u64(0);
    uint64_t nonce = 0;
    char text[43];
    struct buf out;
    dev_account_key(&key, (unsigned)k->s->account);
    int r = sign(NULL, &key, &from, &k->arena, why);
    to = from;
    if (r == 0 && words.count > 0) {
        r = address_from_text(&to, bytes_from_str(words.items[0]), why);
        if (r < 0) (void)error_wrap(why, "\"%.60s\" is no address", words.items[0]);
    }
    if (r == 0) r = read_ether(&value, words.count > 1 ? words.items[1] : "0.001", why);
    if (r == 0) r = asker_state(k, &state, NULL, why);
    if (r < 0) return r;
    json_each(item, json_get(state, "roles")) {
        if (strcmp(asker_text(k, item, "name"), "chain") == 0) role = item;
    }
    const char *url = asker_text(k, json_get(role, "addresses"), "rpc");
    address_to_text(text, &from);
    r = pending_nonce(k, url, text, &nonce, why);
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .protected = true,
                   .chain_id = DEV_CHAIN_ID,
                   .nonce = nonce,
                   .gas = GAS,
                   .max_fee = u256_from_u64(MAX_FEE_WEI),
                   .max_priority_fee = u256_from_u64(PRIORITY_WEI),
                   .to = to,
                   .value = value};
    if (r == 0) r = sign(&t, &key, &from, &k->arena, why);
    if (r < 0) return r;
    buf_init(&out, 0);
    hex_append_data(&out, t.raw);
    (void)printf("%.*s\n", (int)out.n, (const char *)out.p);
    buf_clear(&out);
    hex_append_data(&out, BYTES_OF(t.hash));
    (void)fprintf(stderr, "hash %.*s, nonce %llu of %s\n", (int)out.n, (const char *)out.p,
                  (unsigned long long)nonce, text);
    buf_free(&out);
    return 0;
}
