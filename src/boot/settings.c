/* SPDX-License-Identifier: MIT */
#include "boot/boot.h"

typedef struct boot_settings V;

static const struct config_option options[] = {
    {.flag = "hub-url",
     .type = CONFIG_TYPE_URL,
     .offset = offsetof(V, hub_url),
     .value = "http://127.0.0.1:7937",
     .help = "Where the hub answers: the attested proxy on this machine."},
    CONFIG_PATH(boot_settings, templates, "templates", "/usr/lib/buildernet/templates",
                "Folder of templates and schema.toml."),
    CONFIG_PATH(boot_settings, target, "target", "/", "Folder that the files are made in."),
    CONFIG_PATH(boot_settings, state_dir, "state-dir", "/var/lib/buildernet/boot",
                "Folder for the last good configuration; empty: it is not kept."),
    CONFIG_ADDRESS(boot_settings, listen_addr, "listen-addr", "127.0.0.1:7938",
                   "Address for /status, /livez, /readyz, /metrics; empty: none."),
    CONFIG_PATH(boot_settings, events_fifo, "events-fifo", NULL,
                "The System API's FIFO; empty: none."),
    CONFIG_PATH(boot_settings, enabled_file, "enabled-file", NULL,
                "File that is there while the hub lets this node work; empty: none."),
    CONFIG_PATH(boot_settings, certificate, "instance-certificate", NULL,
                "PEM that is registered as this instance's certificate; empty: none."),
    CONFIG_STRING(boot_settings, region, "region", NULL, "NAME",
                  "Region that is registered with it."),
    CONFIG_STRING(boot_settings, instance_name, "instance-name", NULL, "NAME",
                  "This node's name; empty: the configuration's instance_name."),
    CONFIG_DURATION(boot_settings, poll_peers_ns, "poll-peers", "30s",
                    "How often the hub is asked for peers."),
    CONFIG_DURATION(boot_settings, poll_configuration_ns, "poll-configuration", "60s",
                    "How often it is asked for the configuration."),
    CONFIG_BOOL(boot_settings, use_last_good, "use-last-good", "true",
                "Start with the last good configuration when the hub is away."),
    CONFIG_DURATION(boot_settings, last_good_after_ns, "last-good-after", "60s",
                    "How long to wait for the hub before that."),
    CONFIG_BOOL(boot_settings, once, "once", "false",
                "End with status 0 as soon as the node is ready."),
    CONFIG_DURATION(boot_settings, deadline_ns, "deadline", "0s",
                    "End with an error when the node is not ready after this time; 0s: never."),
    COMMON_LOG_ROWS(V, log, "BUILDERNET_", ""),
};

static const struct config_verb verbs[] = {
    [BOOT_VERB_CHECK] = {"check", NULL, "Read schema and templates and say what is wrong.", 0, 0},
    [BOOT_VERB_RENDER] = {"render", "DOCUMENT", "Render a configuration from a file into target.",
                          1, 1},
};

const struct config_program boot_program = {
    .name = "boot",
    .summary = "bring a node from the hub's address to its services' files",
    .details = "Without a verb: fetches the configuration through the attested proxy, checks it, "
               "renders the services' files, registers the certificate, and keeps all that up to "
               "date.",
    CONFIG_OPTIONS(options, V),
    CONFIG_VERBS(verbs),
    .verb_optional = true,
};
