/* SPDX-License-Identifier: MIT */
#include "net/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG_DEFAULT 1024
#define UNIX_MODE_DEFAULT 0660u

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* ---- text to address ---- */

static int parse_port(unsigned *ret, struct bytes text, struct error *why) {
    unsigned port = 0;
    if (text.n == 0 || text.n > 5) return error_set(why, ERR_SYNTAX, "port is not a number");
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') {
            return error_set(why, ERR_SYNTAX, "port is not a number");
        }
        port = port * 10 + (text.p[i] - '0');
    }
    if (port > 65535) return error_set(why, ERR_RANGE, "port %u is above 65535", port);
    *ret = port;
    return 0;
}

static int parse_unix(struct socket_address *ret, struct bytes path, struct error *why) {
    if (path.n == 0) return error_set(why, ERR_SYNTAX, "a Unix socket needs a path");
    if (path.n >= sizeof ret->local.sun_path) {
        return error_set(why, ERR_RANGE, "Unix socket path is longer than %zu bytes",
                         sizeof ret->local.sun_path - 1);
    }
    memset(ret, 0, sizeof *ret);
    ret->local.sun_family = AF_UNIX;
    memcpy(ret->local.sun_path, path.p, path.n);
    bool abstract = path.p[0] == '@';
    if (abstract) ret->local.sun_path[0] = 0;
    ret->n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + (abstract ? 0 : 1));
    return 0;
}

static bool parse_ip(uint8_t ret[16], size_t *ret_n, struct bytes text) {
    char host[INET6_ADDRSTRLEN + 1];
    if (text.n == 0 || text.n >= sizeof host) return false;
    memcpy(host, text.p, text.n);
    host[text.n] = 0;
    if (inet_pton(AF_INET, host, ret) == 1) {
        *ret_n = 4;
        return true;
    }
    *ret_n = 16;
    return inet_pton(AF_INET6, host, ret) == 1;
}

void socket_address_from_bytes(struct socket_address *ret, struct bytes ip, unsigned port) {
    memset(ret, 0, sizeof *ret);
    if (ip.n == 4) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons((uint16_t)port);
        memcpy(&ret->v4.sin_addr, ip.p, 4);
        ret->n = sizeof ret->v4;
    } else if (ip.n == 16) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t)port);
        memcpy(&ret->v6.sin6_addr, ip.p, 16);
        ret->n = sizeof ret->v6;
    }
}

int socket_address_parse(struct socket_address *ret, struct bytes text, unsigned default_port,
                         struct error *why) {
    if (bytes_starts_with(text, BYTES_LIT("unix:"))) {
        return parse_unix(ret, bytes_slice(text, 5, text.n), why);
    }
    struct bytes host = text, port_text = {NULL, 0};
    bool has_port = false;
    if (text.n && text.p[0] == '[') {
        const uint8_t *end = memchr(text.p, ']', text.n);
        if (!end) return error_set(why, ERR_SYNTAX, "address without a closing bracket");
        size_t at = (size_t)(end - text.p);
        host = bytes_slice(text, 1, at - 1);
        has_port = at + 1 < text.n;
        if (has_port && text.p[at + 1] != ':') {
            return error_set(why, ERR_SYNTAX, "only a port may follow the bracket");
        }
        port_text = bytes_slice(text, at + 2, text.n);
    } else {
        const uint8_t *colon = memchr(text.p, ':', text.n);
        // Two colons without brackets are an IPv6 address without a port.
        if (colon && !memchr(colon + 1, ':', text.n - (size_t)(colon - text.p) - 1)) {
            size_t at = (size_t)(colon - text.p);
            has_port = true;
            host = bytes_slice(text, 0, at);
            port_text = bytes_slice(text, at + 1, text.n);
        }
    }
    unsigned port = default_port;
    if (has_port) {
        int r = parse_port(&port, port_text, why);
        if (r < 0) return r;
    } else if (default_port == 0) {
        return error_set(why, ERR_SYNTAX, "address without a port");
    }
    uint8_t ip[16] = {0};
    size_t n = 16;
    if (host.n != 0 && !parse_ip(ip, &n, host)) {
        return error_set(why, ERR_SYNTAX, "\"%.*s\" is not a numeric address", (int)host.n,
                         (const char *)host.p);
    }
    socket_address_from_bytes(ret, bytes_make(ip, n), port);
    return 0;
}

/* ---- address to text ---- */

void socket_address_ip(uint8_t ret[16], const struct socket_address *a) {
    memset(ret, 0, 16);
    if (a->n && a->any.sa_family == AF_INET) {
        memcpy(ret, v4_mapped, 12);
        memcpy(ret + 12, &a->v4.sin_addr, 4);
    } else if (a->n && a->any.sa_family == AF_INET6) {
        memcpy(ret, &a->v6.sin6_addr, 16);
    }
}

void socket_address_client(uint8_t ret[16], const struct socket_address *a) {
    socket_address_ip(ret, a);
    if (memcmp(ret, v4_mapped, 12) != 0) memset(ret + 8, 0, 8);
}

unsigned socket_address_port(const struct socket_address *a) {
    if (a->n && a->any.sa_family == AF_INET) return ntohs(a->v4.sin_port);
    if (a->n && a->any.sa_family == AF_INET6) return ntohs(a->v6.sin6_port);
    return 0;
}

static bool is_tcp(const struct socket_address *a) {
    return a->n && (a->any.sa_family == AF_INET || a->any.sa_family == AF_INET6);
}

/* The text of an address that most requests through a proxy carry: inet_ntop formats it by printf.
 */
static size_t write_v4(char ret[SOCKET_TEXT_MAX], const uint8_t ip[4]) {
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        if (i) ret[n++] = '.';
        if (ip[i] >= 100) ret[n++] = (char)('0' + ip[i] / 100);
        if (ip[i] >= 10) ret[n++] = (char)('0' + ip[i] / 10 % 10);
        ret[n++] = (char)('0' + ip[i] % 10);
    }
    ret[n] = '\0';
    return n;
}

size_t socket_address_host(char ret[SOCKET_TEXT_MAX], const struct socket_address *a) {
    if (!is_tcp(a)) return (size_t)snprintf(ret, SOCKET_TEXT_MAX, "unix");
    uint8_t ip[16];
    socket_address_ip(ip, a);
    if (memcmp(ip, v4_mapped, 12) == 0) return write_v4(ret, ip + 12);
    inet_ntop(AF_INET6, ip, ret, SOCKET_TEXT_MAX);
    return strlen(ret);
}

size_t socket_address_text(char ret[SOCKET_TEXT_MAX], const struct socket_address *a) {
    char host[SOCKET_TEXT_MAX];
    int n;
    if (is_tcp(a)) {
        socket_address_host(host, a);
        bool brackets = strchr(host, ':') != NULL;
        n = snprintf(ret, SOCKET_TEXT_MAX, "%s%.*s%s:%u", brackets ? "[" : "", INET6_ADDRSTRLEN,
                     host, brackets ? "]" : "", socket_address_port(a));
    } else {
        size_t path = a->n > offsetof(struct sockaddr_un, sun_path)
                          ? a->n - offsetof(struct sockaddr_un, sun_path)
                          : 0;
        bool abstract = path && a->local.sun_path[0] == 0;
        n = snprintf(ret, SOCKET_TEXT_MAX, "unix:%s%.*s", abstract ? "@" : "",
                     (int)(abstract ? path - 1 : path), a->local.sun_path + (abstract ? 1 : 0));
    }
    return n < SOCKET_TEXT_MAX ? (size_t)n : SOCKET_TEXT_MAX - 1;
}

/* ---- blocks ---- */

int socket_block_parse(struct socket_block *ret, struct bytes text, struct error *why) {
    struct socket_block b = {0};
    if (bytes_equal_str(text, "unix")) {
        b.local = true;
        *ret = b;
        return 0;
    }
    const uint8_t *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
    struct bytes host = slash ? bytes_slice(text, 0, (size_t)(slash - text.p)) : text;
    uint8_t ip[16];
    size_t n = 0;
    if (!parse_ip(ip, &n, host)) {
        return error_set(why, ERR_SYNTAX, "\"%.*s\" is not an address block", (int)text.n,
                         (const char *)text.p);
    }
    unsigned bits = (unsigned)n * 8, most = bits;
    if (slash) {
        int r = parse_port(&bits, bytes_slice(text, host.n + 1, text.n), why);
        if (r < 0) return error_set(why, ERR_SYNTAX, "prefix length is not a number");
        if (bits > most) return error_set(why, ERR_RANGE, "prefix longer than %u bits", most);
    }
    if (n == 4) memcpy(b.ip, v4_mapped, 12);
    memcpy(b.ip + (16 - n), ip, n);
    b.prefix_bits = (uint8_t)(bits + (n == 4 ? 96 : 0));
    *ret = b;
    return 0;
}

bool socket_block_has(const struct socket_block *b, const struct socket_address *a) {
    if (!is_tcp(a)) return b->local && a->n;
    if (b->local) return false;
    uint8_t ip[16];
    socket_address_ip(ip, a);
    size_t whole = b->prefix_bits / 8u;
    if (memcmp(ip, b->ip, whole) != 0) return false;
    unsigned rest = b->prefix_bits % 8u;
    return rest == 0 || ((ip[whole] ^ b->ip[whole]) >> (8 - rest)) == 0;
}

/* ---- sockets ---- */

void socket_no_delay(int fd) {
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* Whether a Unix socket's file is left over from a process that is gone. */
static bool unix_is_stale(const struct socket_address *a) {
    struct stat st;
    if (a->local.sun_path[0] == 0) return false;
    if (lstat(a->local.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode)) return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    bool refused = connect(fd, &a->any, a->n) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int set_options(int fd, const struct socket_address *a,
                       const struct socket_listen_options *o) {
    int one = 1;
    if (!is_tcp(a)) return 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0) return -1;
    if (o && o->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0) {
        return -1;
    }
    if (a->any.sa_family == AF_INET6) {
        int only = o && o->v6_only;
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0) return -1;
    }
    // Accepted sockets inherit it: no delayed acknowledgement waits for a second small write.
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

// A socket's file has the socket's own mode less the umask's bits from the moment it is there:
// never open to more, and without chmod, which a sandbox refuses. The owner's bits stay out of the
// umask, for other threads may be making folders.
static int bind_file(int fd, const struct socket_address *a, mode_t mode) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    if (fchmod(fd, mode) < 0) return -1;
    (void)pthread_mutex_lock(&one_at_a_time);
    mode_t before = umask(~mode & (S_IRWXG | S_IRWXO));
    int r = bind(fd, &a->any, a->n);
    int os = errno;
    (void)umask(before);
    (void)pthread_mutex_unlock(&one_at_a_time);
    errno = os;
    return r;
}

int socket_listen(int *ret_fd, const struct socket_address *a,
                  const struct socket_listen_options *options, struct error *why) {
    char text[SOCKET_TEXT_MAX];
    socket_address_text(text, a);
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "socket for %s", text);
    bool local = a->any.sa_family == AF_UNIX;
    if (local && unix_is_stale(a)) unlink(a->local.sun_path);
    int backlog = options && options->backlog ? (int)options->backlog : BACKLOG_DEFAULT;
    unsigned mode = options && options->unix_mode ? options->unix_mode : UNIX_MODE_DEFAULT;
    bool file = local && a->local.sun_path[0] != 0;
    if (set_options(fd, a, options) < 0 ||
        (file ? bind_file(fd, a, (mode_t)mode) : bind(fd, &a->any, a->n)) < 0 ||
        listen(fd, backlog) < 0) {
        int os = errno;
        close(fd);
        enum err code = os == EADDRINUSE              ? ERR_CONFLICT
                        : os == EACCES || os == EPERM ? ERR_AUTH
                                                      : ERR_IO;
        return error_set_os(why, code, os, "cannot listen on %s", text);
    }
    *ret_fd = fd;
    return 0;
}

int socket_connect(int *ret_fd, const struct socket_address *a, struct error *why) {
    char text[SOCKET_TEXT_MAX];
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "socket");
    if (is_tcp(a)) socket_no_delay(fd);
    if (connect(fd, &a->any, a->n) < 0 && errno != EINPROGRESS) {
        int os = errno;
        close(fd);
        socket_address_text(text, a);
        return error_set_os(why, ERR_IO, os, "cannot connect to %s", text);
    }
    *ret_fd = fd;
    return 0;
}

int socket_error(int fd) {
    int os = 0;
    socklen_t n = sizeof os;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &os, &n) < 0 ? errno : os;
}

int socket_local(struct socket_address *ret, int fd, struct error *why) {
    memset(ret, 0, sizeof *ret);
    socklen_t n = sizeof ret->local;
    if (getsockname(fd, &ret->any, &n) < 0) return error_set_os(why, ERR_IO, errno, "getsockname");
    ret->n = n;
    return 0;
}
