/* An accounts file of any bytes: what is taken can be looked up with a hash of bcrypt's form, and
 * is taken again when it is written anew. SPDX-License-Identifier: MIT */
#include "hub/admins.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) abort();
}

// One account at most: whose name is the first line's.
static void check_first(const struct admins *a, struct bytes text) {
    const uint8_t *colon = memchr(text.p, ':', text.n), *end = memchr(text.p, '\n', text.n);
    if (!colon || text.p[0] == '#' || (end && end < colon)) return;
    struct bytes user = bytes_slice(text, 0, (size_t)(colon - text.p));
    if (user.n == 0) return;
    const char *hash = admins_hash(a, user);
    must(hash && strlen(hash) == 60 && hash[0] == '$' && hash[1] == '2');
}

static void again(const char *hash) {
    struct error why;
    struct admins *a;
    struct buf text;
    must(admins_new(&a, &why) == 0);
    buf_init(&text, 0);
    buf_printf(&text, "# one\n\nsomebody:%s \r\n", hash);
    must(admins_parse(a, buf_view(&text), &why) == 0 && admins_are_named(a));
    must(strcmp(admins_hash(a, BYTES_LIT("somebody")), hash) == 0);
    must(admins_parse(a, buf_view(&text), &why) == ERR_CONFLICT);
    buf_free(&text);
    admins_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes text = bytes_make(data, size);
    struct error why = {0};
    struct admins *a;
    if (size > ADMINS_FILE_BYTES_MAX) return 0; // such files are not read
    must(admins_new(&a, &why) == 0);
    if (admins_parse(a, text, &why) == 0) {
        must(admins_any_hash(a) != NULL);
        check_first(a, text);
        again(admins_any_hash(a));
    } else {
        must(why.code == ERR_SYNTAX || why.code == ERR_CONFLICT || why.code == ERR_LIMIT);
    }
    admins_free(a);
    return 0;
}
