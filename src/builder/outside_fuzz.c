/* What relays and consensus clients send: the first byte chooses the reader.
 * SPDX-License-Identifier: MIT */
#include "builder/beacon_link.h"
#include "builder/block_list.h"
#include "builder/relay_wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct relay_duty *duties;
    struct slot_attributes attributes;
    struct block_list *list;
    struct top_bid bid;
    struct arena a;
    size_t count;
    if (size == 0) return 0;
    struct bytes in = {data + 1, size - 1};
    arena_init(&a, 16u << 20);
    switch (data[0] % 5) {
    case 0:
        if (relay_duties_decode(&duties, &count, in, &a, NULL) == 0 && count > in.n) abort();
        break;
    case 1:
        if (slot_attributes_decode(&attributes, in, &a, NULL) == 0 &&
            attributes.withdrawal_count > in.n) {
            abort();
        }
        break;
    case 2:
        if ((top_bid_decode(&bid, in, NULL) == 0) != (in.n == TOP_BID_BYTES)) abort();
        break;
    case 3:
        if (relay_classify(400, in) >= RELAY_ANSWER_COUNT) abort();
        break;
    default:
        if (block_list_parse(&list, in, NULL) == 0) {
            if (block_list_count(list) > in.n) abort();
            block_list_release(list);
        }
    }
    arena_free(&a);
    return 0;
}
