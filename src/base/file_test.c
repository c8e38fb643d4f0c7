/* Files. SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error why;

TEST(written_files_read_back_with_their_mode) {
    char folder[] = "/tmp/file_test_XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    char path[64];
    (void)snprintf(path, sizeof path, "%s/f", folder);
    struct buf b;
    buf_init(&b, 10);
    CHECK_ERR(file_read(&b, path, &why), ERR_NOT_FOUND);
    CHECK_OK(file_write_atomic(path, BYTES_LIT("0123456789"), NULL, &why), &why);
    CHECK_OK(file_read(&b, path, &why), &why);
    CHECK_BYTES(buf_view(&b), BYTES_LIT("0123456789"));
    struct stat st;
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    struct file_write_options options = {
        .mode = 0644, .set_owner = true, .uid = getuid(), .gid = getgid()};
    CHECK_OK(file_write_atomic(path, BYTES_LIT("01234567890"), &options, &why), &why);
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0644);
    buf_clear(&b);
    CHECK_ERR(file_read(&b, path, &why), ERR_LIMIT);
    buf_free(&b);
    buf_init(&b, 0);
    CHECK_OK(file_read(&b, "/proc/self/status", &why), &why);
    CHECK(b.n > 100);
    buf_free(&b);
    char other[64];
    (void)snprintf(other, sizeof other, "%s/none/f", folder);
    CHECK_ERR(file_write_atomic(other, BYTES_LIT(""), NULL, &why), ERR_NOT_FOUND);
    CHECK_ERR(file_write_atomic(folder, BYTES_LIT(""), NULL, &why), ERR_IO);
    CHECK_ERR(file_write_all(-1, BYTES_LIT("x"), &why), ERR_IO);
    (void)unlink(path);
    // Nothing else was left behind.
    CHECK(rmdir(folder) == 0);
}

TEST(standard_input_may_be_a_socket) {
    int pair[2], before = dup(STDIN_FILENO);
    CHECK(before >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(dup2(pair[0], STDIN_FILENO) == STDIN_FILENO);
    CHECK_OK(file_write_all(pair[1], BYTES_LIT("0123456789"), &why), &why);
    CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
    struct buf b;
    buf_init(&b, 10);
    CHECK_OK(file_read_operand(&b, "-", &why), &why);
    CHECK_BYTES(buf_view(&b), BYTES_LIT("0123456789"));
    CHECK(dup2(before, STDIN_FILENO) == STDIN_FILENO && close(before) == 0);
    buf_clear(&b);
    CHECK_ERR(file_read_operand(&b, "/no/such/file", &why), ERR_NOT_FOUND);
    buf_free(&b);
}

TEST_MAIN()
