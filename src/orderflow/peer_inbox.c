/* SPDX-License-Identifier: MIT */
#include "orderflow/peer_inbox.h"

#include <stdlib.h>

static struct inbox_place *place_at(struct peer_inbox *in, uint64_t place) {
    return &in->places[place % PEER_INBOX_OPEN_MAX];
}

void peer_inbox_init(struct peer_inbox *in) {
    memset(in, 0, sizeof *in);
}

void peer_inbox_free(struct peer_inbox *in) {
    free(in->places);
    free(in->refused);
    peer_inbox_init(in);
}

uint64_t peer_inbox_begin(struct peer_inbox *in, const struct wire_id *stream) {
    if (wire_id_equal(&in->stream, stream)) return in->handed;
    in->stream = *stream;
    in->generation++;
    in->handed = in->acked = 0;
    in->first = in->end;
    in->refused_count = in->refused_at = 0;
    in->news = false;
    return 0;
}

enum inbox_verdict peer_inbox_offer(struct peer_inbox *in, uint64_t seq, uint64_t *ret_place) {
    if (seq <= in->handed) return INBOX_DUPLICATE;
    if (!in->places) in->places = calloc(PEER_INBOX_OPEN_MAX, sizeof *in->places);
    if (!in->refused) in->refused = calloc(PEER_INBOX_REFUSED_MAX, sizeof *in->refused);
    if (!in->places || !in->refused) return INBOX_FULL;
    if (in->end - in->first == PEER_INBOX_OPEN_MAX) return INBOX_FULL;
    *ret_place = in->end++;
    *place_at(in, *ret_place) = (struct inbox_place){.seq = seq};
    in->handed = seq;
    return INBOX_NEW;
}

void peer_inbox_take_back(struct peer_inbox *in, uint64_t place) {
    if (in->end == in->first || place != in->end - 1) return;
    in->handed = place_at(in, place)->seq - 1;
    in->end--;
}

static void remember_refusal(struct peer_inbox *in, const struct inbox_place *p) {
    in->refused[in->refused_at] = *p;
    in->refused_at = (in->refused_at + 1) % PEER_INBOX_REFUSED_MAX;
    if (in->refused_count < PEER_INBOX_REFUSED_MAX) in->refused_count++;
}

void peer_inbox_settle(struct peer_inbox *in, uint64_t generation, uint64_t place, uint8_t status) {
    if (generation != in->generation || place < in->first || place >= in->end) return;
    struct inbox_place *p = place_at(in, place);
    p->settled = true;
    p->status = status;
    in->news |= place == in->first;
}

void peer_inbox_answer(struct peer_inbox *in, struct buf *out, bool all) {
    if (all) {
        unsigned from = in->refused_at + PEER_INBOX_REFUSED_MAX - in->refused_count;
        for (unsigned i = 0; i < in->refused_count; i++) {
            const struct inbox_place *p = &in->refused[(from + i) % PEER_INBOX_REFUSED_MAX];
            wire_put_refuse(out, p->seq, p->status);
        }
    }
    if (!in->news && !all) return;
    in->news = false;
    uint64_t before = in->acked;
    while (in->first < in->end && place_at(in, in->first)->settled) {
        const struct inbox_place *p = place_at(in, in->first++);
        in->acked = p->seq;
        if (p->status == 0) continue;
        wire_put_refuse(out, p->seq, p->status);
        remember_refusal(in, p);
    }
    if (in->acked > before || (all && in->acked > 0)) wire_put_ack(out, in->acked);
}
