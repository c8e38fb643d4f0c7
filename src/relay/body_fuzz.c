/* Everything that builders, proposers and beacon nodes send. The first byte picks the reader, the
 * second the fork of the network. What decodes must encode to what decodes to the same.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "eth/ssz_json.h"
#include "relay/beacon.h"
#include "relay/testing.h"
#include "relay/unblind.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARENA_MAX (64u << 20)

static void check_submission(const struct submission_input *in, const struct network *n,
                             struct arena *a) {
    struct submission s, again;
    if (submission_decode(&s, in, n, a, NULL) != 0) return;
    if (submission_complete(&s, a, NULL) != 0) abort();
    if (submission_reload(&again, s.ssz, s.fork, n, a, NULL) != 0) abort();
    if (!hash_equal(&s.header.transactions_root, &again.header.transactions_root)) abort();
    if (!hash_equal(&s.header.withdrawals_root, &again.header.withdrawals_root)) abort();
}

static void check_header(const struct submission_input *in, const struct network *n,
                         struct arena *a) {
    struct submission s;
    struct bid_roots roots;
    if (submission_decode_header(&s, in, n, a, NULL) != 0) return;
    const struct ssz_list commitments = {s.commitments.items, s.commitments.count};
    if (bid_roots_of(&roots, &s.header, &commitments, &s.request.execution_requests, s.types,
                     s.fork, a, NULL) != 0) {
        abort();
    }
}

static void check_blinded(const struct unblind_input *in, const struct network *n,
                          struct arena *a) {
    struct unblind_block b, again;
    struct buf out;
    if (unblind_decode(&b, in, n, a, NULL) != 0) return;
    buf_init(&out, 0);
    ssz_encode(&out, b.types->signed_blinded_block, b.signed_block);
    const struct unblind_input ssz = {.body = buf_view(&out), .ssz = true};
    if (unblind_decode(&again, &ssz, n, a, NULL) != 0) abort();
    if (b.slot != again.slot || !hash_equal(&b.block_hash, &again.block_hash)) abort();
    buf_free(&out);
}

static void check_registrations(struct bytes in, bool json, struct arena *a) {
    SSZ_LIST_OF(struct signed_validator_registration) all;
    const struct json *doc;
    if (!json) {
        (void)!ssz_decode(&all, &ssz_signed_validator_registrations, in, a, NULL);
    } else if (json_parse(&doc, in, a, NULL, NULL) == 0) {
        (void)!ssz_json_decode(&all, &ssz_signed_validator_registrations, doc, a, NULL);
    }
}

static void check_network(struct bytes in, struct arena *a) {
    const struct json *doc;
    struct network n;
    if (json_parse(&doc, in, a, NULL, NULL) != 0) return;
    if (network_read(&n, json_get(doc, "genesis"), json_get(doc, "spec"), 0, NULL) != 0) return;
    (void)network_fork_at(&n, UINT64_MAX);
    (void)network_slot_start_ns(&n, UINT64_MAX);
    (void)network_into_slot_ns(&n, UINT64_MAX, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    struct network n = testing_network(data[1] % CONSENSUS_FORK_COUNT, 1000, 12 * NS_PER_S);
    struct bytes in = {data + 2, size - 2};
    struct arena a;
    arena_init(&a, ARENA_MAX);
    struct submission_input submission = {.body = in};
    struct payload_attributes attributes;
    switch (data[0] % 9) {
    case 0:
    case 1:
    case 2:
        submission.ssz = data[0] % 9 == 1;
        submission.coding = data[0] % 9 == 2 ? CODING_GZIP : CODING_IDENTITY;
        check_submission(&submission, &n, &a);
        break;
    case 3:
        submission.ssz = true;
        check_header(&submission, &n, &a);
        break;
    case 4:
    case 5:
        check_blinded(&(struct unblind_input){.body = in, .ssz = data[0] % 9 == 5}, &n, &a);
        break;
    case 6:
        check_registrations(in, data[1] & 1, &a);
        break;
    case 7:
        (void)!beacon_parse_attributes(&attributes, in, &n, &a, NULL);
        break;
    default:
        check_network(in, &a);
    }
    arena_free(&a);
    return 0;
}
