/* Socket: addresses and non-blocking sockets, TCP and Unix.
 *
 * Text forms: "127.0.0.1:80", "[::1]:443", ":8080" (all addresses), "unix:/path" (a name that
 * begins with "@" is in the abstract space). Names are resolved elsewhere (net/resolver.h).
 * Thread: any.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "base/bytes.h"
#include "base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SOCKET_TEXT_MAX 128 /* text of an address with its NUL; a longer Unix path is cut */

struct socket_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
    socklen_t n; /* bytes in use; 0: no address */
};

/* socket_address_parse reads a text form. A host name is not an address.
 * default_port  used when the text has none; 0: a port is required (TCP).
 * errors   ERR_SYNTAX, ERR_RANGE (port above 65535, Unix path too long). */
[[gnu::warn_unused_result]] int socket_address_parse(struct socket_address *ret, struct bytes text,
                                                     unsigned default_port, struct error *why);

/* socket_address_from_bytes: 4 or 16 address bytes in network order, port in host order. */
void socket_address_from_bytes(struct socket_address *ret, struct bytes ip, unsigned port);

/* socket_address_text writes the text form; socket_address_host the same without port and
 * brackets ("unix" for local sockets). IPv4 in IPv6 is written as IPv4. Returns the length. */
size_t socket_address_text(char ret[SOCKET_TEXT_MAX], const struct socket_address *a);
size_t socket_address_host(char ret[SOCKET_TEXT_MAX], const struct socket_address *a);

/* socket_address_port: host order; 0 for local sockets. */
unsigned socket_address_port(const struct socket_address *a);

/* socket_address_ip: 16 bytes, IPv4 mapped (::ffff:a.b.c.d); all zero for local sockets. */
void socket_address_ip(uint8_t ret[16], const struct socket_address *a);

/* socket_address_client: as socket_address_ip, of IPv6 the first 64 bits only: what limits of one
 * client count by, for who has one IPv6 address has its whole /64. */
void socket_address_client(uint8_t ret[16], const struct socket_address *a);

/* A block of addresses, "10.0.0.0/8", "fd00::/8", or one address; "unix" stands for all local
 * peers. */
struct socket_block {
    uint8_t ip[16];
    uint8_t prefix_bits; /* 0..128, IPv4 counted from 96 */
    bool local;
};
/* errors   ERR_SYNTAX, ERR_RANGE. */
[[gnu::warn_unused_result]] int socket_block_parse(struct socket_block *ret, struct bytes text,
                                                   struct error *why);
bool socket_block_has(const struct socket_block *b, const struct socket_address *a);

struct socket_listen_options {
    unsigned backlog;   /* 0: 1024 */
    bool reuse_port;    /* several loops listen on one port, the kernel spreads */
    unsigned unix_mode; /* permissions of a Unix socket's file; 0: 0660 */
    unsigned v6_only : 1;
};

/* socket_listen binds and listens, non-blocking, close-on-exec, without delay. A Unix socket's
 * file that no process listens on any more is replaced. Its mode holds from the first moment; for
 * that the umask of the process changes while it is bound.
 * ret_fd   the caller closes it (and unlinks the file).
 * errors   ERR_CONFLICT (address in use), ERR_AUTH (no permission), ERR_IO. */
[[gnu::warn_unused_result]] int socket_listen(int *ret_fd, const struct socket_address *a,
                                              const struct socket_listen_options *options,
                                              struct error *why);

/* socket_connect begins to connect, non-blocking. *ret_fd is given also while the connection is
 * still on its way: it is done when the descriptor is writable and socket_error says 0.
 * errors   ERR_IO (refused at once, no descriptors). */
[[gnu::warn_unused_result]] int socket_connect(int *ret_fd, const struct socket_address *a,
                                               struct error *why);

/* socket_error takes the pending error (errno value) of a socket, 0 for none. */
int socket_error(int fd);

/* socket_local: the address that a socket is bound to (its port after binding port 0). */
[[gnu::warn_unused_result]] int socket_local(struct socket_address *ret, int fd, struct error *why);

/* socket_no_delay turns Nagle's algorithm off; nothing for local sockets. */
void socket_no_delay(int fd);

#endif
