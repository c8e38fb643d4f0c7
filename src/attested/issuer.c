/* SPDX-License-Identifier: MIT */
#include "attested/issuer.h"

#include "attest/atls.h"
#include "attest/quoter.h"
#include "attest/vtpm.h"
#include "base/list.h"

#include <stdlib.h>

#define WAITING_DEFAULT 256

struct issuer {
    struct loop *loop;
    enum attestation_type type;
    bool simulated;
    struct quoter *quoter; /* NULL: Azure */
    struct azure_maker azure;
    char *texts[4];     /* of azure, and the TPM's TCTI */
    struct arena arena; /* of one Azure evidence; the worker's */
    struct pool *pool;
    struct pool_mailbox mailbox;
    struct loop_fd watch;
    bool watching;
    struct metric *made, *failed, *seconds;
};

/* ---- the worker ---- */

static int make_azure(struct issuer *i, struct issuer_request *r) {
    struct azure_evidence e;
    int code;
    buf_clear(&r->evidence);
    if (r->document) {
        code = azure_make_document(&e, &i->azure, r->report_data, r->user_data, &i->arena, &r->why);
        if (code == 0) code = azure_document_write(&r->evidence, &e, &r->why);
    } else {
        code = azure_make(&e, &i->azure, r->report_data, &i->arena, &r->why);
        if (code == 0) code = azure_evidence_write(&r->evidence, &e, &r->why);
    }
    arena_reset(&i->arena);
    return code;
}

static int open_tpm(struct issuer *i, struct error *why) {
    vtpm_close(i->azure.tpm);
    i->azure.tpm = NULL;
    return vtpm_open(&i->azure.tpm, i->texts[3], why);
}

static void work(void *context) {
    struct issuer_request *r = context;
    struct issuer *i = r->issuer;
    if (i->quoter) {
        r->code = quoter_make(i->quoter, &r->evidence, r->report_data, &r->why);
        return;
    }
    r->code = i->azure.tpm ? make_azure(i, r) : ERR_IO;
    // What carries the TPM's commands may have begun anew: its connections then lead nowhere.
    if (r->code == ERR_IO) r->code = open_tpm(i, &r->why);
    if (r->code == 0 && r->evidence.n == 0) r->code = make_azure(i, r);
}

static void finished(void *context) {
    struct issuer_request *r = context;
    struct issuer *i = r->issuer;
    metric_inc(r->code == 0 ? i->made : i->failed);
    metric_observe_ns(i->seconds, clock_monotonic_ns(loop_clock(i->loop)) - r->asked_ns);
    r->done(r);
}

static void drain(struct loop_fd *watch, unsigned events) {
    (void)events;
    (void)pool_mailbox_drain(&LIST_ENTRY(watch, struct issuer, watch)->mailbox);
}

int issuer_ask(struct issuer *i, struct issuer_request *r, struct error *why) {
    r->issuer = i;
    r->code = 0;
    r->why = (struct error){0};
    r->asked_ns = clock_monotonic_ns(loop_clock(i->loop));
    r->task = (struct pool_task){work, finished, r, &i->mailbox, NULL};
    buf_init(&r->evidence, r->document ? ATLS_CERTIFICATE_BYTES_MAX : AZURE_EVIDENCE_BYTES_MAX);
    if (pool_submit(i->pool, &r->task)) return 0;
    metric_inc(i->failed);
    return error_set(why, ERR_BUSY, "too many handshakes wait for a quote");
}

/* ---- sources ---- */

static int open_source(struct issuer *i, const struct issuer_options *o, struct error *why) {
    uint64_t wait_ms = o->wait_ns / NS_PER_MS;
    if (strncmp(o->source, "vtpm:", 5) == 0) {
        const char *const from[] = {o->imds_url, o->hcl_file, o->event_log, o->source + 5};
        for (size_t n = 0; n < sizeof from / sizeof from[0]; n++) {
            i->texts[n] = from[n] ? strdup(from[n]) : NULL;
            if (from[n] && !i->texts[n]) return error_set(why, ERR_NO_MEMORY, "quote source");
        }
        i->azure = (struct azure_maker){.imds_url = i->texts[0],
                                        .hcl_file = i->texts[1],
                                        .event_log = i->texts[2],
                                        .wait_ms = wait_ms};
        return open_tpm(i, why);
    }
    i->simulated = strncmp(o->source, "simulator:", 10) == 0;
    return quoter_open(&i->quoter,
                       &(struct quoter_source){.source = o->source,
                                               .type = o->type,
                                               .token = o->token,
                                               .fields = o->fields,
                                               .field_count = o->field_count,
                                               .version = o->quote_version,
                                               .wait_ms = wait_ms},
                       why);
}

/* ---- life ---- */

int issuer_new(struct issuer **ret, struct loop *l, const struct issuer_options *o,
               struct error *why) {
    struct issuer *i = calloc(1, sizeof *i);
    if (!i) return error_set(why, ERR_NO_MEMORY, "no memory for an issuer");
    i->loop = l;
    i->type = o->type;
    i->made = o->made;
    i->failed = o->failed;
    i->seconds = o->seconds;
    i->mailbox.fd = -1;
    arena_init(&i->arena, 4 * AZURE_EVIDENCE_BYTES_MAX);
    int r = open_source(i, o, why);
    if (r == 0 && (o->type == ATTESTATION_AZURE_TDX) != (i->quoter == NULL)) {
        r = error_set(why, ERR_INVALID, "quote source \"%.80s\" makes no evidence of type %s",
                      o->source, attestation_type_name(o->type));
    }
    if (r == 0) r = pool_mailbox_open(&i->mailbox, why);
    if (r == 0) {
        i->watch = (struct loop_fd){i->mailbox.fd, LOOP_READ, drain};
        r = loop_fd_add(l, &i->watch, why);
        i->watching = r == 0;
    }
    if (r == 0) r = pool_start(&i->pool, 1, o->waiting ? o->waiting : WAITING_DEFAULT, why);
    if (r < 0) {
        issuer_free(i);
        return r;
    }
    *ret = i;
    return 0;
}

void issuer_free(struct issuer *i) {
    if (!i) return;
    pool_stop(i->pool);
    if (i->mailbox.fd >= 0) {
        (void)pool_mailbox_drain(&i->mailbox);
        if (i->watching) loop_fd_remove(i->loop, &i->watch);
        pool_mailbox_close(&i->mailbox);
    }
    quoter_free(i->quoter);
    vtpm_close(i->azure.tpm);
    arena_free(&i->arena);
    for (size_t n = 0; n < sizeof i->texts / sizeof i->texts[0]; n++)
        free(i->texts[n]);
    free(i);
}

enum attestation_type issuer_type(const struct issuer *i) {
    return i->type;
}

bool issuer_is_simulated(const struct issuer *i) {
    return i->simulated;
}
