/* Signals: a descriptor that becomes readable, so that no handler ever runs; and the service
 * manager's protocol.
 *
 * signals_open blocks the given signals in the calling thread: call it in main before other
 * threads start, they inherit the mask. SIGPIPE is ignored.
 * Source: signalfd(2); systemd's sd_notify(3), sd_watchdog_enabled(3).
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* signals_open gives a non-blocking descriptor for the signals. errors ERR_IO. */
[[gnu::warn_unused_result]] int signals_open(int *ret_fd, const int *numbers, size_t count,
                                             struct error *why);

/* signals_next gives the next signal that arrived, 0 when there is none. */
int signals_next(int fd);

/* notify_send sends a state to the service manager ("READY=1", "STOPPING=1", "STATUS=...",
 * "RELOADING=1\nMONOTONIC_USEC=...", "WATCHDOG=1"). Nothing happens without NOTIFY_SOCKET.
 * errors  ERR_IO, ERR_RANGE (not a socket path). */
int notify_send(const char *state, struct error *why);

/* notify_reloading sends RELOADING with the time that the manager asks for. */
int notify_reloading(struct error *why);

/* notify_watchdog_ns: how often WATCHDOG=1 is due (half of the manager's limit), 0 for never. */
uint64_t notify_watchdog_ns(void);

#endif
