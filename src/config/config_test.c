/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct values {
    const char *listen;
    const char *cert;
    const char *url;
    uint64_t max_connections;
    bool debug;
    uint64_t drain_ns;
    uint64_t read_ns;
    uint64_t body_bytes;
    int format;
    struct config_list peers;
    struct config_list addresses;
    struct secret token;
    const struct toml *actions;
    uint64_t cache;
};

static const struct config_option options[] = {
    CONFIG_ADDRESS(values, listen, "listen", "127.0.0.1:8080", "Address to serve."),
    CONFIG_PATH(values, cert, "cert", NULL, "Certificate file."),
    CONFIG_URL(values, url, "hub-url", NULL, "The hub's URL."),
    {.flag = "max-connections",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(struct values, max_connections),
     .value = "100",
     .min = 1,
     .max = 1000,
     .help = "Connections at once.",
     .restart = true},
    CONFIG_BOOL(values, debug, "debug", "false", "Say more."),
    CONFIG_DURATION(values, drain_ns, "drain", "15s", "Time for open requests."),
    {.flag = "read-timeout",
     .type = CONFIG_TYPE_DURATION,
     .offset = offsetof(struct values, read_ns),
     .toml = "general.read_timeout_ms",
     .unit = 1000000,
     .max = 3600000000000,
     .help = "Read timeout."},
    CONFIG_SIZE(values, body_bytes, "body-limit", "10MiB", "Largest body."),
    {.flag = "log-format",
     .type = CONFIG_TYPE_ENUM,
     .offset = offsetof(struct values, format),
     .value = "logfmt",
     .choices = "logfmt|json",
     .help = "Form of the log."},
    CONFIG_LIST(values, peers, "peers", NULL, NULL, "Names of peers."),
    {.flag = "addresses",
     .type = CONFIG_TYPE_ADDRESSES,
     .offset = offsetof(struct values, addresses),
     .help = "More addresses."},
    CONFIG_SECRET(values, token, "token", "The token."),
    {.flag = "actions",
     .type = CONFIG_TYPE_TABLE,
     .offset = offsetof(struct values, actions),
     .hidden = "password|key",
     .help = "Commands by name."},
    CONFIG_U64(values, cache, "order-cache.size", "5", "Entries."),
};

static const struct config_verb verbs[] = {{"serve", NULL, "Serve.", 0, 0},
                                           {"call", "NAME", "Call an action.", 1, 2}};

static struct config_program program = {.name = "some-program",
                                        .summary = "Does something.",
                                        .details = ".starts with a dot",
                                        CONFIG_OPTIONS(options, struct values),
                                        .verbs = verbs,
                                        .verb_count = 2,
                                        .verb_optional = true};

static struct config *config;
static struct values values;
static struct error why;
static char path[64];

static int load(char **argv) {
    int argc = 0;
    while (argv[argc]) {
        argc++;
    }
    return config_load(&config, &program, &values, argc, argv, &why);
}
#define LOAD(...) load((char *[]){(char *)"some-program", ##__VA_ARGS__, NULL})
#define ARG(s) ((char *)(uintptr_t)(s))

static void write_file(const char *text) {
    if (!path[0]) {
        memcpy(path, "/tmp/config_test_XXXXXX", 24);
        int fd = mkstemp(path);
        CHECK(fd >= 0);
        (void)close(fd);
    }
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    (void)fputs(text, f);
    (void)fclose(f);
}

static bool output_has(const char *needle) {
    struct bytes out = config_output(config);
    return memmem(out.p, out.n, needle, strlen(needle)) != NULL;
}

TEST(defaults_are_set) {
    CHECK_OK(LOAD(), &why);
    CHECK_STR(values.listen, "127.0.0.1:8080");
    CHECK(values.cert == NULL);
    CHECK_U64(values.max_connections, 100);
    CHECK_U64(values.drain_ns, 15000000000);
    CHECK_U64(values.body_bytes, 10 << 20);
    CHECK_U64(config_output(config).n, 0);
    CHECK_I64(config_verb_index(config), -1);
    CHECK(config_file(config) == NULL && config_toml(config) == NULL);
    config_free(config);
}

TEST(flag_wins_over_environment_over_file_over_default) {
    write_file("max_connections = 2\ndrain = '1m30s'\nbody_limit = 7\npeers = ['a', 'b']\n"
               "log_format = 'json'\ndebug = true\ntoken = 'from file'\n[general]\n"
               "read_timeout_ms = 250\n[actions]\nx = 'y'\n");
    (void)setenv("BUILDERNET_MAX_CONNECTIONS", "3", 1);
    (void)setenv("BUILDERNET_DRAIN", "2h", 1);
    CHECK_OK(LOAD(ARG("call"), ARG("--config"), path, ARG("--max-connections=4"), ARG("--no-debug"),
                  ARG("--"), ARG("--name")),
             &why);
    CHECK_U64(values.max_connections, 4);
    CHECK_U64(values.drain_ns, UINT64_C(7200000000000));
    CHECK_U64(values.body_bytes, 7);
    CHECK_U64(values.read_ns, 250000000);
    CHECK(!values.debug);
    CHECK_I64(values.format, 1);
    CHECK_U64(values.peers.count, 2);
    CHECK_STR(values.peers.items[1], "b");
    CHECK_BYTES(secret_view(&values.token), BYTES_LIT("from file"));
    CHECK_U64(config_secret_files(config).count, 0);
    CHECK(toml_find(values.actions, "x") != NULL);
    CHECK_I64(config_source_of(config, 3), CONFIG_FROM_FLAG);
    CHECK_I64(config_source_of(config, 5), CONFIG_FROM_ENV);
    CHECK_I64(config_source_of(config, 7), CONFIG_FROM_FILE);
    CHECK_I64(config_verb_index(config), 1);
    CHECK_U64(config_arguments(config).count, 1);
    CHECK_STR(config_arguments(config).items[0], "--name");
    CHECK_STR(config_file(config), path);
    config_free(config);
    CHECK(values.token.p == NULL);
    (void)unsetenv("BUILDERNET_MAX_CONNECTIONS");
    (void)unsetenv("BUILDERNET_DRAIN");
}

static void check_flag(const char *flag, int code, const char *text) {
    int r = LOAD(ARG(flag));
    if (r != code || strcmp(why.text, text) != 0) {
        FAIL("%s: %s: %s, expected %s", flag, error_name(r), why.text, text);
    }
    CHECK(config == NULL);
}

TEST(negative_numbers_are_arguments) {
    check_flag("-250ms", ERR_NOT_FOUND, "unknown verb -250ms (see --help)");
}

TEST(one_dash_does_as_well_as_two) {
    write_file("drain = '2s'\n");
    CHECK_OK(LOAD(ARG("-config"), path, ARG("-max-connections=4"), ARG("-no-debug")), &why);
    CHECK_U64(values.drain_ns, 2000000000);
    CHECK_U64(values.max_connections, 4);
    config_free(config);
    CHECK_OK(LOAD(ARG("-version")), &why);
    CHECK(config_output(config).n > 0);
    config_free(config);
    CHECK_ERR(LOAD(ARG("-x")), ERR_NOT_FOUND);
}

TEST(booleans_are_written_as_in_go) {
    static const char *const words[] = {"1", "t", "T", "true", "True", "TRUE"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char flag[20];
        (void)snprintf(flag, sizeof flag, "--debug=%s", words[i]);
        CHECK_OK(LOAD(ARG(flag)), &why);
        CHECK(values.debug);
        config_free(config);
    }
    CHECK_OK(LOAD(ARG("--debug=F")), &why);
    CHECK(!values.debug);
    config_free(config);
    check_flag("--debug=yes", ERR_SYNTAX, "--debug: is true or false");
}

TEST(wrong_flags_are_named) {
    check_flag("--nothing", ERR_NOT_FOUND, "unknown flag --nothing (see --help)");
    check_flag("-x", ERR_NOT_FOUND, "unknown flag -x (see --help)");
    check_flag("--no-listen", ERR_NOT_FOUND, "unknown flag --no-listen (see --help)");
    check_flag("--actions=x", ERR_NOT_FOUND, "unknown flag --actions=x (see --help)");
    check_flag("--listen", ERR_SYNTAX, "--listen needs a value");
    check_flag("--config", ERR_SYNTAX, "--config needs a value");
    check_flag("--listen=x", ERR_SYNTAX, "--listen: address without a port");
    check_flag("--max-connections=0", ERR_RANGE, "--max-connections: outside 1..1000");
    check_flag("--max-connections=x", ERR_SYNTAX, "--max-connections: not a number");
    check_flag("--max-connections=18446744073709551616", ERR_RANGE,
               "--max-connections: number above 2^64-1");
    check_flag("--debug=maybe", ERR_SYNTAX, "--debug: is true or false");
    check_flag("--read-timeout=2h", ERR_RANGE, "--read-timeout: outside 0ns..1h");
    check_flag("--drain=5", ERR_SYNTAX, "--drain: duration without a unit");
    check_flag("--log-format=xml", ERR_SYNTAX, "--log-format: is one of logfmt|json");
    check_flag("--hub-url=hub", ERR_SYNTAX, "--hub-url: not a URL (scheme://host)");
    check_flag("--peers=\xff", ERR_SYNTAX, "--peers: not UTF-8 text");
    check_flag("frobnicate", ERR_NOT_FOUND, "unknown verb frobnicate (see --help)");
    check_flag("call", ERR_UNSUPPORTED, "call needs NAME");
    check_flag("--completion=tcsh", ERR_SYNTAX, "--completion: is one of bash, zsh, fish");
    check_flag("--config=/nonexistent/x", ERR_NOT_FOUND,
               "/nonexistent/x: No such file or directory");
    check_flag("--token=file:/nonexistent", ERR_NOT_FOUND,
               "--token: /nonexistent: No such file or directory");
    CHECK_ERR(LOAD(ARG("--debug"), ARG("--debug")), ERR_CONFLICT);
    CHECK_ERR(LOAD(ARG("--debug"), ARG("true")), ERR_SYNTAX);
    CHECK_STR(why.text, "--debug takes its value after an equals sign: --debug=true");
    CHECK_ERR(LOAD(ARG("--debug"), ARG("false"), ARG("call")), ERR_SYNTAX);
    CHECK_OK(LOAD(ARG("call"), ARG("--debug"), ARG("--"), ARG("true")), &why);
    config_free(config);
    CHECK_ERR(LOAD(ARG("serve"), ARG("x")), ERR_UNSUPPORTED);
    (void)setenv("BUILDERNET_DEBUG", "x", 1);
    check_flag("--listen=:1", ERR_SYNTAX, "BUILDERNET_DEBUG: is true or false");
    (void)unsetenv("BUILDERNET_DEBUG");
}

TEST(a_flag_with_a_dot_has_a_variable_that_shells_can_set) {
    (void)setenv("BUILDERNET_ORDER_CACHE_SIZE", "7", 1);
    CHECK_OK(LOAD(), &why);
    CHECK_U64(values.cache, 7);
    config_free(config);
    (void)unsetenv("BUILDERNET_ORDER_CACHE_SIZE");
    write_file("[order_cache]\nsize = 9\n");
    CHECK_OK(LOAD(ARG("--config"), path), &why);
    CHECK_U64(values.cache, 9);
    config_free(config);
}

static void check_file(const char *text, int code, const char *reason) {
    write_file(text);
    int r = LOAD(ARG("--config"), path);
    size_t n = strlen(path);
    if (r != code || strncmp(why.text, path, n) != 0 || strcmp(why.text + n + 2, reason) != 0) {
        FAIL("%s: %s: %s", text, error_name(r), why.text);
    }
}

TEST(wrong_files_are_named_with_line_and_column) {
    check_file("x = 1\n", ERR_NOT_FOUND, "line 1, column 5: unknown key x");
    check_file("\n[general]\nx = 1\n", ERR_NOT_FOUND, "line 3, column 5: unknown key general.x");
    check_file("general = 1", ERR_INVALID, "line 1, column 11: general is a table");
    check_file("listen = ", ERR_SYNTAX, "line 1, column 10: not a value");
    check_file("listen = 1", ERR_INVALID, "listen: line 1, column 10: integer is no value for it");
    check_file("peers = ['a', 1]", ERR_INVALID,
               "peers: line 1, column 15: integer where string is needed");
    check_file("addresses = ['a:1',\n 'b']", ERR_SYNTAX,
               "addresses: line 2, column 2: address without a port");
    check_file("max_connections = -1", ERR_SYNTAX,
               "max_connections: line 1, column 19: not a number");
    check_file("actions = 1", ERR_INVALID, "actions: line 1, column 11: is not a table");
    check_file("actions = []", ERR_INVALID, "actions: line 1, column 11: is not a table");
    check_file("actions = [{a = 1}, 2]", ERR_INVALID, "actions: line 1, column 11: is not a table");
    write_file("[[actions]]\na = 1\n[[actions]]\na = 2\n");
    CHECK_OK(LOAD(ARG("--config"), path), &why);
    config_free(config);
    program.ignore_unknown_keys = true;
    write_file("x = 1\n");
    CHECK_OK(LOAD(ARG("--config"), path), &why);
    config_free(config);
    program.ignore_unknown_keys = false;
}

TEST(the_table_prints_everything) {
    CHECK_OK(LOAD(ARG("--help")), &why);
    CHECK(output_has("--listen HOST:PORT") && output_has("BUILDERNET_LISTEN") &&
          output_has("default 10MiB") && output_has("call NAME") && output_has("(file only)"));
    config_free(config);
    CHECK_OK(LOAD(ARG("--man")), &why);
    CHECK(output_has(".TH \"BUILDERNET\\-some\\-program\" 8") &&
          output_has("\\&.starts with a dot"));
    config_free(config);
    CHECK_OK(LOAD(ARG("--version")), &why);
    CHECK(output_has("buildernet some-program "));
    config_free(config);
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(LOAD(ARG("--completion"), ARG(shells[i])), &why);
        CHECK(output_has("log-format") && output_has("logfmt json") && output_has("serve"));
        config_free(config);
    }
}

TEST(files_of_secrets_in_force_are_told) {
    char in_force[96], flag[128];
    write_file("token = 'file:/not/read'\n");
    (void)snprintf(in_force, sizeof in_force, "%s.token", path);
    (void)snprintf(flag, sizeof flag, "--token=file:%s", in_force);
    FILE *f = fopen(in_force, "w");
    CHECK(f && fputs("hidden\n", f) >= 0 && fclose(f) == 0 && chmod(in_force, 0600) == 0);
    CHECK_OK(LOAD(ARG("--config"), path, ARG(flag)), &why);
    CHECK_BYTES(secret_view(&values.token), BYTES_LIT("hidden"));
    CHECK_U64(config_secret_files(config).count, 1);
    CHECK_STR(config_secret_files(config).items[0], in_force);
    config_free(config);
    CHECK(unlink(in_force) == 0);
}

TEST(printed_values_are_a_file_that_reads_back) {
    CHECK_OK(LOAD(ARG("--drain=1500ms"), ARG("--peers=a,\"b\""), ARG("--token=hidden"),
                  ARG("--print-config"), ARG("--debug")),
             &why);
    CHECK(!output_has("hidden") && output_has("<secret>") &&
          output_has("drain = \"1500ms\" # flag"));
    char text[4096];
    struct bytes out = config_output(config);
    (void)snprintf(text, sizeof text, "%.*s", (int)out.n, (const char *)out.p);
    config_free(config);
    char *hidden = strstr(text, "hub_url");
    CHECK(hidden != NULL);
    write_file(text);
    CHECK_OK(LOAD(ARG("--config"), path), &why);
    CHECK_U64(values.drain_ns, 1500000000);
    CHECK_STR(values.peers.items[1], "\"b\"");
    CHECK(values.debug);
    config_free(config);
}

TEST(tables_are_printed_entry_by_entry) {
    write_file("[actions]\nrestart = [\"/bin/x\", \"a\\\"b\"]\n\"odd name\" = { wait = 1.5, at = "
               "07:32:00 }\n");
    CHECK_OK(LOAD(ARG("--config"), path, ARG("--print-config")), &why);
    CHECK(output_has("actions.restart = [\"/bin/x\", \"a\\\"b\"] # file\n"));
    CHECK(output_has("actions.\"odd name\" = {wait = 1.5, at = 07:32:00} # file\n"));
    config_free(config);
}

TEST(printed_lists_of_tables_read_back_without_what_is_hidden) {
    write_file("[[actions]]\nname = 'a'\npassword = 'word'\n\n[[actions]]\nkey = 'letters'\n"
               "name = 'b'\nkey2 = 1\n");
    CHECK_OK(LOAD(ARG("--config"), path, ARG("--print-config")), &why);
    CHECK(
        output_has("actions = [ # file\n    {name = \"a\"}, # without password\n    {name = \"b\", "
                   "key2 = 1}, # without key\n]\n"));
    CHECK(!output_has("word'") && !output_has("letters"));
    char text[4096];
    struct bytes out = config_output(config);
    (void)snprintf(text, sizeof text, "%.*s", (int)out.n, (const char *)out.p);
    config_free(config);
    write_file(text);
    CHECK_OK(LOAD(ARG("--config"), path), &why);
    CHECK_U64(values.actions->count, 2);
    config_free(config);
}

TEST(reload_reports_what_changed) {
    struct config *next;
    static struct values after;
    write_file("drain = '1s'\ntoken = 'a'\n");
    char *argv[] = {ARG("some-program"), ARG("--config"), path, ARG("--debug"), NULL};
    CHECK_OK(load(argv), &why);
    write_file("drain = '2s'\ntoken = 'b'\nmax_connections = 5\ndebug = false\n");
    struct buf changes;
    buf_init(&changes, 0);
    CHECK_OK(config_reload(&next, config, &after, &changes, &why), &why);
    CHECK_BYTES(buf_view(&changes),
                BYTES_LIT("max-connections: 100 -> 5 (needs a restart)\ndrain: \"1s\" -> \"2s\"\n"
                          "token: \"<secret>\" -> \"<secret>\"\n"));
    CHECK_U64(after.drain_ns, 2000000000);
    CHECK_U64(after.max_connections, 100); // of the start, until a restart
    config_free(next);
    write_file("drain = \n");
    CHECK_ERR(config_reload(&next, config, &after, &changes, &why), ERR_SYNTAX);
    CHECK_U64(values.drain_ns, 1000000000);
    config_free(config);
    buf_free(&changes);
}

/* A file of so much is read again. taken: it counts from then on. */
static void reload(const char *text, bool taken, struct buf *changes) {
    struct config *next;
    static struct values after;
    write_file(text);
    buf_clear(changes);
    CHECK_OK(config_reload(&next, config, &after, changes, &why), &why);
    if (taken) {
        config_took(config, next);
        memset(&after, 0xff, sizeof after);
    } else {
        config_free(next);
    }
}

TEST(reload_tells_changes_of_what_was_taken_last) {
    struct buf changes;
    buf_init(&changes, 0);
    write_file("drain = '1s'\ntoken = 'a'\n");
    char *argv[] = {ARG("some-program"), ARG("--config"), path, NULL};
    CHECK_OK(load(argv), &why);
    reload("drain = '2s'\ntoken = 'b'\nmax_connections = 5\n", true, &changes);
    CHECK_BYTES(buf_view(&changes),
                BYTES_LIT("max-connections: 100 -> 5 (needs a restart)\ndrain: \"1s\" -> \"2s\"\n"
                          "token: \"<secret>\" -> \"<secret>\"\n"));
    reload("drain = '3s'\ntoken = 'b'\n", false, &changes); // refused by the program
    CHECK_BYTES(buf_view(&changes), BYTES_LIT("drain: \"2s\" -> \"3s\"\n"));
    // Back to what the start read: a change all the same.
    reload("drain = '1s'\ntoken = 'b'\nmax_connections = 5\n", true, &changes);
    CHECK_BYTES(buf_view(&changes), BYTES_LIT("max-connections: 100 -> 5 (needs a restart)\n"
                                              "drain: \"2s\" -> \"1s\"\n"));
    CHECK_U64(values.drain_ns, 1000000000);
    config_free(config);
    buf_free(&changes);
}

TEST(durations_sizes_and_addresses) {
    static const struct {
        const char *text;
        int code;
        uint64_t value;
    } durations[] = {{"1m30s", 0, 90000000000},   {"0", 0, 0},
                     {"1d2h", 0, 93600000000000}, {"5ns", 0, 5},
                     {"30s1m", ERR_SYNTAX, 0},    {"1m30", ERR_SYNTAX, 0},
                     {"", ERR_SYNTAX, 0},         {"s", ERR_SYNTAX, 0},
                     {"-1s", ERR_SYNTAX, 0},      {"1x", ERR_SYNTAX, 0},
                     {"1s ", ERR_SYNTAX, 0},      {"300000000000d", ERR_RANGE, 0},
                     {"5", ERR_SYNTAX, 0}};
    uint64_t v;
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        v = 0;
        CHECK_ERR(config_parse_duration(&v, bytes_from_str(durations[i].text), 0, &why),
                  durations[i].code);
        CHECK_U64(v, durations[i].value);
    }
    CHECK_OK(config_parse_size(&v, BYTES_LIT("2GiB"), 0, &why), &why);
    CHECK_U64(v, UINT64_C(2) << 30);
    CHECK_OK(config_parse_size(&v, BYTES_LIT("512"), 0, &why), &why);
    CHECK_U64(v, 512);
    static const char *const good[] = {"a.b:1", ":80", "[::1]:443", "1.2.3.4:65535", "unix:/run/x"};
    static const char *const bad[] = {"",      "a",     "a:",    "a:65536", "::1:80",
                                      "a b:1", "unix:", "[::1]", "a:0x1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CHECK_OK(config_check_address(bytes_from_str(good[i]), &why), &why);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_ERR(config_check_address(bytes_from_str(bad[i]), &why), ERR_SYNTAX);
    }
    if (path[0]) (void)unlink(path);
    path[0] = 0;
}

struct main_values {
    uint64_t least, most;
};

static int in_order(const void *all, struct error *w) {
    const struct main_values *v = all;
    return v->least <= v->most ? 0 : error_set(w, ERR_CONFLICT, "--least above --most");
}

static int run_calls;
static int run_main(struct config *c, void *all) {
    const struct main_values *v = all;
    run_calls++;
    return config_verb_index(c) < 0 ? (int)(v->most - v->least) : 99;
}

TEST(a_main_runs_only_what_was_understood) {
    static const struct config_option two[] = {
        CONFIG_U64(main_values, least, "least", "1", "The least."),
        CONFIG_U64(main_values, most, "most", "9", "The most."),
    };
    static const struct config_program p = {.name = "main-test",
                                            .summary = "a test",
                                            .options = two,
                                            .option_count = 2,
                                            .values_bytes = sizeof(struct main_values),
                                            .check = in_order};
    struct main_values v;
    char name[] = "main-test", least[] = "--least=10", help[] = "--help", odd[] = "--odd";
    run_calls = 0;
    CHECK_U64((unsigned)config_main(&p, &v, 1, (char *[]){name, NULL}, run_main), 8);
    CHECK_U64((unsigned)run_calls, 1);
    CHECK_U64((unsigned)config_main(&p, &v, 2, (char *[]){name, least, NULL}, run_main),
              (unsigned)error_class_of(ERR_CONFLICT)->exit_status);
    CHECK_U64((unsigned)config_main(&p, &v, 2, (char *[]){name, odd, NULL}, run_main),
              (unsigned)error_class_of(ERR_NOT_FOUND)->exit_status);
    // What is only printed asks no check.
    CHECK_U64((unsigned)config_main(&p, &v, 3, (char *[]){name, least, help, NULL}, run_main), 0);
    CHECK_U64((unsigned)run_calls, 1);
}

TEST_MAIN()
