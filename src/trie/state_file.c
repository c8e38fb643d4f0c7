/* SPDX-License-Identifier: MIT */
#include "trie/state_file.h"

#include "crypto/keccak.h"
#include "eth/genesis.h"

static int no_room(const struct json *in, struct error *why) {
    return json_error(why, ERR_LIMIT, in, "does not fit its memory limit");
}

static int decode_accounts(struct state_file *ret, const struct json *in, struct arena *a,
                           struct error *why) {
    const struct genesis_account *from;
    size_t count;
    int r = genesis_alloc_decode(&from, &count, in, a, why);
    if (r != 0) return r;
    struct state_account_change *to = arena_new_array(a, struct state_account_change, count);
    if (!to) return no_room(in, why);
    for (size_t i = 0; i < count; i++) {
        struct state_slot_change *slots =
            arena_new_array(a, struct state_slot_change, from[i].slot_count);
        if (!slots) return no_room(in, why);
        for (size_t k = 0; k < from[i].slot_count; k++) {
            slots[k] = (struct state_slot_change){from[i].slots[k].key, from[i].slots[k].value};
        }
        to[i] = (struct state_account_change){
            .address = from[i].address,
            .nonce = from[i].nonce,
            .balance = from[i].balance,
            .code_hash = from[i].code.n ? keccak256(from[i].code) : ACCOUNT_EMPTY_CODE,
            .slots = slots,
            .slot_count = from[i].slot_count,
        };
    }
    *ret = (struct state_file){.is_state = true, .accounts = to, .account_count = count};
    return 0;
}

static int decode_item(struct bytes *ret, const struct json *in, struct arena *a,
                       struct error *why) {
    *ret = (struct bytes){NULL, 0};
    if (json_is_null(in)) return 0;
    int r = json_string(ret, in, why);
    if (r == 0 && bytes_starts_with(*ret, BYTES_LIT("0x"))) r = json_data(ret, in, a, why);
    return r;
}

static int decode_pair(struct trie_pair *to, const struct json *key, const struct json *value,
                       struct arena *a, struct error *why) {
    int r = decode_item(&to->key, key, a, why);
    if (r == 0 && to->key.n == 0) r = json_error(why, ERR_INVALID, key, "a key of no bytes");
    return r == 0 ? decode_item(&to->value, value, a, why) : r;
}

static int decode_pairs(struct state_file *ret, const struct json *in, struct arena *a,
                        struct error *why) {
    struct trie_pair *pairs = arena_new_array(a, struct trie_pair, json_count(in));
    if (!pairs) return no_room(in, why);
    size_t n = 0;
    int r = 0;
    json_members(key, value, in) {
        if (r == 0) r = decode_pair(&pairs[n++], key, value, a, why);
    }
    if (json_type_of(in) == JSON_ARRAY) {
        json_each(pair, in) {
            if (r == 0 && (json_type_of(pair) != JSON_ARRAY || json_count(pair) != 2)) {
                r = json_error(why, ERR_INVALID, pair, "is not a [key, value] pair");
            }
            if (r == 0) r = decode_pair(&pairs[n++], json_at(pair, 0), json_at(pair, 1), a, why);
        }
    }
    *ret = (struct state_file){.pairs = pairs, .pair_count = n};
    return r;
}

int state_file_decode(struct state_file *ret, const struct json *in, struct arena *a,
                      struct error *why) {
    const struct json *inner = json_get(in, "in");
    if (json_type_of(inner) >= JSON_ARRAY) in = inner;
    if (json_get(in, "alloc")) return decode_accounts(ret, json_get(in, "alloc"), a, why);
    if (json_type_of(in) == JSON_ARRAY) return decode_pairs(ret, in, a, why);
    int r = json_expect(in, JSON_OBJECT, why);
    if (r != 0) return r;
    const struct json *first = json_member_value(json_first(in));
    if (json_type_of(first) == JSON_OBJECT) return decode_accounts(ret, in, a, why);
    return decode_pairs(ret, in, a, why);
}

int state_file_open(struct state_root **ret, struct hash *ret_root, const struct state_file *file,
                    struct error *why) {
    const struct state_root_options options = {.source = {.get = state_node_of_none}};
    struct state_root *s = NULL;
    if (file->pair_count > 0) return error_set(why, ERR_INVALID, "pairs are no accounts");
    int r = state_root_create(&s, &TRIE_EMPTY_ROOT, &options, why);
    if (r == 0) {
        r = state_root_compute(s, ret_root, file->accounts, file->account_count, NULL, NULL, NULL,
                               why);
    }
    if (r == 0) {
        *ret = s;
    } else {
        state_root_free(s);
    }
    return r;
}

int state_file_root(struct hash *ret, const struct state_file *file, bool secure,
                    struct error *why) {
    if (!file->is_state) return trie_plain_root(ret, file->pairs, file->pair_count, secure, why);
    struct state_root *s;
    int r = state_file_open(&s, ret, file, why);
    if (r == 0) state_root_free(s);
    return r;
}
