/* Socket owner: which process is at the other end of an accepted loopback connection.
 *
 * Source: proc(5): /proc/net/tcp, /proc/PID/fd. Thread: any. SPDX-License-Identifier: MIT */
#ifndef DEVNET_SOCKET_OWNER_H
#define DEVNET_SOCKET_OWNER_H

#include <stddef.h>
#include <sys/types.h>

/* socket_owner looks for the connecting socket of `fd` among the descriptors of these processes
 * (0: skipped); gives the index, or count when it is none of them. */
size_t socket_owner(int fd, const pid_t *pids, size_t count);

#endif
