/* The history in the program. SPDX-License-Identifier: MIT */
#include "orderflow/app.h"

#define MEGABYTE (UINT64_C(1) << 20)

static uint64_t head_block(void *context) {
    return tip_number(((struct app *)context)->tip);
}

static bool is_full(struct app *a) {
    return archive_is_full(a->archive);
}

static bool is_set(const char *text) {
    return text && *text;
}

int app_archive_open(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    const struct archive_options o = {
        .log = a->log,
        .metrics = a->metrics,
        .identity = &a->identity,
        .builder_name = v->name,
        .rpc_url = v->archive_url,
        .clickhouse_url = v->clickhouse_url,
        .clickhouse_user = v->clickhouse_user,
        .clickhouse_password = secret_view(&v->clickhouse_password),
        .clickhouse_database = v->clickhouse_database,
        .bundles_table = v->bundles_table,
        .receipts_table = v->receipts_table,
        .events_table = v->events_table,
        .files_folder = is_set(v->clickhouse_url) ? NULL : v->history_folder,
        .spill_folder = v->history_spill,
        .spill_bytes_max = v->history_spill_bytes,
        .reject_bytes = v->history_reject_mb * MEGABYTE,
        .resume_bytes = v->history_resume_mb * MEGABYTE,
        .head_block = head_block,
        .context = a,
    };
    if (!is_set(o.rpc_url) && !is_set(o.clickhouse_url) && !is_set(o.files_folder)) return 0;
    int r = archive_new(&a->archive, &o, why);
    if (r != 0) return error_wrap(why, "history");
    a->archive_full = is_full;
    return 0;
}
