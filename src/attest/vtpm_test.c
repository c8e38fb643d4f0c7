/* A real vTPM: swtpm on loopback, with a key as Azure keeps it.
 * SPDX-License-Identifier: MIT */
#include "attest/ak_authority.h"
#include "attest/ak_chain.h"
#include "attest/digest.h"
#include "attest/vtpm_make.h"
#include "attest/vtpm_seal.h"
#include "test/harness/test.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct software_tpm {
    char folder[64];
    char tcti[64];
    pid_t pid;
    int port;
};

// A port whose successor is free too; swtpm's TCTI takes the control channel there.
static int free_port(void) {
    for (int tries = 0; tries < 50; tries++) {
        int fd[2], ok = 1, port = 0;
        for (int i = 0; i < 2; i++) {
            struct sockaddr_in at = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                     .sin_port = htons((uint16_t)(i ? port + 1 : 0))};
            socklen_t n = sizeof at;
            fd[i] = socket(AF_INET, SOCK_STREAM, 0);
            ok &= bind(fd[i], (struct sockaddr *)&at, sizeof at) == 0;
            (void)getsockname(fd[i], (struct sockaddr *)&at, &n);
            if (i == 0) port = ntohs(at.sin_port);
        }
        close(fd[0]);
        close(fd[1]);
        if (ok) return port;
    }
    return 0;
}

static bool connects(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool ok = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    return ok;
}

static void stop(struct software_tpm *t) {
    char line[128];
    (void)kill(t->pid, SIGTERM);
    (void)waitpid(t->pid, NULL, 0);
    (void)snprintf(line, sizeof line, "rm -rf %s", t->folder);
    CHECK(system(line) == 0);
}

static void run(struct software_tpm *t, const char *command) {
    char line[700];
    (void)snprintf(line, sizeof line, "cd %s && TPM2TOOLS_TCTI='%s' %s >/dev/null 2>err", t->folder,
                   t->tcti, command);
    if (system(line) != 0) {
        stop(t);
        FAIL("%s", command);
    }
}

static void start(struct software_tpm *t) {
    if (system("command -v swtpm tpm2_createak >/dev/null 2>&1") != 0) {
        SKIP("swtpm or tpm2-tools is not installed");
    }
    memset(t, 0, sizeof *t);
    (void)snprintf(t->folder, sizeof t->folder, "/tmp/attest-swtpm-XXXXXX");
    CHECK(mkdtemp(t->folder) != NULL);
    t->port = free_port();
    (void)snprintf(t->tcti, sizeof t->tcti, "swtpm:host=127.0.0.1,port=%d", t->port);
    char state[96], server[64], control[64];
    (void)snprintf(state, sizeof state, "dir=%s", t->folder);
    (void)snprintf(server, sizeof server, "type=tcp,port=%d,bindaddr=127.0.0.1", t->port);
    (void)snprintf(control, sizeof control, "type=tcp,port=%d,bindaddr=127.0.0.1", t->port + 1);
    t->pid = fork();
    if (t->pid == 0) {
        execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server,
               "--ctrl", control, "--flags", "not-need-init,startup-clear", (char *)NULL);
        _exit(127);
    }
    // Only the control port may be tried: a connection to the other would be the TPM's only one.
    for (int i = 0; i < 300 && !connects(t->port + 1); i++) {
        usleep(10000);
    }
}

static void make_key(struct software_tpm *t) {
    run(t, "tpm2_createek -c ek.ctx -G rsa -u ek.pub");
    run(t, "tpm2_flushcontext -t"); // a software TPM holds few objects at a time
    run(t, "tpm2_createak -C ek.ctx -c ak.ctx -G rsa -g sha256 -s rsassa -u ak.pub -n ak.name");
    run(t, "tpm2_flushcontext -t");
    run(t, "tpm2_evictcontrol -C o -c ak.ctx 0x81000003");
    run(t, "tpm2_flushcontext -t");
}

TEST(the_vtpm_quotes_its_pcrs_with_the_persistent_key) {
    struct software_tpm s;
    struct vtpm *tpm = NULL;
    struct vtpm_quote quote;
    struct tpm_attest attest;
    struct rsa_public key;
    struct arena a;
    struct error why = {0};
    uint8_t nonce[32] = {7, 7, 7};
    start(&s);
    make_key(&s);
    run(&s, "tpm2_pcrextend 11:sha256="
            "0101010101010101010101010101010101010101010101010101010101010101");
    arena_init(&a, 0);
    CHECK_OK(vtpm_open(&tpm, s.tcti, &why), &why);
    CHECK_OK(vtpm_quote_pcrs(&quote, tpm, VTPM_AK_HANDLE, bytes_make(nonce, 32), &a, &why), &why);
    CHECK_OK(tpm_attest_parse(&attest, quote.message, &why), &why);
    CHECK_BYTES(attest.extra_data, bytes_make(nonce, 32));
    CHECK_U64(attest.selection, 0xffffff);
    CHECK_OK(tpm_attest_check_pcrs(&attest, &quote.pcrs, &why), &why);
    CHECK(quote.pcrs.value[11][0] != 0);
    CHECK_OK(tpm_public_parse(&key, quote.public, &why), &why);
    CHECK_U64(key.e, 65537);
    CHECK_OK(tpm_verify(&key, quote.message, quote.signature, &why), &why);
    quote.pcrs.value[4][3] ^= 1;
    CHECK_ERR(tpm_attest_check_pcrs(&attest, &quote.pcrs, &why), ERR_INVALID);
    CHECK_ERR(vtpm_quote_pcrs(&quote, tpm, 0x81000099, bytes_make(nonce, 32), &a, &why),
              ERR_NOT_FOUND);
    vtpm_close(tpm);
    arena_free(&a);
    stop(&s);
}

TEST(what_is_sealed_comes_back_from_the_same_tpm_and_boot) {
    struct software_tpm s, other;
    struct vtpm *tpm = NULL;
    struct secret got = {0};
    struct buf plain, bound;
    struct error why = {0};
    uint8_t key[32] = {1, 2, 3}, long_one[VTPM_SECRET_BYTES_MAX + 1] = {0};
    start(&s);
    buf_init(&plain, 0);
    buf_init(&bound, 0);
    CHECK_OK(vtpm_open(&tpm, s.tcti, &why), &why);
    CHECK_ERR(vtpm_seal(&plain, tpm, bytes_make(long_one, sizeof long_one), 0, &why), ERR_RANGE);
    CHECK_ERR(vtpm_seal(&plain, tpm, bytes_make(key, 32), 1u << 24, &why), ERR_RANGE);
    CHECK_OK(vtpm_seal(&plain, tpm, bytes_make(key, 32), 0, &why), &why);
    CHECK_OK(vtpm_seal(&bound, tpm, bytes_make(key, 32), 1u << 11 | 1u << 4, &why), &why);
    CHECK(memmem(plain.p, plain.n, key, 32) == NULL);
    // Objects and sessions are flushed: it works as often as one likes.
    for (int i = 0; i < 5; i++) {
        CHECK_OK(vtpm_unseal(&got, tpm, buf_view(i & 1 ? &bound : &plain), &why), &why);
        CHECK_BYTES(secret_view(&got), bytes_make(key, 32));
        secret_free(&got);
    }
    plain.p[plain.n - 1] ^= 1;
    CHECK(vtpm_unseal(&got, tpm, buf_view(&plain), &why) < 0);
    plain.p[plain.n - 1] ^= 1;
    CHECK_ERR(vtpm_unseal(&got, tpm, bytes_slice(buf_view(&plain), 0, plain.n - 1), &why),
              ERR_SYNTAX);
    CHECK_ERR(vtpm_unseal(&got, tpm, BYTES_LIT("bn-sealed-1"), &why), ERR_SYNTAX);
    vtpm_close(tpm);
    run(&s, "tpm2_pcrextend 11:sha256="
            "0101010101010101010101010101010101010101010101010101010101010101");
    CHECK_OK(vtpm_open(&tpm, s.tcti, &why), &why);
    CHECK_ERR(vtpm_unseal(&got, tpm, buf_view(&bound), &why), ERR_UNTRUSTED);
    CHECK(strstr(why.text, "PCR") != NULL);
    CHECK_OK(vtpm_unseal(&got, tpm, buf_view(&plain), &why), &why);
    secret_free(&got);
    vtpm_close(tpm);
    stop(&s);
    start(&other);
    CHECK_OK(vtpm_open(&tpm, other.tcti, &why), &why);
    CHECK_ERR(vtpm_unseal(&got, tpm, buf_view(&plain), &why), ERR_UNTRUSTED);
    vtpm_close(tpm);
    stop(&other);
    buf_free(&plain);
    buf_free(&bound);
}

static int drop(void *context, struct buf *ret, struct bytes command, struct error *why) {
    (void)context;
    (void)ret;
    (void)command;
    return error_set(why, ERR_IO, "gone");
}

TEST(a_key_is_made_once_certified_and_measured_beside) {
    struct software_tpm s;
    struct vtpm *tpm = NULL;
    struct bytes public, again, der;
    struct rsa_public key, certified;
    struct tpm_pcrs pcrs;
    struct arena a;
    struct error why = {0};
    uint8_t event[32] = {11}, expected[32] = {0};
    char roots[4096] = "", path[128];
    start(&s);
    arena_init(&a, 0);
    CHECK_OK(vtpm_open(&tpm, s.tcti, &why), &why);
    CHECK_OK(vtpm_make_key(&public, tpm, VTPM_AK_HANDLE, &a, &why), &why);
    CHECK_OK(vtpm_make_key(&again, tpm, VTPM_AK_HANDLE, &a, &why), &why);
    CHECK_BYTES(again, public);
    CHECK_OK(vtpm_extend(tpm, 11, event, &why), &why);
    CHECK_OK(vtpm_read_pcrs(&pcrs, tpm, &why), &why);
    digest_extend(DIGEST_SHA256, expected, event);
    CHECK(memcmp(pcrs.value[11], expected, 32) == 0);
    CHECK_OK(tpm_public_parse(&key, public, &why), &why);
    const uint64_t now = 1700000000;
    CHECK_ERR(ak_authority_certify(&der, s.folder, &key, now, &a, &why), ERR_NOT_FOUND);
    CHECK_OK(ak_authority_make(s.folder, now, &why), &why);
    CHECK_OK(ak_authority_certify(&der, s.folder, &key, now, &a, &why), &why);
    CHECK_OK(ak_authority_make(s.folder, now, &why), &why); // stays
    (void)snprintf(path, sizeof path, "%s/" AK_AUTHORITY_ROOT, s.folder);
    FILE *f = fopen(path, "r");
    CHECK(f && fread(roots, 1, sizeof roots - 1, f) > 0);
    (void)fclose(f);
    const struct ak_chain chain = {.leaf = der};
    CHECK_OK(ak_chain_verify(&certified, &chain, roots, now, &a, &why), &why);
    CHECK_BYTES(certified.n, key.n);
    CHECK_ERR(ak_chain_verify(&certified, &chain, NULL, now, &a, &why), ERR_INVALID);
    CHECK_ERR(ak_chain_verify(&certified, &chain, roots, now + 2 * 365 * 86400, &a, &why),
              ERR_STALE);
    vtpm_close(tpm);
    const struct vtpm_way gone = {drop, NULL};
    CHECK(vtpm_open_way(&tpm, &gone, &why) < 0 ||
          (vtpm_read_pcrs(&pcrs, tpm, &why) == ERR_IO && (vtpm_close(tpm), true)));
    arena_free(&a);
    stop(&s);
}

TEST(nv_areas_are_written_read_and_resized) {
    struct software_tpm s;
    struct vtpm *tpm = NULL;
    struct arena a;
    struct bytes got;
    struct error why = {0};
    uint8_t data[64], larger[2049];
    memset(data, 0xa5, sizeof data);
    memset(larger, 0x5a, sizeof larger);
    start(&s);
    arena_init(&a, 0);
    CHECK_OK(vtpm_open(&tpm, s.tcti, &why), &why);
    CHECK_ERR(vtpm_nv_read(&got, tpm, VTPM_NV_USER_DATA, &a, &why), ERR_NOT_FOUND);
    CHECK_OK(vtpm_nv_write(tpm, VTPM_NV_USER_DATA, bytes_make(data, 64), &why), &why);
    CHECK_OK(vtpm_nv_read(&got, tpm, VTPM_NV_USER_DATA, &a, &why), &why);
    CHECK_BYTES(got, bytes_make(data, 64));
    CHECK_OK(vtpm_nv_write(tpm, VTPM_NV_USER_DATA, bytes_make(larger, 1000), &why), &why);
    CHECK_OK(vtpm_nv_read(&got, tpm, VTPM_NV_USER_DATA, &a, &why), &why);
    CHECK_BYTES(got, bytes_make(larger, 1000));
    larger[2047] = 1; // the last byte of the last of several writes
    CHECK_OK(vtpm_nv_write(tpm, VTPM_NV_USER_DATA, bytes_make(larger, 2048), &why), &why);
    CHECK_OK(vtpm_nv_read(&got, tpm, VTPM_NV_USER_DATA, &a, &why), &why);
    CHECK_BYTES(got, bytes_make(larger, 2048));
    CHECK_ERR(vtpm_nv_write(tpm, VTPM_NV_USER_DATA, bytes_make(larger, 2049), &why), ERR_RANGE);
    CHECK_ERR(vtpm_nv_write(tpm, VTPM_NV_USER_DATA, bytes_make(larger, 0), &why), ERR_RANGE);
    vtpm_close(tpm);
    arena_free(&a);
    stop(&s);
}

TEST(an_absent_tpm_is_told) {
    struct vtpm *tpm = NULL;
    struct error why = {0};
    CHECK_ERR(vtpm_open(&tpm, "device:/nonexistent", &why), ERR_NOT_FOUND);
}

TEST_MAIN()
