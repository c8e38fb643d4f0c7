/* PostgreSQL under the hub: a cluster of its own. SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "devnet/kept.h"
#include "devnet/parts.h"
#include "devnet/plan.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define PACKAGE "apt-get install postgresql"
#define DATA "postgres/data"

/* PostgreSQL refuses to run as root. A user namespace makes it the user "postgres" without giving
 * files to anybody: the folder, which others can not enter, stays as it is. */
static int begin(struct role *ret, struct net *n, const char *name, const char *program,
                 struct error *why) {
    struct role server;
    int r = part_role(&server, n, name, program, PACKAGE, why);
    if (r < 0 || geteuid() != 0) {
        *ret = server;
        return r;
    }
    const char *user = getpwnam("postgres") ? "postgres" : "nobody";
    r = part_role(ret, n, name, "unshare", "apt-get install util-linux", why);
    if (r < 0) return r;
    ret->program = program;
    bool ok = WORDS(ret, "--user") && role_arg(ret, &n->arena, "--map-user=%s", user) &&
              WORDS(ret, "--", server.argv[0]);
    return ok ? 0 : plan_too_large(why);
}

// The server writes its state into the last line of this file, for pg_ctl and the like.
static int accepts(const struct role *r, struct error *why) {
    char path[PATH_MAX];
    struct buf text;
    (void)snprintf(path, sizeof path, "%s/" DATA "/postmaster.pid", role_folder(r));
    buf_init(&text, 4096);
    bool ok = file_read(&text, path, NULL) == 0 && text.n &&
              memmem(text.p, text.n, "\nready ", strlen("\nready ")) != NULL;
    buf_free(&text);
    return ok ? 0 : error_set(why, ERR_BUSY, "the database does not take connections yet");
}

static int plan_init(struct net *n, struct error *why) {
    struct role r;
    if (kept_has(n, DATA "/PG_VERSION")) return 0;
    int code = begin(&r, n, "database-init", "initdb", why);
    if (code < 0) return code;
    r.may_end = true;
    r.finishes = true; // its shared memory lies outside the folder
    bool ok =
        WORDS(&r, "-D", DATA, "-U", "hub", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync");
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

// Its socket lies in a folder that only the network's owner can enter: hence no password. Its
// shared memory is of files in there, which are gone with it however it ends.
static int plan_server(struct net *n, struct error *why) {
    struct role r;
    int code = begin(&r, n, "database", "postgres", why);
    if (code < 0) return code;
    r.healthy = accepts;
    bool ok = WORDS(&r, "-D", DATA, "-k") &&
              role_arg(&r, &n->arena, "%s/postgres", n->folder.path) &&
              WORDS(&r, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB",
                    "-c", "max_connections=40", "-c", "dynamic_shared_memory_type=mmap") &&
              (!roles_find(n->roles, "database-init") || role_need(&r, "database-init"));
    return ok ? plan_add(n, &r, why) : plan_too_large(why);
}

int part_database(struct net *n, struct role *hub, struct error *why) {
    struct sockaddr_un a;
    if (n->s->database == DATABASE_SQLITE) {
        return WORDS(hub, "--database", "hub.db") ? 0 : plan_too_large(why);
    }
    if (strlen(n->folder.path) + strlen("/postgres/.s.PGSQL.5432") >= sizeof a.sun_path) {
        return error_set(why, ERR_RANGE,
                         "the folder's path is too long for PostgreSQL's socket: give --folder");
    }
    int r = folder_make(&n->folder, "postgres", why);
    if (r == 0) r = plan_init(n, why);
    if (r == 0) r = plan_server(n, why);
    if (r < 0) return r;
    bool ok =
        WORDS(hub, "--postgres-dsn") &&
        role_arg(hub, &n->arena, "host='%s/postgres' user=hub dbname=postgres", n->folder.path) &&
        role_need(hub, "database");
    return ok ? 0 : plan_too_large(why);
}
