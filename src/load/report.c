/* What a run gave, for people (text), programs (JSON) and both (one HTML file).
 * SPDX-License-Identifier: MIT */
#include "load/load.h"

#include "json/write.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 1};
static const char *const quantile_names[] = {"p50", "p90", "p99", "p99.9", "max"};
#define QUANTILES 5

static double target_rate(const struct load_report *r) {
    return r->settings->per_block ? 0 : (double)r->settings->rate;
}

static double achieved_rate(const struct load_report *r) {
    return r->result->sending_us ? (double)r->result->sets * 1e6 / (double)r->result->sending_us
                                 : 0;
}

static double ms(uint64_t us) {
    return (double)us / 1e3;
}

// Text

static void latency_line(struct buf *out, const char *name, const struct histogram *h) {
    buf_printf(out, "%-12s", name);
    for (unsigned i = 0; i < QUANTILES; i++) {
        buf_printf(out, "  %s %.3f ms", quantile_names[i], ms(histogram_quantile(h, quantiles[i])));
    }
    buf_append_byte(out, '\n');
}

void report_text(struct buf *out, const struct load_report *r) {
    const struct load_result *v = r->result;
    buf_printf(out, "scenario    %s, seed \"%s\", chain %llu (%s)\n", r->scenario,
               r->settings->seed, (unsigned long long)r->chain_id, r->client);
    if (r->settings->per_block) {
        buf_printf(out, "rate        %llu a block asked, %.1f/s achieved\n",
                   (unsigned long long)r->settings->per_block, achieved_rate(r));
    } else {
        buf_printf(out,
                   "rate        %.1f/s asked, %.1f/s achieved; latest %.3f ms behind its time\n",
                   target_rate(r), achieved_rate(r), ms(v->late_us));
    }
    buf_printf(out,
               "orders      %llu planned, %llu sent, %llu taken, %llu refused, %llu landed, %llu "
               "missed, %llu had no account\n",
               (unsigned long long)v->planned, (unsigned long long)v->sent,
               (unsigned long long)v->accepted, (unsigned long long)v->refused,
               (unsigned long long)v->landed, (unsigned long long)v->missed,
               (unsigned long long)v->starved);
    buf_printf(out, "signing     %llu of %llu not ahead of their time\n",
               (unsigned long long)v->late_signed, (unsigned long long)v->sets);
    buf_printf(out,
               "chain       %zu blocks, %llu gas used by orders, %llu reverted, %llu forbidden\n",
               v->block_count, (unsigned long long)v->gas_used, (unsigned long long)v->reverted,
               (unsigned long long)v->forbidden);
    latency_line(out, "answer", &v->rpc);
    latency_line(out, "inclusion", &v->inclusion);
    for (size_t i = 0; i < v->reason_count; i++) {
        buf_printf(out, "refused     %8llu  %s\n", (unsigned long long)v->reasons[i].count,
                   v->reasons[i].text);
    }
}

// JSON

static void write_latency(struct json_writer *w, const char *key, const struct histogram *h) {
    json_begin_object(w, key);
    json_add_u64(w, "count", h->count);
    json_add_double(w, "mean_ms", h->count ? ms(h->sum_us) / (double)h->count : 0);
    for (unsigned i = 0; i < QUANTILES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%s_ms", quantile_names[i]);
        json_add_double(w, name, ms(histogram_quantile(h, quantiles[i])));
    }
    json_end(w);
}

static void write_machine(struct json_writer *w) {
    struct utsname u;
    json_begin_object(w, "machine");
    json_add_i64(w, "processors", sysconf(_SC_NPROCESSORS_ONLN));
    if (uname(&u) == 0) json_add_str(w, "kernel", u.release);
    json_end(w);
}

static void write_blocks(struct json_writer *w, const struct load_result *v) {
    json_begin_array(w, "blocks");
    for (size_t i = 0; i < v->block_count; i++) {
        const struct load_block *b = &v->blocks[i];
        json_begin_object(w, NULL);
        json_add_u64(w, "number", b->number);
        json_add_double(w, "seen_ms", ms(b->seen_us));
        json_add_u64(w, "gas_used", b->gas_used);
        json_add_u64(w, "gas_limit", b->gas_limit);
        json_add_u64(w, "txs", b->txs);
        json_add_u64(w, "ours", b->ours);
        json_end(w);
    }
    json_end(w);
}

static size_t seconds(const struct load_result *v) {
    size_t n = sizeof v->per_second / sizeof v->per_second[0];
    while (n && !v->per_second[n - 1]) {
        n--;
    }
    return n;
}

void report_json(struct buf *out, const struct load_report *r) {
    const struct load_result *v = r->result;
    struct json_writer w;
    json_writer_init(&w, out, JSON_PRETTY);
    json_begin_object(&w, NULL);
    json_add_u64(&w, "version", 1);
    json_add_str(&w, "scenario", r->scenario);
    json_add_str(&w, "seed", r->settings->seed);
    json_add_u64(&w, "chain_id", r->chain_id);
    json_add_str(&w, "client", r->client);
    json_add_u64(&w, "began_ms", v->began_wall_ms);
    json_add_double(&w, "target_rate", target_rate(r));
    json_add_u64(&w, "target_per_block", r->settings->per_block);
    json_add_double(&w, "achieved_rate", achieved_rate(r));
    json_add_double(&w, "latest_ms", ms(v->late_us));
    json_add_double(&w, "sending_ms", ms(v->sending_us));
    json_add_double(&w, "total_ms", ms(v->total_us));
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {{"planned", v->planned},        {"sent", v->sent},
                  {"accepted", v->accepted},      {"refused", v->refused},
                  {"landed", v->landed},          {"missed", v->missed},
                  {"starved", v->starved},        {"reverted", v->reverted},
                  {"forbidden", v->forbidden},    {"gas_used", v->gas_used},
                  {"late_signed", v->late_signed}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        json_add_u64(&w, counts[i].name, counts[i].n);
    }
    write_latency(&w, "answer", &v->rpc);
    write_latency(&w, "inclusion", &v->inclusion);
    json_begin_array(&w, "reasons");
    for (size_t i = 0; i < v->reason_count; i++) {
        json_begin_object(&w, NULL);
        json_add_str(&w, "text", v->reasons[i].text);
        json_add_u64(&w, "count", v->reasons[i].count);
        json_end(&w);
    }
    json_end(&w);
    json_begin_array(&w, "sent_each_second");
    for (size_t i = 0; i < seconds(v); i++) {
        json_add_u64(&w, NULL, v->per_second[i]);
    }
    json_end(&w);
    write_blocks(&w, v);
    write_machine(&w);
    json_end(&w);
    buf_append_byte(out, '\n');
}

// HTML: one file, plots as SVG, nothing loaded from elsewhere.

#define PLOT_W 720.0
#define PLOT_H 200.0

// Bars from 0 to the highest value, with a text below each third or so.
static void bars(struct buf *out, const char *title, const double *values, size_t n,
                 const char *(*label)(size_t i, void *context), void *context) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        if (values[i] > most) most = values[i];
    }
    buf_append_str(out, "<figure><figcaption>");
    buf_append_html(out, bytes_from_str(title));
    buf_printf(out, "</figcaption><svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"",
               PLOT_W + 60, PLOT_H + 40);
    buf_append_html(out, bytes_from_str(title));
    buf_printf(out,
               "\"><text x=\"52\" y=\"14\" text-anchor=\"end\">%g</text>"
               "<text x=\"52\" y=\"%g\" text-anchor=\"end\">0</text>",
               most, PLOT_H);
    double width = n ? PLOT_W / (double)n : PLOT_W;
    for (size_t i = 0; i < n; i++) {
        double height = most > 0 ? values[i] / most * (PLOT_H - 10) : 0;
        buf_printf(out,
                   "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>%s: %g"
                   "</title></rect>",
                   58 + width * (double)i, PLOT_H - height, width * 0.9, height, label(i, context),
                   values[i]);
        if (n <= 8 || i % (n / 8) == 0) {
            buf_printf(out, "<text x=\"%.2f\" y=\"%g\">%s</text>", 58 + width * (double)i,
                       PLOT_H + 18, label(i, context));
        }
    }
    buf_append_str(out, "</svg></figure>\n");
}

static const char *second_label(size_t i, void *context) {
    static _Thread_local char text[24];
    (void)context;
    (void)snprintf(text, sizeof text, "%zu s", i);
    return text;
}

static const uint64_t edges_us[] = {0,      100,     200,     500,     1000,     2000,
                                    5000,   10000,   20000,   50000,   100000,   200000,
                                    500000, 1000000, 2000000, 5000000, 10000000, 60000000};
#define EDGES (sizeof edges_us / sizeof edges_us[0])

static const char *edge_label(size_t i, void *context) {
    static _Thread_local char text[32];
    (void)context;
    (void)snprintf(text, sizeof text, "%g ms", ms(edges_us[i]));
    return text;
}

static void plot_latency(struct buf *out, const char *title, const struct histogram *h) {
    double values[EDGES];
    for (size_t i = 0; i < EDGES; i++) {
        values[i] =
            (double)histogram_between(h, edges_us[i], i + 1 < EDGES ? edges_us[i + 1] : UINT64_MAX);
    }
    bars(out, title, values, EDGES, edge_label, NULL);
}

static const char *block_label(size_t i, void *context) {
    static _Thread_local char text[24];
    const struct load_result *v = context;
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)v->blocks[i].number);
    return text;
}

void report_html(struct buf *out, const struct load_report *r) {
    struct load_result *v = (struct load_result *)(uintptr_t)r->result;
    static double values[LOAD_BLOCKS_MAX];
    struct buf text;
    buf_append_str(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
                        "name=\"viewport\" content=\"width=device-width\"><title>Load: ");
    buf_append_html(out, bytes_from_str(r->scenario));
    buf_append_str(out,
                   "</title><style>body{font:15px system-ui,sans-serif;max-width:56rem;margin:2rem "
                   "auto;padding:0 1rem}pre{overflow-x:auto;background:#8881;padding:1rem}"
                   "svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}"
                   "rect{fill:#3b6fb6}figure{margin:2rem 0}figcaption{font-weight:600}"
                   "@media(prefers-color-scheme:dark){body{background:#181a1d;color:#ddd}}"
                   "</style></head><body><h1>Load: ");
    buf_append_html(out, bytes_from_str(r->scenario));
    buf_append_str(out, "</h1><pre>");
    buf_init(&text, 1u << 20);
    report_text(&text, r);
    buf_append_byte(&text, '\0');
    if (!text.failed) buf_append_html(out, bytes_from_str((const char *)text.p));
    buf_free(&text);
    buf_append_str(out, "</pre>\n");
    size_t n = seconds(v) < LOAD_BLOCKS_MAX ? seconds(v) : LOAD_BLOCKS_MAX;
    for (size_t i = 0; i < n; i++) {
        values[i] = (double)v->per_second[i];
    }
    bars(out, "Orders sent each second", values, n, second_label, NULL);
    plot_latency(out, "Time to the node's answer", &v->rpc);
    plot_latency(out, "Time from sending to the block", &v->inclusion);
    for (size_t i = 0; i < v->block_count; i++) {
        values[i] = (double)v->blocks[i].gas_used;
    }
    bars(out, "Gas used by each block", values, v->block_count, block_label, v);
    for (size_t i = 0; i < v->block_count; i++) {
        values[i] = (double)v->blocks[i].ours;
    }
    bars(out, "Orders landed in each block", values, v->block_count, block_label, v);
    buf_append_str(out, "</body></html>\n");
}
