/* A machine over a real software TPM: what a guest finds in it, and what follows its writes.
 * SPDX-License-Identifier: MIT */
#include "paravisor/machine.h"

#include "attest/ak_authority.h"
#include "attest/ak_chain.h"
#include "attest/digest.h"
#include "attest/hcl.h"
#include "attest/vtpm_make.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "test/harness/test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SWTPM "/usr/bin/swtpm"

struct world {
    char folder[64], socket[96], root[96];
    struct process tpm;
    struct arena arena;
    struct machine_options options;
};

static void start_tpm(struct world *w) {
    char state[96], server[128];
    struct error why = {0};
    (void)unlink(w->socket);
    (void)snprintf(state, sizeof state, "dir=%s", w->folder);
    (void)snprintf(server, sizeof server, "type=unixio,path=%s", w->socket);
    const char *argv[] = {
        SWTPM,        "socket", "--tpm2",   "--flags", "not-need-init,startup-clear",
        "--tpmstate", state,    "--server", server,    NULL};
    const struct process_options o = {.argv = argv, .die_with_parent = true};
    CHECK_OK(process_start(&w->tpm, &o, &why), &why);
    for (int i = 0; i < 2000 && access(w->socket, F_OK) < 0; i++) {
        (void)usleep(10000);
    }
}

static void stop_tpm(struct world *w) {
    process_free(&w->tpm);
    w->tpm = (struct process){.pidfd = -1, .out_fd = {-1, -1}};
}

static void begin(struct world *w) {
    struct error why = {0};
    *w = (struct world){.tpm = {.pidfd = -1, .out_fd = {-1, -1}}};
    if (access(SWTPM, X_OK) < 0) SKIP("swtpm is not installed");
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/paravisor-machine-XXXXXX");
    CHECK(mkdtemp(w->folder) != NULL);
    (void)snprintf(w->socket, sizeof w->socket, "%s/socket", w->folder);
    (void)snprintf(w->root, sizeof w->root, "%s/" AK_AUTHORITY_ROOT, w->folder);
    arena_init(&w->arena, 4u << 20);
    w->options = (struct machine_options){.socket = w->socket,
                                          .authority = w->folder,
                                          .now = clock_wall_ns(&clock_system) / NS_PER_S};
    memset(w->options.mr_td, 0x44, sizeof w->options.mr_td);
    memset(w->options.image, 0x0b, sizeof w->options.image);
    CHECK_OK(ak_authority_make(w->folder, w->options.now, &why), &why);
    start_tpm(w);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static void end(struct world *w) {
    stop_tpm(w);
    arena_free(&w->arena);
    (void)nftw(w->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int guest_exchange(void *context, struct buf *ret, struct bytes command, struct error *why) {
    return machine_command(context, ret, command, why);
}

// The TPM as the guest sees it, through the machine.
static struct vtpm *guest_of(struct machine *m) {
    struct vtpm *t = NULL;
    struct error why = {0};
    CHECK_OK(vtpm_open_way(&t, &(struct vtpm_way){guest_exchange, m}, &why), &why);
    return t;
}

static struct machine *open_machine(struct world *w) {
    struct machine *m = NULL;
    struct error why = {0};
    CHECK_OK(machine_open(&m, &w->options, &why), &why);
    return m;
}

static void read_report(struct world *w, struct vtpm *guest, struct hcl_report *ret,
                        struct hcl_runtime *runtime) {
    struct error why = {0};
    struct bytes report;
    CHECK_OK(vtpm_nv_read(&report, guest, VTPM_NV_HCL_REPORT, &w->arena, &why), &why);
    CHECK_U64(report.n, MACHINE_REPORT_BYTES);
    CHECK_OK(hcl_parse(ret, report, &why), &why);
    CHECK_OK(hcl_runtime_parse(runtime, ret->runtime, &w->arena, &why), &why);
}

static void check_pcr(struct vtpm *guest, const uint8_t image[32]) {
    struct tpm_pcrs pcrs;
    struct error why = {0};
    uint8_t wanted[32] = {0};
    digest_extend(DIGEST_SHA256, wanted, image);
    CHECK_OK(vtpm_read_pcrs(&pcrs, guest, &why), &why);
    CHECK_BYTES(bytes_make(pcrs.value[MACHINE_PCR], 32), bytes_make(wanted, 32));
}

TEST(a_guest_finds_key_certificate_report_and_measurement) {
    struct world w;
    struct hcl_report report;
    struct hcl_runtime runtime;
    struct vtpm_quote quote;
    struct rsa_public of_quote, certified;
    struct bytes der;
    struct error why = {0};
    begin(&w);
    struct machine *m = open_machine(&w);
    struct vtpm *guest = guest_of(m);
    read_report(&w, guest, &report, &runtime);
    CHECK_BYTES(bytes_make(report.td.mr_td, 48), bytes_make(w.options.mr_td, 48));
    CHECK(runtime.has_user_data && runtime.secure_boot && runtime.tpm_enabled);
    CHECK_BYTES(bytes_make(runtime.user_data, 64), bytes_make((uint8_t[64]){0}, 64));
    check_pcr(guest, w.options.image);
    // The key that quotes is the report's, and the authority's certificate is of it.
    CHECK_OK(vtpm_quote_pcrs(&quote, guest, VTPM_AK_HANDLE, BYTES_LIT("nonce"), &w.arena, &why),
             &why);
    CHECK_OK(tpm_public_parse(&of_quote, quote.public, &why), &why);
    CHECK_BYTES(of_quote.n, runtime.ak.n);
    CHECK_OK(tpm_verify(&runtime.ak, quote.message, quote.signature, &why), &why);
    CHECK_OK(vtpm_nv_read(&der, guest, VTPM_NV_AK_CERTIFICATE, &w.arena, &why), &why);
    const struct ak_chain chain = {.leaf = der};
    struct buf roots;
    buf_init(&roots, 64u << 10);
    CHECK_OK(file_read(&roots, w.root, &why), &why);
    buf_append_byte(&roots, 0);
    CHECK_OK(
        ak_chain_verify(&certified, &chain, (const char *)roots.p, w.options.now, &w.arena, &why),
        &why);
    CHECK_BYTES(certified.n, runtime.ak.n);
    buf_free(&roots);
    vtpm_close(guest);
    machine_close(m);
    end(&w);
}

TEST(user_data_is_in_the_next_report) {
    struct world w;
    struct hcl_report report;
    struct hcl_runtime runtime;
    struct error why = {0};
    uint8_t data[64];
    begin(&w);
    struct machine *m = open_machine(&w);
    struct vtpm *guest = guest_of(m);
    for (uint8_t round = 1; round <= 3; round++) {
        memset(data, round, sizeof data);
        CHECK_OK(vtpm_nv_write(guest, VTPM_NV_USER_DATA, bytes_make(data, sizeof data), &why),
                 &why);
        read_report(&w, guest, &report, &runtime);
        CHECK_BYTES(bytes_make(runtime.user_data, 64), bytes_make(data, sizeof data));
    }
    // Another size is no user data: the report stays as it was.
    CHECK_OK(vtpm_nv_write(guest, VTPM_NV_USER_DATA, BYTES_LIT("short"), &why), &why);
    read_report(&w, guest, &report, &runtime);
    CHECK_BYTES(bytes_make(runtime.user_data, 64), bytes_make(data, sizeof data));
    // Nor is what is written elsewhere.
    CHECK_OK(vtpm_nv_write(guest, 0x01400005, bytes_make((uint8_t[64]){9}, 64), &why), &why);
    read_report(&w, guest, &report, &runtime);
    CHECK_BYTES(bytes_make(runtime.user_data, 64), bytes_make(data, sizeof data));
    vtpm_close(guest);
    machine_close(m);
    end(&w);
}

TEST(a_machine_that_is_opened_again_is_the_same) {
    struct world w;
    struct hcl_report report;
    struct hcl_runtime before, after;
    struct machine *m, *other = NULL;
    struct error why = {0};
    begin(&w);
    m = open_machine(&w);
    struct vtpm *guest = guest_of(m);
    read_report(&w, guest, &report, &before);
    vtpm_close(guest);
    machine_close(m);
    for (int i = 0; i < 2; i++) { // with the TPM as it runs, and with one that was started again
        if (i == 1) {
            stop_tpm(&w);
            start_tpm(&w);
        }
        m = open_machine(&w);
        guest = guest_of(m);
        read_report(&w, guest, &report, &after);
        CHECK_BYTES(after.ak.n, before.ak.n);
        check_pcr(guest, w.options.image); // measured once, not twice
        vtpm_close(guest);
        machine_close(m);
    }
    memset(w.options.image, 0x0c, sizeof w.options.image);
    CHECK_ERR(machine_open(&other, &w.options, &why), ERR_CONFLICT);
    CHECK(other == NULL);
    end(&w);
}

TEST(what_is_not_there_is_said) {
    struct world w;
    struct machine *m = NULL;
    struct error why = {0};
    char far[200];
    uint8_t command[12] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 4}; // GetRandom
    struct buf answer;
    begin(&w);
    struct machine_options o = w.options;
    o.socket = "/tmp/paravisor-no-socket";
    CHECK_ERR(machine_open(&m, &o, &why), ERR_NOT_FOUND);
    memset(far, 'x', sizeof far - 1);
    far[sizeof far - 1] = '\0';
    o.socket = far;
    CHECK_ERR(machine_open(&m, &o, &why), ERR_RANGE);
    o = w.options;
    o.authority = "/tmp/paravisor-no-authority";
    CHECK_ERR(machine_open(&m, &o, &why), ERR_NOT_FOUND);
    CHECK(m == NULL);
    m = open_machine(&w);
    CHECK(machine_fd(m) >= 0);
    buf_init(&answer, 0);
    CHECK_OK(machine_command(m, &answer, bytes_make(command, sizeof command), &why), &why);
    CHECK_U64(answer.n, 10 + 2 + 4);
    stop_tpm(&w); // the TPM goes, and the machine with it
    CHECK_ERR(machine_command(m, &answer, bytes_make(command, sizeof command), &why), ERR_IO);
    buf_free(&answer);
    machine_close(m);
    machine_close(NULL);
    end(&w);
}

TEST_MAIN()
