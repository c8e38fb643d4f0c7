/* SPDX-License-Identifier: MIT */
#include "attested_proxy/headers.h"

#define TYPE "x-flashbots-attestation-type"
#define MEASUREMENT "x-flashbots-measurement"
#define ROOT "x-buildernet-attestation-root"

static const char *const family[] = {TYPE, MEASUREMENT, ROOT};
static const char *const forwarded_family[] = {"x-forwarded-for", "x-real-ip", "forwarded"};

static bool is_like(struct bytes name, const char *known) {
    if (name.n != strlen(known)) return false;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i] == '_' ? '-' : name.p[i];
        if (c != (uint8_t)known[i]) return false;
    }
    return true;
}

static void remove_like(struct http_fields *f, const char *known) {
    for (unsigned i = 0; i < f->count;) {
        struct bytes name = f->item[i].name;
        if (!is_like(name, known)) {
            i++;
            continue;
        }
        http_fields_remove(f, name); // all of that spelling
    }
}

void headers_clean(struct http_fields *f, bool forwarded) {
    for (size_t i = 0; i < sizeof family / sizeof family[0]; i++)
        remove_like(f, family[i]);
    for (size_t i = 0; forwarded && i < sizeof forwarded_family / sizeof forwarded_family[0]; i++)
        remove_like(f, forwarded_family[i]);
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
