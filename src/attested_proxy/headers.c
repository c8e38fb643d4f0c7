/* SPDX-License-Identifier: MIT */
#include "attested_proxy/headers.h"

#define TYPE "x-flashbots-attestation-type"
#define MEASUREMENT "x-flashbots-measurement"
#define ROOT "x-buildernet-attestation-root"

#define NAME(text)                                                                                 \
    { (const uint8_t *)(text), sizeof(text) - 1 }
#define FAMILY 3 /* of these, the attestation's own */
static const struct bytes reserved[] = {NAME(TYPE),        NAME(MEASUREMENT),
                                        NAME(ROOT),        NAME("x-forwarded-for"),
                                        NAME("x-real-ip"), NAME("forwarded")};

static bool is_like(struct bytes name, struct bytes known) {
    if (name.n != known.n) return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if ((plain ? c : '-') != known.p[i]) return false;
    }
    return true;
}

static bool is_reserved(struct bytes name, bool forwarded) {
    size_t count = forwarded ? sizeof reserved / sizeof reserved[0] : FAMILY;
    for (size_t i = 0; i < count; i++) {
        if (is_like(name, reserved[i])) return true;
    }
    return false;
}

void headers_clean(struct http_fields *f, bool forwarded) {
    for (unsigned i = 0; i < f->count;) {
        struct bytes name = f->item[i].name;
        if (is_reserved(name, forwarded))
            http_fields_remove(f, name); // all of that spelling
        else
            i++;
    }
}

int headers_tell(struct http_fields *f, struct arena *a, const struct attested_peer *peer,
                 struct error *why) {
    if (!peer || !peer->attested) return 0;
    struct bytes type = bytes_from_str(attestation_type_name(peer->type));
    int r = http_fields_add(f, a, bytes_from_str(TYPE), type, why);
    if (r == 0) r = http_fields_add(f, a, bytes_from_str(MEASUREMENT), peer->measurements, why);
    if (r == 0 && peer->root) {
        r = http_fields_add(f, a, bytes_from_str(ROOT), bytes_from_str(peer->root), why);
    }
    return r;
}

void headers_limit_upgrade(struct http_request *r) {
    static const char only[] = "websocket";
    struct bytes wish = http_get(&r->fields, HTTP_FIELD_UPGRADE);
    if (wish.n == sizeof only - 1 && http_has_token(&r->fields, HTTP_FIELD_UPGRADE, only)) return;
    http_fields_remove(&r->fields, BYTES_LIT("upgrade"));
    r->upgrade = false;
}
