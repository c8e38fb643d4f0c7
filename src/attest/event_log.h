/* Boot event logs: the TCG crypto-agile form of TPMs (binary_bios_measurements) and of TDX (the
 * ACPI table CCEL), read, replayed into registers and told in words.
 *
 * A log proves nothing by itself: it explains registers that a quote vouches for, event by event.
 * Views point into the caller's bytes. Pure; any thread.
 *
 *   first record   u32 register, u32 type (3), 20 zero bytes, u32 size, "Spec ID Event03\0", …,
 *                  u32 count, count x {u16 algorithm, u16 digest size}, u8 vendor size, vendor
 *   each further   u32 register, u32 type, u32 count, count x {u16 algorithm, digest}, u32 size,
 *                  data
 *
 * In CCEL logs the register is a measurement register: 0 = MRTD, 1..4 = RTMR0..3.
 *
 * Source: TCG PC Client Platform Firmware Profile 1.05, section 10; UEFI 2.10, chapter 38.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_EVENT_LOG_H
#define ATTEST_EVENT_LOG_H

#include "attest/digest.h"
#include "base/arena.h"
#include "base/error.h"

#define EVENT_LOG_BYTES_MAX (4u << 20)
#define EVENT_LOG_EVENTS_MAX 8192
#define EVENT_LOG_REGISTERS 24
#define EVENT_LOG_BANKS 4

enum event_type {
    EVENT_NO_ACTION = 0x3,
    EVENT_SEPARATOR = 0x4,
    EVENT_ACTION = 0x5,
    EVENT_TAG = 0x6,
    EVENT_IPL = 0xd,
};

struct log_event {
    uint32_t reg;
    uint32_t type;
    struct bytes digest[EVENT_LOG_BANKS]; /* by enum digest_kind; empty where there is none */
    struct bytes data;
};

struct event_log {
    struct log_event *events; /* without the first record */
    size_t n;
    bool has_bank[EVENT_LOG_BANKS];
    size_t used_bytes; /* the rest of the area is padding */
};

/* event_log_parse reads a log; a register of all ones (0xffffffff as type or register) or a zero
 * record ends it.
 * a       holds the array of events.
 * errors  ERR_SYNTAX (why->at), ERR_LIMIT, ERR_UNSUPPORTED (a bank of unknown size),
 *         ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int event_log_parse(struct event_log *ret, struct bytes in,
                                                struct arena *a, struct error *why);

/* Registers of one bank after a replay. */
struct log_registers {
    enum digest_kind kind;
    uint8_t value[EVENT_LOG_REGISTERS][DIGEST_BYTES_MAX];
    uint32_t touched; /* bit per register */
};

/* event_log_replay extends zeroed registers with every event but EV_NO_ACTION. A StartupLocality
 * event before the first one of register 0 tells what a TPM's PCR 0 begins with: zeros and that
 * locality (3, or 4 after a dynamic launch). RTMRs have none: register 0 of a CCEL log is MRTD,
 * which no event extends.
 * errors  ERR_NOT_FOUND: the log has no such bank; ERR_RANGE: a register above 23. */
[[gnu::warn_unused_result]] int event_log_replay(struct log_registers *ret,
                                                 const struct event_log *log, enum digest_kind kind,
                                                 struct error *why);

/* event_type_name gives "EV_EFI_BOOT_SERVICES_APPLICATION", ...; NULL for unknown ones. */
const char *event_type_name(uint32_t type);

/* event_describe writes one line for people: the variable's name, the action's text, the file
 * path, the partition table. Printable ASCII, NUL-terminated. */
void event_describe(const struct log_event *e, char *ret, size_t size);

/* event_data_hashed tells whether the event's digest is the plain hash of its data, so that the
 * words can be trusted as far as the digest; most events hash something that is not in the log. */
bool event_data_hashed(const struct log_event *e, enum digest_kind kind);

#endif
