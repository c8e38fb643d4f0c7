/* SPDX-License-Identifier: MIT */
#include "paravisor/machine.h"

#include "attest/ak_authority.h"
#include "attest/digest.h"
#include "attest/vtpm_make.h"
#include "base/base64.h"
#include "base/hex.h"
#include "net/socket.h"
#include "json/write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define TPM_WAIT_S 20 /* making a key of 2,048 bits takes software a while */
#define HEADER_BYTES 10
#define COMMAND_NV_WRITE 0x137u
#define CERTIFICATE_AREA_BYTES 1500 /* as Azure's: larger than what it holds */

struct machine {
    int fd;
    struct vtpm *tpm; /* through this same descriptor */
    struct rsa_public key;
    uint8_t mr_td[48];
    struct arena arena; /* key and certificate; for the machine's life */
};

/* ---- the TPM ---- */

static int connect_tpm(int *ret, const char *path, struct error *why) {
    const struct timeval wait = {.tv_sec = TPM_WAIT_S};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) return error_set(why, ERR_RANGE, "%s: too long", path);
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "socket");
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0) {
        int os = errno;
        (void)close(fd);
        return error_set_os(why, ERR_NOT_FOUND, os, "TPM at %s", path);
    }
    *ret = fd;
    return 0;
}

static int receive(int fd, uint8_t *to, size_t n, struct error *why) {
    while (n) {
        ssize_t got = recv(fd, to, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return error_set(why, ERR_TIMEOUT, "the TPM does not answer");
        }
        if (got <= 0) return error_set(why, ERR_IO, "the TPM has gone");
        to += got;
        n -= (size_t)got;
    }
    return 0;
}

static int exchange(void *context, struct buf *ret, struct bytes command, struct error *why) {
    struct machine *m = context;
    uint8_t response[VTPM_MESSAGE_BYTES_MAX];
    if (send(m->fd, command.p, command.n, MSG_NOSIGNAL) != (ssize_t)command.n) {
        return error_set(why, ERR_IO, "the TPM takes no command");
    }
    int r = receive(m->fd, response, HEADER_BYTES, why);
    if (r < 0) return r;
    uint32_t n = load_be32(response + 2);
    if (n < HEADER_BYTES || n > sizeof response) {
        return error_set(why, ERR_IO, "the TPM answers %u bytes", n);
    }
    r = receive(m->fd, response + HEADER_BYTES, n - HEADER_BYTES, why);
    if (r < 0) return r;
    buf_append(ret, bytes_make(response, n));
    return buf_check(ret, why);
}

/* ---- the report ---- */

static void write_runtime(const struct machine *m, struct buf *out, const uint8_t user_data[64]) {
    struct json_writer w;
    struct buf n;
    char digits[129] = "";
    hex_encode(digits, bytes_make(user_data, 64));
    buf_init(&n, 0);
    base64_append(&n, m->key.n, BASE64_URL | BASE64_NO_PAD);
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "keys");
    json_begin_object(&w, NULL);
    json_add_str(&w, "kid", "HCLAkPub");
    json_begin_array(&w, "key_ops");
    json_add_str(&w, NULL, "sign");
    json_end(&w);
    json_add_str(&w, "kty", "RSA");
    json_add_str(&w, "e", "AQAB");
    json_add_text(&w, "n", buf_view(&n));
    json_end(&w);
    json_end(&w);
    json_begin_object(&w, "vm-configuration");
    json_add_bool(&w, "secure-boot", true);
    json_add_bool(&w, "tpm-enabled", true);
    json_end(&w);
    json_add_str(&w, "user-data", digits);
    json_end(&w);
    buf_free(&n);
}

static int refresh(struct machine *m, const uint8_t user_data[64], struct error *why) {
    const uint8_t zero[MACHINE_REPORT_BYTES] = {0};
    struct buf runtime, report;
    buf_init(&runtime, MACHINE_REPORT_BYTES);
    buf_init(&report, MACHINE_REPORT_BYTES);
    write_runtime(m, &runtime, user_data);
    int r = buf_check(&runtime, why);
    if (r == 0) {
        hcl_write(&report, m->mr_td, buf_view(&runtime));
        buf_append(&report, bytes_make(zero, MACHINE_REPORT_BYTES - report.n));
        r = buf_check(&report, why);
    }
    if (r == 0) r = vtpm_nv_write(m->tpm, VTPM_NV_HCL_REPORT, buf_view(&report), why);
    buf_free(&runtime);
    buf_free(&report);
    return r;
}

/* ---- what the TPM holds ---- */

static int make_key(struct machine *m, struct error *why) {
    struct bytes public;
    int r = vtpm_make_key(&public, m->tpm, VTPM_AK_HANDLE, &m->arena, why);
    return r == 0 ? tpm_public_parse(&m->key, public, why) : r;
}

static int make_certificate(struct machine *m, const struct machine_options *o, struct error *why) {
    uint8_t area[CERTIFICATE_AREA_BYTES] = {0};
    struct bytes der;
    int r = ak_authority_certify(&der, o->authority, &m->key, o->now, &m->arena, why);
    if (r == 0 && der.n > sizeof area) r = error_set(why, ERR_INTERNAL, "certificate too long");
    if (r < 0) return r;
    memcpy(area, der.p, der.n);
    return vtpm_nv_write(m->tpm, VTPM_NV_AK_CERTIFICATE, bytes_make(area, sizeof area), why);
}

// PCRs last as long as the TPM runs, which may be longer than this program.
static int measure(struct machine *m, const uint8_t image[32], struct error *why) {
    struct tpm_pcrs pcrs;
    uint8_t wanted[32] = {0};
    const uint8_t nothing[32] = {0};
    digest_extend(DIGEST_SHA256, wanted, image);
    int r = vtpm_read_pcrs(&pcrs, m->tpm, why);
    if (r < 0 || memcmp(pcrs.value[MACHINE_PCR], wanted, 32) == 0) return r;
    if (memcmp(pcrs.value[MACHINE_PCR], nothing, 32) != 0) {
        return error_set(why, ERR_CONFLICT, "the TPM has measured another image");
    }
    return vtpm_extend(m->tpm, MACHINE_PCR, image, why);
}

int machine_open(struct machine **ret, const struct machine_options *o, struct error *why) {
    const uint8_t nothing[64] = {0};
    struct machine *m = calloc(1, sizeof *m);
    if (!m) return error_set(why, ERR_NO_MEMORY, "machine");
    m->fd = -1;
    memcpy(m->mr_td, o->mr_td, sizeof m->mr_td);
    arena_init(&m->arena, 64u << 10);
    int r = connect_tpm(&m->fd, o->socket, why);
    if (r == 0) r = vtpm_open_way(&m->tpm, &(struct vtpm_way){exchange, m}, why);
    if (r == 0) r = make_key(m, why);
    if (r == 0) r = make_certificate(m, o, why);
    if (r == 0) r = refresh(m, nothing, why);
    if (r == 0) r = measure(m, o->image, why);
    if (r < 0) {
        machine_close(m);
        return r;
    }
    *ret = m;
    return 0;
}

void machine_close(struct machine *m) {
    if (!m) return;
    vtpm_close(m->tpm);
    if (m->fd >= 0) (void)close(m->fd);
    arena_free(&m->arena);
    free(m);
}

/* ---- the guest's commands ---- */

/* NV_Write: header, authorisation handle, index, size of the authorisation, authorisation, size of
 * the data, data, offset. The user data when it is all of that area; else NULL. */
static const uint8_t *written_user_data(struct bytes c) {
    if (c.n < 22 || load_be32(c.p + 6) != COMMAND_NV_WRITE ||
        load_be32(c.p + 14) != VTPM_NV_USER_DATA) {
        return NULL;
    }
    size_t authorisation = load_be32(c.p + 18);
    if (authorisation > c.n - 22 || c.n - 22 - authorisation != 2 + 64 + 2) return NULL;
    const uint8_t *data = c.p + 22 + authorisation;
    return load_be16(data) == 64 ? data + 2 : NULL;
}

int machine_command(struct machine *m, struct buf *ret, struct bytes command, struct error *why) {
    size_t from = ret->n;
    int r = exchange(m, ret, command, why);
    if (r < 0) return r;
    const uint8_t *user_data = written_user_data(command);
    bool done = ret->n - from >= HEADER_BYTES && load_be32(ret->p + from + 6) == 0;
    return user_data && done ? refresh(m, user_data, why) : 0;
}

int machine_fd(const struct machine *m) {
    return m->fd;
}
