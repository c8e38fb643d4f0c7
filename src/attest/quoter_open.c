/* Quoters by the text that configurations hold. SPDX-License-Identifier: MIT */
#include "attest/quoter.h"
#include "attest/simulator.h"

#include <string.h>

static int open_simulator(struct quoter **ret, const struct quoter_source *from, const char *folder,
                          struct error *why) {
    struct simulator *s = NULL;
    struct td_report td;
    int r = simulator_load(&s, folder, why);
    if (r < 0) return error_wrap(why, "simulated platform");
    simulator_td(s, &td);
    simulator_free(s);
    for (size_t i = 0; r == 0 && i < from->field_count; i++) {
        const char *field = from->fields[i], *equal = strchr(field, '=');
        if (!equal) return error_set(why, ERR_SYNTAX, "simulated TD: '%s' has no '='", field);
        r = simulator_td_set(&td, bytes_make(field, (size_t)(equal - field)),
                             bytes_from_str(equal + 1), why);
    }
    return r < 0 ? r : quoter_simulator(ret, folder, &td, from->version, why);
}

int quoter_open(struct quoter **ret, const struct quoter_source *from, struct error *why) {
    const char *text = from->source;
    if (strcmp(text, "tsm") == 0) {
        return quoter_tsm(ret, QUOTER_TSM_FOLDER, from->type, from->wait_ms, why);
    }
    if (strncmp(text, "tsm:", 4) == 0) {
        return quoter_tsm(ret, text + 4, from->type, from->wait_ms, why);
    }
    if (strncmp(text, "simulator:", 10) == 0) return open_simulator(ret, from, text + 10, why);
    if (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) {
        return quoter_remote(ret, text, from->token, from->wait_ms, why);
    }
    return error_set(why, ERR_SYNTAX,
                     "quote source \"%.80s\": tsm[:FOLDER], simulator:FOLDER or a URL", text);
}
