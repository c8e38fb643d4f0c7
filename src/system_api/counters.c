/* The counters of the System API: what became of logins, actions, uploads, events.
 * SPDX-License-Identifier: MIT */
#include "system_api/api.h"

#define API_METRICS(X)                                                                             \
    X(API_LOGINS, METRIC_COUNTER, "system_api_logins_total",                                       \
      "Requests that a password was asked of: good, failed, waiting after failures.", "outcome")   \
    X(API_ACTIONS, METRIC_COUNTER, "system_api_actions_total",                                     \
      "Actions asked for: succeeded, failed, timed_out, refused (busy).", "outcome")               \
    X(API_UPLOADS, METRIC_COUNTER, "system_api_uploads_total",                                     \
      "Uploads begun: stored, refused (size, validator), failed.", "outcome")                      \
    X(API_EVENTS, METRIC_COUNTER, "system_api_events_total",                                       \
      "Events from all sources: kept, failed (not durable or lost).", "outcome")
METRICS_DECLARE(api_metric, API_METRICS)

static const struct {
    enum api_metric metric;
    const char *outcome;
} counted[API_COUNTERS] = {
    [LOGIN_GOOD] = {API_LOGINS, "good"},         [LOGIN_FAILED] = {API_LOGINS, "failed"},
    [LOGIN_WAITING] = {API_LOGINS, "waiting"},   [ACTION_SUCCEEDED] = {API_ACTIONS, "succeeded"},
    [ACTION_FAILED] = {API_ACTIONS, "failed"},   [ACTION_TIMED_OUT] = {API_ACTIONS, "timed_out"},
    [ACTION_REFUSED] = {API_ACTIONS, "refused"}, [UPLOAD_STORED] = {API_UPLOADS, "stored"},
    [UPLOAD_REFUSED] = {API_UPLOADS, "refused"}, [UPLOAD_FAILED] = {API_UPLOADS, "failed"},
    [EVENT_KEPT] = {API_EVENTS, "kept"},         [EVENT_FAILED] = {API_EVENTS, "failed"},
};

void api_counters_open(struct api *a) {
    for (size_t i = 0; i < API_COUNTERS; i++) {
        a->counters[i] = metrics_get(a->metrics, &api_metric_table[counted[i].metric],
                                     (const char *const[]){counted[i].outcome});
    }
}
