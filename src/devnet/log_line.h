/* Log line: a role's log line as one JSON object. Pure. Thread: any. SPDX-License-Identifier: MIT
 */
#ifndef DEVNET_LOG_LINE_H
#define DEVNET_LOG_LINE_H

#include "base/buf.h"

/* log_line_json appends {"role":…} with the line's members and no newline.
 * line  without its end: logfmt and JSON objects, as base/log writes them, give their members
 *       (whole numbers of at most 15 digits as numbers); any other text is the member "text".
 * errors  are kept in `out`. */
void log_line_json(struct buf *out, const char *role, struct bytes line);

/* log_line_slot: the line names a slot, which it is of whenever it was written. */
bool log_line_slot(uint64_t *ret, struct bytes line);

#endif
