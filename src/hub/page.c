/* The read-only page at /ui: plain HTML, no script, everything escaped.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "hub/hub_internal.h"

#define CHANGES_SHOWN 50

static void cell(struct buf *out, struct bytes in) {
    buf_append_str(out, "<td>");
    buf_append_html(out, in);
    buf_append_str(out, "</td>");
}

static void cell_str(struct buf *out, const char *s) {
    cell(out, bytes_from_str(s));
}

static void write_builders(struct buf *out, const struct model *m) {
    buf_append_str(out, "<h2>Builders</h2><table><tr><th>Name<th>Address<th>DNS name<th>Network"
                        "<th>State<th>Registered<th>Shadow of<th>Last contact</tr>");
    for (size_t i = 0; i < m->count; i++) {
        const struct model_builder *b = m->sorted[i];
        char when[CLOCK_TEXT_MAX] = "never";
        uint64_t seen = atomic_load(&b->seen_ns);
        if (seen) (void)clock_format(when, seen, 0);
        buf_append_str(out, "<tr>");
        cell_str(out, b->name);
        cell_str(out, b->ip);
        cell_str(out, b->dns_name);
        cell_str(out, b->network);
        cell_str(out, b->active ? "enabled" : "disabled");
        cell_str(out, b->complete ? "yes" : "not all services");
        cell_str(out, b->shadow_of);
        cell_str(out, when);
        buf_append_str(out, "</tr>");
    }
    buf_append_str(out, "</table>");
}

static void write_measurements(struct buf *out, const struct model *m) {
    buf_append_str(out, "<h2>Allow-list</h2><table><tr><th>Measurement<th>Type<th>State"
                        "<th>Registers</tr>");
    for (size_t i = 0; i < m->measurement_count; i++) {
        const struct model_measurement *e = &m->measurements[i];
        buf_append_str(out, "<tr>");
        cell(out, e->name);
        cell(out, e->type);
        cell_str(out, e->active ? "enabled" : "disabled");
        buf_append_str(out, "<td>");
        if (e->portable) buf_append_str(out, "computed from image hashes<br>");
        if (e->unreadable) buf_append_str(out, "not readable: nobody is let in");
        if (e->register_count == 0 && !e->unreadable)
            buf_append_str(out, "none: everybody of this type is let in");
        for (size_t k = 0; k < e->register_count; k++) {
            const struct model_register *r = &e->registers[k];
            buf_append_html(out, r->key);
            if (r->expected_count == 0) buf_append_str(out, ": no value, never matches");
            for (size_t j = 0; j < r->expected_count; j++) {
                buf_append_str(out, j ? " or <code>" : ": <code>");
                buf_append_html(out, r->expected[j]);
                buf_append_str(out, "</code>");
            }
            buf_append_str(out, "<br>");
        }
        buf_append_str(out, "</td></tr>");
    }
    buf_append_str(out, "</table>");
}

static int write_change(void *context, const struct store_event *e, struct error *why) {
    struct buf *out = context;
    (void)why;
    buf_append_str(out, "<tr>");
    cell(out, e->created);
    cell(out, e->action);
    cell(out, e->subject);
    cell(out, e->author);
    cell(out, e->reason);
    buf_append_str(out, "</tr>");
    return 0;
}

void internal_page(struct hub_call *c) {
    struct buf *out = &c->res->body;
    struct error why;
    buf_append_str(out, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
                        "<title>Hub</title><style>body{font-family:sans-serif}"
                        "td,th{text-align:left;padding:.2em 1em .2em 0;vertical-align:top}"
                        "code{word-break:break-all}</style><h1>Hub</h1>");
    (void)pthread_rwlock_rdlock(&c->hub->lock);
    write_builders(out, &c->hub->model);
    write_measurements(out, &c->hub->model);
    (void)pthread_rwlock_unlock(&c->hub->lock);
    buf_append_str(out, "<h2>Changes</h2><table><tr><th>When<th>What<th>Subject<th>By<th>Reason"
                        "</tr>");
    int r = store_changes(c->hub->options.store, CHANGES_SHOWN, write_change, out, &why);
    buf_append_str(out, r == 0 ? "</table></html>\n"
                               : "</table><p>The database does not answer.</html>\n");
    c->res->status = 200;
    c->res->content_type = "text/html; charset=utf-8";
    hub_add_header(c->res, "Content-Security-Policy",
                   BYTES_LIT("default-src 'none'; style-src 'unsafe-inline'"));
    hub_add_header(c->res, "X-Content-Type-Options", BYTES_LIT("nosniff"));
    if (out->failed) hub_status(c, 500);
}
