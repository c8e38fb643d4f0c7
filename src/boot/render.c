/* SPDX-License-Identifier: MIT */
#include "boot/render.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK ".mustache"
#define FOLDER_DEPTH_MAX 8

struct rendered_file {
    char *name; // below the target
    mode_t mode;
    struct template template;
    struct buf made;
};

// Names

// Splits "etc/x.toml.mustache_0640"; false: not a template.
static bool parse_name(struct arena *a, const char *path, char **ret_name, mode_t *ret_mode) {
    const char *slash = strrchr(path, '/');
    const char *mark = strstr(slash ? slash : path, MARK);
    if (!mark || mark == path) return false;
    const char *rest = mark + sizeof MARK - 1;
    *ret_mode = 0600;
    if (*rest) {
        char *end;
        if (*rest != '_' || rest[1] < '0' || rest[1] > '7') return false;
        unsigned long mode = strtoul(rest + 1, &end, 8);
        if (*end || mode > 07777) return false;
        *ret_mode = (mode_t)mode;
    }
    *ret_name = arena_str(a, bytes_make(path, (size_t)(mark - path)));
    return *ret_name != NULL;
}

static int read_text(struct bytes *ret, struct arena *a, const char *path, struct error *why) {
    struct buf text;
    buf_init(&text, TEMPLATE_BYTES_MAX);
    int r = file_read(&text, path, why);
    if (r == 0) {
        *ret = arena_copy(a, buf_view(&text));
        if (text.n && !ret->p) r = error_set(why, ERR_LIMIT, "the templates are too large");
    }
    buf_free(&text);
    return r;
}

static int add_template(struct render *r, const char *folder, const char *path, struct error *why) {
    struct rendered_file *f = &r->files[r->count];
    struct bytes text;
    *f = (struct rendered_file){.mode = 0};
    if (!parse_name(&r->arena, path, &f->name, &f->mode)) {
        return error_set(why, ERR_SYNTAX, "%s: a template is named NAME" MARK "[_MODE]", path);
    }
    char *full = arena_printf(&r->arena, "%s/%s", folder, path);
    char *kept = arena_str(&r->arena, bytes_from_str(path));
    if (!full || !kept) return error_set(why, ERR_LIMIT, "the templates are too large");
    int code = read_text(&text, &r->arena, full, why);
    if (code == 0) {
        code = template_parse(&f->template, kept, template_syntax_of(bytes_from_str(f->name)), text,
                              &r->schema, &r->arena, why);
    }
    if (code == 0) {
        buf_init(&f->made, RENDERED_BYTES_MAX);
        r->count++;
    }
    return code;
}

// A folder's entries below `path` ("" at the top); sorted later.
static int walk(struct render *r, const char *folder, const char *path, unsigned depth,
                struct error *why) {
    char *full = arena_printf(&r->arena, "%s%s%s", folder, *path ? "/" : "", path);
    DIR *d = full ? opendir(full) : NULL;
    int code = 0;
    if (!d) return error_set_os(why, ERR_NOT_FOUND, errno, "templates folder %s", folder);
    for (const struct dirent *e; code == 0 && (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] == '.' || strcmp(e->d_name, RENDER_SCHEMA) == 0) continue;
        char *child = arena_printf(&r->arena, "%s%s%s", path, *path ? "/" : "", e->d_name);
        if (!child || fstatat(dirfd(d), e->d_name, &st, 0) < 0) {
            code = error_set_os(why, ERR_IO, errno, "%s", e->d_name);
        } else if (S_ISDIR(st.st_mode)) {
            code = depth == FOLDER_DEPTH_MAX ? error_set(why, ERR_LIMIT, "%s: too deep", child)
                                             : walk(r, folder, child, depth + 1, why);
        } else if (r->count == RENDER_FILES_MAX) {
            code = error_set(why, ERR_LIMIT, "more than %d templates", RENDER_FILES_MAX);
        } else {
            code = add_template(r, folder, child, why);
        }
    }
    (void)closedir(d);
    return code;
}

static int by_name(const void *left, const void *right) {
    const struct rendered_file *a = left, *b = right;
    return strcmp(a->name, b->name);
}

int render_open(struct render *ret, const char *templates, struct error *why) {
    struct bytes text;
    *ret = (struct render){.count = 0};
    arena_init(&ret->arena, 64u << 20);
    ret->files = arena_new_array(&ret->arena, struct rendered_file, RENDER_FILES_MAX);
    char *schema = arena_printf(&ret->arena, "%s/" RENDER_SCHEMA, templates);
    int r = ret->files && schema ? read_text(&text, &ret->arena, schema, why)
                                 : error_set(why, ERR_NO_MEMORY, "no memory for templates");
    if (r == 0) {
        r = schema_parse(&ret->schema, text, &ret->arena, why);
        if (r < 0) r = error_wrap(why, "%s", schema);
    }
    if (r == 0) r = walk(ret, templates, "", 0, why);
    if (r == 0) qsort(ret->files, ret->count, sizeof *ret->files, by_name);
    for (size_t i = 1; r == 0 && i < ret->count; i++) {
        if (strcmp(ret->files[i - 1].name, ret->files[i].name) == 0) {
            r = error_set(why, ERR_CONFLICT, "two templates make %s", ret->files[i].name);
        }
    }
    if (r < 0) render_close(ret);
    return r;
}

static void drop_made(struct buf *made) {
    if (!made) return;
    bytes_wipe(made->p, made->capacity);
    buf_free(made);
}

void render_close(struct render *r) {
    for (size_t i = 0; i < r->count; i++) {
        drop_made(&r->files[i].made);
    }
    r->count = 0;
    arena_free(&r->arena);
}

const char *render_name(const struct render *r, size_t i) {
    return i < r->count ? r->files[i].name : NULL;
}

int render_make(struct render *r, const struct json *document, struct error *why) {
    struct buf made[RENDER_FILES_MAX];
    int code = schema_check(&r->schema, document, NULL, NULL, why);
    size_t n = 0;
    for (; code == 0 && n < r->count; n++) {
        buf_init(&made[n], RENDERED_BYTES_MAX);
        code = template_render(&made[n], &r->files[n].template, document, why);
    }
    for (size_t i = 0; i < n; i++) {
        if (code == 0) {
            drop_made(&r->files[i].made);
            r->files[i].made = made[i];
        } else {
            drop_made(&made[i]);
        }
    }
    return code;
}

// Storing

static int make_folders(char *path, struct error *why) {
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        int failed = mkdir(path, 0755) < 0 && errno != EEXIST ? errno : 0;
        *p = '/';
        if (failed) return error_set_os(why, ERR_IO, failed, "%s", path);
    }
    return 0;
}

static bool is_current(const struct rendered_file *f, const char *path) {
    struct stat st;
    struct buf have;
    buf_init(&have, RENDERED_BYTES_MAX);
    bool same = stat(path, &st) == 0 && (st.st_mode & 07777) == f->mode &&
                file_read(&have, path, NULL) == 0 &&
                bytes_equal_secret(buf_view(&have), buf_view(&f->made));
    drop_made(&have);
    return same;
}

// The version in force stays as NAME.previous: a second name of the same file, so that there is no
// moment without it.
static int keep_previous(const char *path, struct error *why) {
    char previous[PATH_MAX], fresh[PATH_MAX];
    int a = snprintf(previous, sizeof previous, "%s.previous", path);
    int b = snprintf(fresh, sizeof fresh, "%s.previous.new", path);
    if (a >= (int)sizeof previous || b >= (int)sizeof fresh) {
        return error_set(why, ERR_LIMIT, "%s: name too long", path);
    }
    (void)unlink(fresh);
    if (link(path, fresh) < 0) {
        return errno == ENOENT ? 0 : error_set_os(why, ERR_IO, errno, "%s", fresh);
    }
    if (rename(fresh, previous) < 0) return error_set_os(why, ERR_IO, errno, "%s", previous);
    return 0;
}

int render_store(struct render *r, const char *target,
                 void (*stored)(void *context, const char *name), void *context,
                 struct error *why) {
    for (size_t i = 0; i < r->count; i++) {
        const struct rendered_file *f = &r->files[i];
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", target, f->name) >= (int)sizeof path) {
            return error_set(why, ERR_LIMIT, "%s: name too long", f->name);
        }
        if (is_current(f, path)) continue;
        int code = make_folders(path, why);
        if (code == 0) code = keep_previous(path, why);
        if (code == 0) {
            code = file_write_atomic(path, buf_view(&f->made),
                                     &(struct file_write_options){.mode = f->mode}, why);
        }
        if (code < 0) return code;
        if (stored) stored(context, f->name);
    }
    return 0;
}
