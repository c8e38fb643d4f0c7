/* The allow-list.
 * SPDX-License-Identifier: MIT */
#include "attest/image.h"
#include "attest/policy.h"
#include "base/hex.h"
#include "hub/jsonb.h"
#include "hub/model_internal.h"
#include "json/write.h"

#include <stdlib.h>
#include <string.h>

struct loading {
    struct arena *arena;
    const struct model_rules *rules;
    struct model_measurement *item;
    size_t count, capacity;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for measurements");
}

// expected_any counts when it is not empty, else expected when it is not.
static int read_register(struct model_register *ret, const struct json *v, struct arena *a,
                         struct error *why) {
    const struct json *any = json_get(v, "expected_any"), *one = json_get(v, "expected");
    bool use_any = json_type_of(any) == JSON_ARRAY && json_count(any) > 0;
    size_t n = use_any ? json_count(any) : json_text(one).n > 0 && one->type == JSON_STRING;
    struct bytes *expected = arena_new_array(a, struct bytes, n + 1);
    if (!expected) return no_memory(why);
    ret->expected = expected;
    ret->expected_count = n;
    if (!use_any && n) expected[0] = arena_copy(a, json_text(one));
    if (!use_any) return 0;
    json_each(item, any) {
        *expected++ = json_is_null(item) ? (struct bytes){NULL, 0} : arena_copy(a, json_text(item));
    }
    return 0;
}

static int compare(const void *left, const void *right) {
    const struct model_register *a = left, *b = right;
    return bytes_compare(a->key, b->key);
}

/* ---- image hashes ---- */

#define IMAGE_MEMBER "dcap_image_hashes"
#define IMAGE_HEX 96

static const char *const image_members[] = {"uki_authenticode", "kernel_authenticode",
                                            "cmdline_hash", "initrd_hash", "gpt_disk_guid_hash"};

int measurement_read_image(struct policy_image *ret, const struct json *v, struct error *why) {
    uint8_t *const fields[] = {ret->uki_authenticode, ret->kernel_authenticode, ret->cmdline_hash,
                               ret->initrd_hash, ret->gpt_hash};
    const size_t n = sizeof fields / sizeof fields[0];
    int r = json_expect(v, JSON_OBJECT, why);
    if (r != 0) return r;
    for (size_t i = 0; i < n; i++) {
        struct bytes text;
        r = json_get_string(&text, v, image_members[i], why);
        if (r == 0 && text.n != IMAGE_HEX) {
            r = json_error(why, ERR_INVALID, v, "%s has 96 hex digits", image_members[i]);
        }
        if (r == 0) r = hex_decode(fields[i], text, why);
        if (r != 0) return r;
    }
    return json_count(v) == n ? 0 : json_error(why, ERR_INVALID, v, "an unknown image hash");
}

void measurement_write_image(struct json_writer *w, const struct policy_image *image) {
    const uint8_t *const fields[] = {image->uki_authenticode, image->kernel_authenticode,
                                     image->cmdline_hash, image->initrd_hash, image->gpt_hash};
    json_begin_object(w, IMAGE_MEMBER);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char text[IMAGE_HEX];
        hex_encode(text, bytes_make(fields[i], 48));
        json_add_text(w, image_members[i], bytes_make(text, IMAGE_HEX));
    }
    json_end(w);
}

const struct json *measurement_image(const struct json *stored) {
    return json_type_of(stored) == JSON_OBJECT ? json_get(stored, IMAGE_MEMBER) : NULL;
}

static struct bytes digest_text(struct arena *a, const uint8_t *digest) {
    char text[IMAGE_HEX];
    hex_encode(text, bytes_make(digest, 48));
    return arena_copy(a, bytes_make(text, IMAGE_HEX));
}

// MRTD is one of the firmwares that the operator trusts to measure; RTMR1..3 are the image's.
static int compute_registers(struct model_measurement *m, const struct json *image,
                             struct loading *l, struct error *why) {
    static const struct bytes keys[] = {{(const uint8_t *)"0", 1},
                                        {(const uint8_t *)"2", 1},
                                        {(const uint8_t *)"3", 1},
                                        {(const uint8_t *)"4", 1}};
    struct policy_image hashes;
    uint8_t rtmr[4][48];
    const struct config_list *firmware = l->rules->firmware;
    size_t n = firmware ? firmware->count : 0;
    int r = measurement_read_image(&hashes, image, why);
    if (r != 0) return r;
    image_predict_gcp_image(rtmr, &hashes);
    struct bytes *expected = arena_new_array(l->arena, struct bytes, n + 4);
    m->registers = arena_new_array(l->arena, struct model_register, 4);
    if (!expected || !m->registers) return no_memory(why);
    for (size_t i = 0; i < n; i++)
        expected[i] = arena_copy(l->arena, bytes_from_str(firmware->items[i]));
    for (size_t i = 0; i < 4; i++) {
        if (i) expected[n + i - 1] = digest_text(l->arena, rtmr[i]);
        m->registers[i] =
            (struct model_register){keys[i], i ? &expected[n + i - 1] : expected, i ? 1 : n};
    }
    m->register_count = 4;
    m->portable = true;
    return 0;
}

/* ---- loading ---- */

// Rows come from other programs too. What is neither registers nor null says nothing of who may
// come in, and an entry without registers would let everybody in.
static bool is_entry(const struct json *doc) {
    return json_type_of(doc) == JSON_OBJECT || json_is_null(doc);
}

static int read_registers(struct model_measurement *m, const struct json *doc, struct arena *a,
                          struct error *why) {
    m->registers = arena_new_array(a, struct model_register, json_count(doc) + 1);
    if (!m->registers) return no_memory(why);
    json_members(key, value, doc) {
        struct model_register *reg = &m->registers[m->register_count++];
        reg->key = json_text(key);
        int r = read_register(reg, value, a, why);
        if (r != 0) return r;
    }
    qsort(m->registers, m->register_count, sizeof *m->registers, compare);
    return 0;
}

static int take(void *context, const struct store_measurement *row, struct error *why) {
    struct loading *l = context;
    const struct json *doc;
    if (l->count == l->capacity) {
        size_t more = l->capacity ? 2 * l->capacity : 16;
        struct model_measurement *item = arena_new_array(l->arena, struct model_measurement, more);
        if (!item) return no_memory(why);
        if (l->count) memcpy(item, l->item, l->count * sizeof *item);
        l->item = item;
        l->capacity = more;
    }
    struct bytes text = arena_copy(l->arena, row->measurement);
    struct model_measurement *m = &l->item[l->count++];
    m->name = arena_copy(l->arena, row->name);
    m->type = arena_copy(l->arena, row->type);
    m->active = row->active;
    int r = json_parse(&doc, text, l->arena, &JSONB_LIMITS, why);
    if (r == 0) {
        const struct json *image = measurement_image(doc);
        m->is_null = json_is_null(doc);
        m->unreadable = !is_entry(doc);
        r = image ? compute_registers(m, image, l, why) : read_registers(m, doc, l->arena, why);
    }
    if (r == 0 || r == ERR_NO_MEMORY) return r;
    m->unreadable = true;
    m->register_count = 0;
    return 0;
}

// The published form keeps which of the two forms was given; both when both were.
int measurement_publish(struct json_writer *w, struct bytes stored, struct arena *a,
                        struct error *why) {
    const struct json *doc;
    int r = json_parse(&doc, stored, a, &JSONB_LIMITS, why);
    if (r != 0) return r;
    if (json_type_of(doc) != JSON_OBJECT) {
        json_add_null(w, "measurements");
        return 0;
    }
    struct policy_image image;
    if (measurement_image(doc)) {
        r = measurement_read_image(&image, measurement_image(doc), why);
        if (r == 0) measurement_write_image(w, &image);
        return r;
    }
    size_t n = 0;
    struct model_register *keys = arena_new_array(a, struct model_register, json_count(doc) + 1);
    if (!keys) return no_memory(why);
    json_members(key, value, doc) {
        (void)value;
        keys[n++].key = json_text(key);
    }
    qsort(keys, n, sizeof *keys, compare);
    json_begin_object(w, "measurements");
    for (size_t i = 0; i < n; i++) {
        const struct json *value = NULL;
        json_members(key, v, doc) {
            if (bytes_equal(json_text(key), keys[i].key)) value = v;
        }
        const struct json *any = json_get(value, "expected_any"),
                          *one = json_get(value, "expected");
        json_add_key(w, keys[i].key);
        json_begin_object(w, NULL);
        if (json_type_of(one) == JSON_STRING && json_text(one).n) {
            json_add_text(w, "expected", json_text(one));
        }
        if (json_count(any)) json_begin_array(w, "expected_any");
        json_each(item, any) {
            json_add_text(w, NULL, json_is_null(item) ? BYTES_LIT("") : json_text(item));
        }
        if (json_count(any)) json_end(w);
        json_end(w);
    }
    json_end(w);
    return 0;
}

static int publish(void *context, const struct store_measurement *row, struct error *why) {
    struct json_writer *w = context;
    struct arena a;
    if (!row->active) return 0;
    arena_init(&a, 0);
    json_begin_object(w, NULL);
    json_add_text(w, "measurement_id", row->name);
    json_add_text(w, "attestation_type", row->type);
    int r = measurement_publish(w, row->measurement, &a, why);
    json_end(w);
    arena_free(&a);
    return r;
}

struct both {
    struct loading loading;
    struct json_writer writer;
};

static int take_and_publish(void *context, const struct store_measurement *row, struct error *why) {
    struct both *b = context;
    int r = take(&b->loading, row, why);
    if (r != 0 || b->loading.item[b->loading.count - 1].unreadable) return r;
    return publish(&b->writer, row, why);
}

int allowed_read(struct model_allowed *ret, const struct model_rules *rules, struct store *s,
                 struct error *why) {
    struct both b = {.loading = {.arena = &ret->memory, .rules = rules}};
    arena_init(&ret->memory, 0);
    buf_init(&ret->published, 0);
    json_writer_init(&b.writer, &ret->published, JSON_GO_HTML);
    json_begin_array(&b.writer, NULL);
    int r = store_measurements(s, take_and_publish, &b, why);
    json_end(&b.writer);
    if (r == 0) r = buf_check(&ret->published, why);
    ret->items = b.loading.item;
    ret->count = b.loading.count;
    if (r != 0) allowed_free(ret);
    return r;
}

void allowed_free(struct model_allowed *a) {
    arena_free(&a->memory);
    buf_free(&a->published);
}

static const struct model_claim *claim_of(struct bytes key, const struct model_claim *claims,
                                          size_t count) {
    for (size_t i = count; i-- > 0;) { // the last of equal keys counts
        if (bytes_equal(claims[i].key, key)) return &claims[i];
    }
    return NULL;
}

bool model_matches(const struct model_measurement *e, const struct model_claim *claims,
                   size_t count, const struct model_register **ret_register) {
    if (e->unreadable) return false;
    for (size_t i = 0; i < e->register_count; i++) {
        const struct model_register *reg = &e->registers[i];
        const struct model_claim *claim = claim_of(reg->key, claims, count);
        bool found = false;
        for (size_t k = 0; claim && k < reg->expected_count && !found; k++) {
            found = bytes_equal(reg->expected[k], claim->value);
        }
        if (found) continue;
        if (ret_register) *ret_register = reg;
        return false;
    }
    return true;
}

const struct model_measurement *model_match(const struct model *m, struct bytes type,
                                            const struct model_claim *claims, size_t count) {
    for (size_t i = 0; i < m->measurement_count; i++) {
        const struct model_measurement *e = &m->measurements[i];
        if (e->active && bytes_equal(e->type, type) && model_matches(e, claims, count, NULL)) {
            return e;
        }
    }
    return NULL;
}

const struct model_measurement *model_match_proved(const struct model *m,
                                                   enum attestation_type evidence,
                                                   const struct model_claim *claims, size_t count) {
    for (size_t i = 0; i < m->measurement_count; i++) {
        const struct model_measurement *e = &m->measurements[i];
        enum attestation_type type;
        if (!e->active || !attestation_type_parse(&type, e->type)) continue;
        if (type == ATTESTATION_NONE || !attestation_same_kind(type, evidence)) continue;
        if (model_matches(e, claims, count, NULL)) return e;
    }
    return NULL;
}

const struct model_measurement *model_measurement(const struct model *m, struct bytes name) {
    for (size_t i = 0; i < m->measurement_count; i++) {
        if (bytes_equal(m->measurements[i].name, name)) return &m->measurements[i];
    }
    return NULL;
}
