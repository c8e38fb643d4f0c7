/* A folder of templates into a folder of files. SPDX-License-Identifier: MIT */
#include "boot/render.h"

#include "base/file.h"
#include "boot/values.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
    char folder[64], templates[96], target[96];
    unsigned stored;
};

static void put(const struct world *w, const char *name, const char *text) {
    char path[200];
    struct error why = {0};
    (void)snprintf(path, sizeof path, "%s/%s", w->templates, name);
    CHECK_OK(file_write_atomic(path, bytes_from_str(text), NULL, &why), &why);
}

static void open_world(struct world *w) {
    char path[128];
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/buildernet-render-XXXXXX");
    CHECK(mkdtemp(w->folder) != NULL);
    (void)snprintf(w->templates, sizeof w->templates, "%s/t", w->folder);
    (void)snprintf(w->target, sizeof w->target, "%s/out", w->folder);
    CHECK(mkdir(w->templates, 0700) == 0 && mkdir(w->target, 0700) == 0);
    (void)snprintf(path, sizeof path, "%s/etc", w->templates);
    CHECK(mkdir(path, 0700) == 0);
    put(w, "schema.toml",
        "[variables]\nname = {type = \"text\"}\n"
        "port = {type = \"number\", required = false}\n");
    put(w, "etc/a.toml.mustache_0640", "name = \"{{name}}\"\n");
    put(w, "b.conf.mustache", "{{#port}}port {{port}}{{/port}}\n");
}

static void close_world(struct world *w) {
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", w->folder);
    CHECK(system(command) == 0);
}

static void count(void *context, const char *name) {
    (void)name;
    ++((struct world *)context)->stored;
}

static int apply(struct world *w, struct render *r, const char *document, struct error *why) {
    struct values v;
    CHECK_OK(values_read(&v, bytes_from_str(document), why), why);
    int code = render_make(r, v.root, why);
    if (code == 0) code = render_store(r, w->target, count, w, why);
    values_free(&v);
    return code;
}

static void check_file(const struct world *w, const char *name, const char *text, mode_t mode) {
    char path[200];
    struct stat st;
    struct buf have;
    struct error why = {0};
    (void)snprintf(path, sizeof path, "%s/%s", w->target, name);
    buf_init(&have, 0);
    CHECK_OK(file_read(&have, path, &why), &why);
    CHECK_BYTES(buf_view(&have), bytes_from_str(text));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == mode);
    buf_free(&have);
}

TEST(files_are_made_and_replaced_only_when_they_change) {
    struct world w = {.stored = 0};
    struct render r;
    struct error why = {0};
    open_world(&w);
    CHECK_OK(render_open(&r, w.templates, &why), &why);
    CHECK_U64(r.count, 2);
    CHECK_STR(render_name(&r, 0), "b.conf");
    CHECK_OK(apply(&w, &r, "{\"name\":\"one\"}", &why), &why);
    check_file(&w, "etc/a.toml", "name = \"one\"\n", 0640);
    check_file(&w, "b.conf", "\n", 0600);
    CHECK_U64(w.stored, 2);
    CHECK_OK(apply(&w, &r, "{\"name\":\"one\"}", &why), &why);
    CHECK_U64(w.stored, 2);
    CHECK_OK(apply(&w, &r, "{\"name\":\"two\"}", &why), &why);
    CHECK_U64(w.stored, 3);
    check_file(&w, "etc/a.toml", "name = \"two\"\n", 0640);
    check_file(&w, "etc/a.toml.previous", "name = \"one\"\n", 0640);
    render_close(&r);
    close_world(&w);
}

TEST(a_wrong_document_changes_no_file) {
    struct world w = {.stored = 0};
    struct render r;
    struct error why = {0};
    open_world(&w);
    CHECK_OK(render_open(&r, w.templates, &why), &why);
    CHECK_OK(apply(&w, &r, "{\"name\":\"one\",\"port\":1}", &why), &why);
    CHECK_ERR(apply(&w, &r, "{\"port\":2}", &why), ERR_NOT_FOUND);
    CHECK_ERR(apply(&w, &r, "{\"name\":\"two\",\"port\":\"x\"}", &why), ERR_SYNTAX);
    check_file(&w, "etc/a.toml", "name = \"one\"\n", 0640);
    check_file(&w, "b.conf", "port 1\n", 0600);
    CHECK_U64(w.stored, 2);
    render_close(&r);
    close_world(&w);
}

TEST(wrong_folders_are_refused) {
    struct world w = {.stored = 0};
    struct render r;
    struct error why = {0};
    CHECK_ERR(render_open(&r, "/nonexistent", &why), ERR_NOT_FOUND);
    open_world(&w);
    put(&w, "b.conf.mustache_0644", "x");
    CHECK_ERR(render_open(&r, w.templates, &why), ERR_CONFLICT);
    close_world(&w);
    open_world(&w);
    put(&w, "notes.txt", "x");
    CHECK_ERR(render_open(&r, w.templates, &why), ERR_SYNTAX);
    CHECK(strstr(why.text, "notes.txt") != NULL);
    close_world(&w);
    open_world(&w);
    put(&w, "c.conf.mustache", "{{nmae}}");
    CHECK_ERR(render_open(&r, w.templates, &why), ERR_NOT_FOUND);
    CHECK(strstr(why.text, "c.conf.mustache") && strstr(why.text, "nmae"));
    close_world(&w);
}

TEST_MAIN()
