/* SPDX-License-Identifier: MIT */
#include "chain/requests.h"

// Where EIP-7002 and EIP-7251 put their contracts.
static const struct address withdrawal_contract = {{0x00, 0x00, 0x09, 0x61, 0xef, 0x48, 0x0e,
                                                    0xb5, 0x5e, 0x80, 0xd1, 0x9a, 0xd8, 0x35,
                                                    0x79, 0xa6, 0x4c, 0x00, 0x70, 0x02}};
static const struct address consolidation_contract = {{0x00, 0x00, 0xbb, 0xdd, 0xc7, 0xce, 0x48,
                                                       0x86, 0x42, 0xfb, 0x57, 0x9f, 0x8b, 0x00,
                                                       0xf3, 0xa5, 0x90, 0x00, 0x72, 0x51}};

// keccak256("DepositEvent(bytes,bytes,bytes,bytes,bytes)")
static const struct hash deposit_topic = {{0x64, 0x9b, 0xbc, 0x62, 0xd0, 0xe3, 0x13, 0x42,
                                           0xaf, 0xea, 0x4e, 0x5c, 0xd8, 0x2d, 0x40, 0x49,
                                           0xe7, 0xe1, 0xee, 0x91, 0x2f, 0xc0, 0x88, 0x9a,
                                           0xa7, 0x90, 0x80, 0x3b, 0xe3, 0x90, 0x38, 0xc5}};

#define DEPOSIT_DATA_SIZE 576

// The event's five byte strings: where their offsets point, and how long they are.
static const struct {
    uint16_t offset, size;
} deposit_fields[5] = {{160, 48}, {256, 32}, {320, 8}, {384, 96}, {512, 8}};

int request_from_deposit_log(uint8_t ret[REQUEST_DEPOSIT_SIZE], struct bytes data,
                             struct error *why) {
    size_t at = 0;
    if (data.n != DEPOSIT_DATA_SIZE) {
        return error_set(why, ERR_INVALID, "a deposit event has %zu bytes", data.n);
    }
    for (size_t i = 0; i < 5; i++) {
        struct u256 offset = u256_load_be(data.p + 32 * i);
        struct u256 size = u256_load_be(data.p + deposit_fields[i].offset);
        if (!u256_equal(offset, u256_from_u64(deposit_fields[i].offset)) ||
            !u256_equal(size, u256_from_u64(deposit_fields[i].size))) {
            return error_set(why, ERR_INVALID, "a deposit event has another layout");
        }
        memcpy(ret + at, data.p + deposit_fields[i].offset + 32, deposit_fields[i].size);
        at += deposit_fields[i].size;
    }
    return 0;
}

// Appends type || data to the list; nothing when there is no data.
static int add(struct block_outcome *ret, uint8_t type, struct bytes data, struct arena *a,
               struct error *why) {
    if (data.n == 0) return 0;
    uint8_t *p = arena_alloc_raw(a, data.n + 1);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for requests");
    p[0] = type;
    memcpy(p + 1, data.p, data.n);
    ret->requests[ret->request_count++] = (struct bytes){p, data.n + 1};
    return 0;
}

static int deposits(const struct block_run *b, struct block_outcome *ret, struct arena *a,
                    struct error *why) {
    struct buf out;
    int r = 0;
    buf_init(&out, 0);
    for (size_t i = 0; r == 0 && i < ret->receipt_count; i++) {
        for (size_t k = 0; r == 0 && k < ret->receipts[i].log_count; k++) {
            const struct event_log *l = &ret->receipts[i].logs[k];
            uint8_t request[REQUEST_DEPOSIT_SIZE];
            if (!address_equal(&l->address, &b->env.config->deposit_contract)) continue;
            if (l->topic_count == 0 || !hash_equal(&l->topics[0], &deposit_topic)) continue;
            r = request_from_deposit_log(request, l->data, why);
            if (r == 0) buf_append(&out, (struct bytes){request, sizeof request});
        }
    }
    if (r == 0) r = buf_check(&out, why);
    if (r == 0) r = add(ret, 0, buf_view(&out), a, why);
    buf_free(&out);
    return r;
}

static int ask(struct block_run *b, struct block_outcome *ret, uint8_t type,
               const struct address *contract, struct arena *a, struct error *why) {
    struct evm_result result;
    bool missing;
    int r = transact_system_call(b->vm, contract, (struct bytes){0}, &result, &missing, why);
    if (r != 0) return r;
    if (missing && b->env.config->requests_optional) return 0;
    if (missing || result.status != EVM_SUCCESS) {
        return error_set(why, ERR_INVALID, "the contract of requests of type %u %s", type,
                         missing ? "is missing" : "failed");
    }
    return add(ret, type, result.output, a, why);
}

int requests_collect(struct block_run *b, struct block_outcome *ret, struct arena *a,
                     struct error *why) {
    int r = deposits(b, ret, a, why);
    if (r == 0) r = ask(b, ret, 1, &withdrawal_contract, a, why);
    if (r == 0) r = ask(b, ret, 2, &consolidation_contract, a, why);
    if (r == 0) ret->requests_hash = requests_hash(ret->requests, ret->request_count);
    return r;
}
