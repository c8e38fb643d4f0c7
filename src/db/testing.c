/* SPDX-License-Identifier: MIT */
#include "db/testing.h"

#include <glob.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES 200
#define TRY_NS 50000000L

// The newest installed server's program, in a static buffer.
static const char *find(const char *name) {
    static char path[256];
    char pattern[64];
    glob_t g;
    (void)snprintf(pattern, sizeof pattern, "/usr/lib/postgresql/*/bin/%s", name);
    if (glob(pattern, 0, NULL, &g) != 0) return NULL;
    (void)snprintf(path, sizeof path, "%s", g.gl_pathv[g.gl_pathc - 1]);
    globfree(&g);
    return path;
}

// The server refuses to run as root: user postgres does it then.
static bool drop_root(const struct passwd *user) {
    if (geteuid() != 0) return true;
    return user && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0;
}

static pid_t spawn(const struct test_postgres *p, const char *const argv[]) {
    const struct passwd *user = getpwnam("postgres");
    pid_t pid = fork();
    if (pid != 0) return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    char log[96];
    (void)snprintf(log, sizeof log, "%s/log", p->folder);
    if (!freopen(log, "a", stdout) || !freopen(log, "a", stderr)) _exit(127);
    if (!drop_root(user) || chdir(p->folder) != 0) _exit(127);
    (void)execv(argv[0], (char *const *)argv);
    _exit(127);
}

bool test_postgres_run(struct test_postgres *p) {
    char data[96];
    (void)snprintf(data, sizeof data, "%s/data", p->folder);
    const char *const argv[] = {find("postgres"),    "-D", data, "-k", p->folder, "-c",
                                "listen_addresses=", NULL};
    p->pid = spawn(p, argv);
    for (int i = 0; i < START_TRIES; i++) {
        struct timespec t = {0, TRY_NS};
        (void)nanosleep(&t, NULL);
        if (PQping(p->dsn) == PQPING_OK) return true;
        // Children of a killed server hold its memory for a moment: try again.
        if (waitpid(p->pid, NULL, WNOHANG) == p->pid) p->pid = spawn(p, argv);
    }
    return false;
}

bool test_postgres_start(struct test_postgres *p, bool durable, const char **ret_why) {
    *ret_why = "no PostgreSQL server is installed";
    const char *initdb = find("initdb");
    const struct passwd *user = getpwnam("postgres");
    if (!initdb || (geteuid() == 0 && !user)) return false;
    (void)strcpy(p->folder, "/tmp/hub-pg-XXXXXX");
    *ret_why = "cannot make a folder for PostgreSQL";
    if (!mkdtemp(p->folder)) return false;
    if (geteuid() == 0 && chown(p->folder, user->pw_uid, user->pw_gid) != 0) return false;
    (void)snprintf(p->dsn, sizeof p->dsn, "host=%s user=hub dbname=postgres", p->folder);
    char data[96];
    (void)snprintf(data, sizeof data, "%s/data", p->folder);
    const char *const argv[] = {initdb,  "-D", data,   "-U",          "hub",       "-A",
                                "trust", "-E", "UTF8", "--no-locale", "--no-sync", NULL};
    int status = 0;
    *ret_why = "initdb failed";
    pid_t pid = spawn(p, argv);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) return false;
    if (!durable) {
        char conf[112];
        (void)snprintf(conf, sizeof conf, "%s/postgresql.conf", data);
        FILE *f = fopen(conf, "a");
        if (!f) return false;
        (void)fputs("fsync = off\n", f);
        (void)fclose(f);
    }
    *ret_why = "PostgreSQL did not start";
    return test_postgres_run(p);
}

void test_postgres_kill(struct test_postgres *p) {
    if (p->pid > 0) {
        (void)kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, NULL, 0);
    }
    p->pid = 0;
}

void test_postgres_stop(struct test_postgres *p) {
    if (p->pid > 0) {
        (void)kill(p->pid, SIGQUIT);
        (void)waitpid(p->pid, NULL, 0);
        p->pid = 0;
    }
    if (!p->folder[0]) return;
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/bin/rm", "rm", "-rf", p->folder, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(pid, NULL, 0);
    p->folder[0] = '\0';
}
