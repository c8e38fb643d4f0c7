/* SPDX-License-Identifier: MIT */
#include "collateral/shelf.h"

#include "attest/files.h"
#include "attest/testing.h"

#include <stdio.h>
#include <stdlib.h>

static void save(const char *folder, const struct simulator_spec *spec) {
    struct simulator *s;
    struct error why = {0};
    CHECK_OK(simulator_new(&s, spec, &why), &why);
    CHECK_OK(simulator_save(s, folder, &why), &why);
    simulator_free(s);
}

static void remove_folder(const char *folder) {
    char line[64];
    (void)snprintf(line, sizeof line, "rm -rf %s", folder);
    CHECK(system(line) == 0);
}

TEST(the_newest_of_each_platform_is_found) {
    char folder[] = "/tmp/shelf-XXXXXX", path[64], item[64];
    struct shelf *s;
    struct error why = {0};
    struct simulator_spec spec = testing_spec();
    CHECK(mkdtemp(folder) != NULL);
    CHECK_ERR(shelf_open(&s, folder, &why), ERR_NOT_FOUND); // nothing in it
    CHECK_ERR(shelf_open(&s, "/nonexistent", &why), ERR_NOT_FOUND);
    static const char *const names[] = {"old", "new", "other"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/.%s", folder, names[i]);
        spec.now = TESTING_NOW + (i == 1 ? 1000 : 0);
        spec.fmspc[0] = i == 2 ? 0xee : 1;
        save(path, &spec);
        (void)snprintf(path, sizeof path, "%s/.%s/collateral", folder, names[i]);
        (void)snprintf(item, sizeof item, "%s/%s", folder, names[i]);
        CHECK(rename(path, item) == 0);
    }
    CHECK_OK(shelf_open(&s, folder, &why), &why);
    CHECK_U64(s->count, 3); // names with a dot are no platforms
    const struct collateral *c = shelf_find_tcb(s, TCB_INFO_TDX, testing_spec().fmspc);
    CHECK(c != NULL && c->tcb_info.issue_date == TESTING_NOW + 1000);
    CHECK(shelf_find_identity(s, TCB_INFO_TDX) == c && shelf_find_root_crl(s) == c);
    spec.fmspc[0] = 0xee;
    CHECK(shelf_find_tcb(s, TCB_INFO_TDX, spec.fmspc) != NULL);
    spec.fmspc[0] = 0xdd;
    CHECK(shelf_find_tcb(s, TCB_INFO_TDX, spec.fmspc) == NULL);
    CHECK(shelf_find_tcb(s, TCB_INFO_SGX, testing_spec().fmspc) == NULL);
    bool processor = shelf_is_processor(c);
    CHECK(shelf_find_crl(s, processor) == c && shelf_find_crl(s, !processor) == NULL);
    shelf_free(s);

    (void)snprintf(path, sizeof path, "%s/old", folder); // one platform's own folder
    CHECK_OK(shelf_open(&s, path, &why), &why);
    CHECK_U64(s->count, 1);
    shelf_free(s);
    (void)snprintf(path, sizeof path, "%s/broken.json", folder);
    CHECK_OK(files_write(path, BYTES_LIT("{"), 0600, &why), &why);
    CHECK(shelf_open(&s, folder, &why) < 0); // all must be good, and the one is named
    CHECK(strstr(why.text, "broken.json") != NULL);
    remove_folder(folder);
}

TEST_MAIN()
