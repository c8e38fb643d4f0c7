/* System API: how an operator controls a sealed node, over HTTPS: an event log that services write
 * to, commands that the operator may run, files that may be uploaded.
 *
 * Two processes: the api faces the network and can neither run programs nor open files that the
 * configuration does not name; the runner runs the configured commands and listens to nothing but
 * the api. See docs/system-api.md.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SYSTEM_API_SYSTEM_API_H
#define SYSTEM_API_SYSTEM_API_H

#include "system_api/settings.h"

/* system_api_serve runs until SIGTERM or SIGINT; gives the exit status. settings: loaded, becomes
 * the server's. Failures at start are logged and give 1. */
int system_api_serve(struct settings *settings);

/* system_api_ask carries out a verb (enum SETTINGS_...) against a running System API; prints its
 * answer; gives the exit status: 0, 1 the API said no, 2 it could not be asked. */
int system_api_ask(const struct settings *settings);

#endif
