/* ClickHouse behind the orderflows. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/parts.h"
#include "devnet/plan.h"
#include "devnet/templates.h"

#include <stdio.h>
#include <string.h>

#define PACKAGE "apt-get install clickhouse-server"
#define ASK_NS (10 * NS_PER_S)

void part_archive_password(char ret[33], const struct net *n) {
    uint8_t key[16];
    identity_bytes(key, sizeof key, n->s->seed, "clickhouse/password");
    memset(ret, 0, 33);
    hex_encode(ret, bytes_make(key, sizeof key));
}

static int store_users(struct net *n, struct error *why) {
    char password[33], text[1024];
    part_archive_password(password, n);
    (void)snprintf(text, sizeof text,
                   "<yandex><profiles><default/></profiles><users><" PART_CLICKHOUSE_USER
                   "><password>%s</password><networks><ip>127.0.0.0/8</ip></networks>"
                   "<profile>default</profile><quota>default</quota></" PART_CLICKHOUSE_USER
                   "></users><quotas><default/></quotas></yandex>\n",
                   password);
    int r = plan_store(n, "clickhouse/users.xml", bytes_from_str(text), 0600, why);
    bytes_wipe(password, sizeof password);
    bytes_wipe(text, sizeof text);
    return r;
}

// The old root element, which newer versions read too.
static int store_config(struct net *n, unsigned http, unsigned tcp, struct error *why) {
    struct buf text;
    const char *folder = n->folder.path;
    buf_init(&text, 1u << 16);
    buf_printf(&text,
               "<yandex><logger><level>warning</level><console>1</console></logger>"
               "<http_port>%u</http_port><tcp_port>%u</tcp_port>"
               "<listen_host>127.0.0.1</listen_host><path>%s/clickhouse/data/</path>"
               "<tmp_path>%s/clickhouse/data/tmp/</tmp_path>"
               "<users_config>%s/clickhouse/users.xml</users_config>"
               "<default_profile>default</default_profile>"
               "<default_database>default</default_database>"
               "<mark_cache_size>100000000</mark_cache_size></yandex>\n",
               http, tcp, folder, folder, folder);
    int r = buf_check(&text, why);
    if (r == 0) r = plan_store(n, "clickhouse/config.xml", buf_view(&text), 0600, why);
    buf_free(&text);
    return r;
}

int part_archive(struct net *n, struct error *why) {
    struct role r;
    unsigned tcp = 0;
    if (n->s->archive == ARCHIVE_NONE) return 0;
    int code = RESERVE(n, &n->archive_port, &n->archive_front, &tcp);
    if (code == 0) code = links_front(n->links, "archive", n->archive_front, n->archive_port, why);
    if (code == 0) code = folder_make(&n->folder, "clickhouse/data", why);
    if (code == 0) code = store_users(n, why);
    if (code == 0) code = store_config(n, n->archive_port, tcp, why);
    if (code == 0) code = part_role(&r, n, "archive", "clickhouse-server", PACKAGE, why);
    if (code < 0) return code;
    bool ok = WORDS(&r, "--config-file=clickhouse/config.xml") &&
              role_address(&r, &n->arena, "http", "http", n->archive_front) &&
              role_address(&r, &n->arena, "own", "http", n->archive_port);
    r.health_url = r.addresses[1].url;
    r.health_path = "/ping";
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

// Tables

static int tell(struct net *n, struct bytes statement, struct error *why) {
    struct arena a;
    struct client_answer answer;
    char url[64], password[33];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", n->archive_port);
    part_archive_password(password, n);
    struct http_field fields[] = {
        {.name = BYTES_LIT("x-clickhouse-user"), .value = BYTES_LIT(PART_CLICKHOUSE_USER)},
        {.name = BYTES_LIT("x-clickhouse-key"), .value = bytes_from_str(password)}};
    const struct client_options o = {.url = url};
    const struct http_request r = {.method = HTTP_POST,
                                   .method_text = BYTES_LIT("POST"),
                                   .path = BYTES_LIT("/"),
                                   .body = HTTP_BODY_LENGTH,
                                   .fields = {.item = fields, .count = 2}};
    arena_init(&a, 1u << 20);
    int code = client_ask(&answer, &a, &o, &r, statement, 64u << 10, ASK_NS, why);
    if (code == 0 && answer.status != 200) {
        code = error_set(why, ERR_INVALID, "ClickHouse answers %u: %.*s", answer.status,
                         (int)(answer.body.n < 200 ? answer.body.n : 200),
                         (const char *)answer.body.p);
    }
    arena_free(&a);
    bytes_wipe(password, sizeof password);
    return code;
}

static void replace(struct buf *out, struct bytes in, const char *old, const char *new) {
    size_t n = strlen(old);
    const uint8_t *at;
    while (in.n && (at = memmem(in.p, in.n, old, n))) {
        size_t before = (size_t)(at - in.p);
        buf_append(out, bytes_slice(in, 0, before));
        buf_append_str(out, new);
        in = bytes_slice(in, before + n, in.n);
    }
    buf_append(out, in);
}

/* Debian's ClickHouse is older than some types of the shipped tables; these have the same bytes on
 * the wire. */
static int tell_old(struct net *n, struct bytes statement, struct error *why) {
    static const char *const pairs[][2] = {
        {"DateTime64(6, 'UTC')", "Int64"},
        {"UInt256", "FixedString(32)"},
        {"UInt128", "FixedString(16)"},
        {"LowCardinality(String)", "String"},
        {"toYYYYMM(received_at)", "toYYYYMM(toDateTime(intDiv(received_at, 1000000)))"},
        {"toYYYYMM(at)", "toYYYYMM(toDateTime(intDiv(at, 1000000)))"}};
    struct buf text[2];
    unsigned now = 0;
    buf_init(&text[0], 1u << 20);
    buf_init(&text[1], 1u << 20);
    buf_append(&text[0], statement);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++, now = !now) {
        buf_clear(&text[!now]);
        replace(&text[!now], buf_view(&text[now]), pairs[i][0], pairs[i][1]);
    }
    int r = buf_check(&text[now], why);
    if (r == 0) r = tell(n, buf_view(&text[now]), why);
    buf_free(&text[0]);
    buf_free(&text[1]);
    return r;
}

// Statements end with ";" at a line's end; comments are lines of their own.
int part_archive_fill(struct net *n, struct error *why) {
    struct bytes rest = archive_tables();
    while (rest.n) {
        const uint8_t *end = memmem(rest.p, rest.n, ";\n", 2);
        struct bytes one = bytes_slice(rest, 0, end ? (size_t)(end - rest.p) : rest.n);
        rest = end ? bytes_slice(rest, one.n + 2, rest.n) : bytes_slice(rest, rest.n, rest.n);
        while (one.n && (one.p[0] == '\n' || one.p[0] == '-')) {
            const uint8_t *line = memchr(one.p, '\n', one.n);
            one = line ? bytes_slice(one, (size_t)(line - one.p) + 1, one.n)
                       : bytes_slice(one, one.n, one.n);
        }
        if (!one.n) continue;
        if (tell(n, one, why) < 0 && tell_old(n, one, why) < 0) {
            return error_wrap(why, "archive");
        }
    }
    return 0;
}
