/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include "test/harness/test.h"

#include <errno.h>

TEST(errors_have_a_code_and_a_text) {
    struct error why;
    CHECK_ERR(error_set(&why, ERR_RANGE, "%d of %d", 3, 2), ERR_RANGE);
    CHECK(why.code == ERR_RANGE && why.at == 0 && why.os == 0);
    CHECK_STR(why.text, "3 of 2");
    CHECK_ERR(error_set_at(&why, ERR_SYNTAX, 7, "here"), ERR_SYNTAX);
    CHECK(why.code == ERR_SYNTAX && why.at == 7 && why.os == 0);
    CHECK_ERR(error_set_at(&why, ERR_SYNTAX, UINT64_MAX, "here"), ERR_SYNTAX);
    CHECK(why.at == UINT32_MAX);
    CHECK_ERR(error_set_os(&why, ERR_IO, ENOENT, "file %s", "a"), ERR_IO);
    CHECK(why.code == ERR_IO && why.os == ENOENT);
    CHECK_STR(why.text, "file a: No such file or directory");
}

TEST(errors_keep_their_code_when_wrapped) {
    struct error why;
    CHECK_ERR(error_set_at(&why, ERR_LIMIT, 5, "too long"), ERR_LIMIT);
    CHECK_ERR(error_wrap(&why, "peer %s", "b"), ERR_LIMIT);
    CHECK(why.code == ERR_LIMIT && why.at == 5);
    CHECK_STR(why.text, "peer b: too long");
    // Where nobody keeps the details there is no code to give again.
    CHECK_ERR(error_set(NULL, ERR_LIMIT, "too long"), ERR_LIMIT);
    CHECK_ERR(error_wrap(NULL, "peer"), ERR_INTERNAL);
}

TEST(errors_are_cut_where_the_text_ends) {
    struct error why;
    char text[2 * ERROR_TEXT_MAX];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    CHECK_ERR(error_set(&why, ERR_INVALID, "%s", text), ERR_INVALID);
    CHECK_U64(strlen(why.text), ERROR_TEXT_MAX - 1);
    CHECK_ERR(error_wrap(&why, "front"), ERR_INVALID);
    CHECK_U64(strlen(why.text), ERROR_TEXT_MAX - 1);
    CHECK(strncmp(why.text, "front: xxx", 10) == 0);
    CHECK_ERR(error_wrap(&why, "%s", text), ERR_INVALID);
    CHECK_U64(strlen(why.text), ERROR_TEXT_MAX - 1);
}

TEST(errors_have_names_and_classes) {
    CHECK_STR(error_name(0), "ok");
    CHECK_STR(error_name(ERR_NOT_FOUND), "not_found");
    CHECK_STR(error_name(ERR_LOWEST - 1), "internal");
    CHECK_STR(error_name(1), "internal");
    for (int code = ERR_LOWEST; code < 0; code++) {
        const struct error_class *c = error_class_of(code);
        CHECK(c->name && c->http_status >= 400 && c->json_rpc_code < 0 && c->exit_status > 0);
    }
}

TEST_MAIN()
