/* Archive lines: files of JSON lines that are appended to. A line is whole or not there: what a
 * full disk or a crash has cut short is taken off. One process writes to a folder; thread: one.
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_ARCHIVE_LINES_H
#define ORDERFLOW_ARCHIVE_LINES_H

#include "base/bytes.h"
#include "base/error.h"

#define ARCHIVE_LINES_PREFIX "orders-"
#define ARCHIVE_LINES_SUFFIX ".jsonl"

/* archive_lines_append appends whole lines to a file, which it makes when there is none.
 * ret_written  bytes of the lines that are in the file now, also after an error: the rest may be
 *              tried again.
 * errors  ERR_IO */
[[gnu::warn_unused_result]] int archive_lines_append(size_t *ret_written, const char *path,
                                                     struct bytes lines, struct error *why);

/* archive_lines_mend takes the end without a line break off each file of a folder; gives how many
 * had one. */
unsigned archive_lines_mend(const char *folder);

#endif
