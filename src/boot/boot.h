/* Program: `buildernet boot`: brings a node from the hub's address to running services' files.
 *
 * Through the attested proxy beside it, it fetches the node's configuration, checks it against the
 * schema, renders the services' files, registers the node's certificate, waits until the hub lists
 * the node, and is ready. Then it stays: a new configuration is rendered when it is right (a wrong
 * one is reported and the last good files stay); the file that says "enabled" is there while the
 * hub knows this node, and gone when the hub refuses it. An outage of the hub changes nothing.
 *
 * Thread: the main thread. SPDX-License-Identifier: MIT */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include "boot/render.h"
#include "boot/report.h"
#include "config/common.h"
#include "hub_client/hub_client.h"

struct boot_settings {
    const char *hub_url, *templates, *target, *state_dir, *listen_addr;
    const char *events_fifo, *enabled_file, *certificate, *region, *instance_name;
    uint64_t poll_peers_ns, poll_configuration_ns, last_good_after_ns, deadline_ns;
    bool use_last_good, once;
    struct common_log log;
};

extern const struct config_program boot_program;
enum { BOOT_VERB_CHECK, BOOT_VERB_RENDER };

/* boot_serve runs until SIGTERM (or, with `once`, until the node is ready or the deadline has
 * passed). boot_check reads schema and templates; boot_render renders a document from a file. All
 * give the exit status and write reasons to stderr. */
int boot_serve(const struct boot_settings *s);
int boot_check(const struct boot_settings *s);
int boot_render(const struct boot_settings *s, const char *document);

/* ---- inside ---- */

struct boot {
    const struct boot_settings *s;
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    struct report *report;
    struct hub_client *hub;
    struct render render;
    struct hub_watcher watcher;
    struct loop_timer last_good_timer;
    char name[HUB_NAME_BYTES_MAX + 1]; /* as the hub's list has it; empty: not known yet */
    bool enabled, enabled_known;
    bool listed;   /* the hub gave its list of builders */
    bool rendered; /* the services' files are there */
    uint64_t renders;
    void (*changed)(struct boot *b); /* something happened; NULL: nobody cares */
};

/* boot_open makes everything and begins; boot_close ends it. The loop is the caller's. */
[[gnu::warn_unused_result]] int boot_open(struct boot *b, struct error *why);
void boot_close(struct boot *b);

/* boot_reload reads certificate and templates again and asks the hub now. */
[[gnu::warn_unused_result]] int boot_reload(struct boot *b, struct error *why);

/* boot_ready: 0, or the reason. */
[[gnu::warn_unused_result]] int boot_ready(const struct boot *b, struct error *why);

void boot_write_status(const struct boot *b, struct buf *out);

#endif
