/* Schema: the tables of the hub and their migrations, forward only.
 *
 * Version 1 is the schema that is deployed today; each of its statements changes nothing where the
 * object exists, so an existing database is taken over as it is, at whichever of its own steps it
 * stands. Later versions only add columns and tables, so that the deployed program still runs on
 * the same database. Thread: as the connection. SPDX-License-Identifier: MIT */
#ifndef HUB_SCHEMA_H
#define HUB_SCHEMA_H

#include "db/db.h"

#define SCHEMA_VERSION 5

/* schema_version: 0 when the hub never wrote to this database. */
[[gnu::warn_unused_result]] int schema_version(unsigned *ret, struct db *d, struct error *why);

/* schema_migrate brings the database to SCHEMA_VERSION in one transaction.
 * ret_from  the version found. errors  ERR_UNSUPPORTED: the database is newer than the program. */
[[gnu::warn_unused_result]] int schema_migrate(unsigned *ret_from, struct db *d, struct error *why);

#endif
