/* Secrets: where the builders' secret documents are kept.
 *
 * Memory (development), Vault (hub/vault.h), files and database rows. Files and rows are sealed
 * with AES-256-GCM: a key of 32 bytes from the operator, a random nonce each time, the builder's
 * name bound in. Documents never reach logs or error texts. Thread: any.
 *
 * SPDX-License-Identifier: MIT */
#ifndef HUB_SECRETS_H
#define HUB_SECRETS_H

#include "base/buf.h"
#include "base/secret.h"
#include "hub/store.h"

#define SECRETS_KEY_BYTES 32

struct secrets;

[[gnu::warn_unused_result]] int secrets_memory(struct secrets **ret, struct error *why);
/* key  32 bytes, copied. secrets_files makes the folder when it is missing. */
[[gnu::warn_unused_result]] int secrets_files(struct secrets **ret, const char *folder,
                                              struct bytes key, struct error *why);
[[gnu::warn_unused_result]] int secrets_database(struct secrets **ret, struct store *s,
                                                 struct bytes key, struct error *why);
/* secrets_vault takes an opened Vault over. */
struct vault;
[[gnu::warn_unused_result]] int secrets_vault(struct secrets **ret, struct vault *v,
                                              struct error *why);
/* secrets_set_token gives Vault another token (vault_set_token); other backends need none. */
[[gnu::warn_unused_result]] int secrets_set_token(struct secrets *s, struct bytes token,
                                                  struct error *why);
void secrets_close(struct secrets *s);
/* secrets_raw: the backend takes and gives any bytes, as the deployed in-memory one does. */
bool secrets_raw(const struct secrets *s);
/* secrets_apart: they are kept elsewhere than in the database, so that no transaction holds both.
 */
bool secrets_apart(const struct secrets *s);

/* secrets_get appends the document. errors  ERR_NOT_FOUND (never written), ERR_INVALID (another
 * key, or changed by somebody), ERR_IO, ERR_CLOSED. */
[[gnu::warn_unused_result]] int secrets_get(struct secrets *s, struct bytes builder,
                                            struct buf *out, struct error *why);
/* secrets_set replaces it. `change` (author, reason, perhaps a notification) gets the log row, in
 * one transaction with the document where the backend is the database. Elsewhere the row is there
 * before the document is, so that none changes without a trace, nor while the database is away;
 * what the backend refused then has a second row. After 0 it survives a crash; others are told
 * then. */
[[gnu::warn_unused_result]] int secrets_set(struct secrets *s, struct store *log,
                                            struct store_batch *change, struct bytes builder,
                                            struct bytes document, struct error *why);
/* secrets_delete: no builder that gets the name later gets its document; one that is not there is
 * fine. Of builders that are gone (hub_remove_secrets); rows of the database go with
 * batch_builder_delete, and nothing happens here.
 * errors  ERR_IO, ERR_CLOSED: it is there yet. After 0 it stays away after a crash. */
[[gnu::warn_unused_result]] int secrets_delete(struct secrets *s, struct bytes builder,
                                               struct error *why);

/* The sealed form, for tests: version byte, nonce (12), text, tag (16). */
[[gnu::warn_unused_result]] int secrets_seal(struct buf *out, struct bytes key,
                                             struct bytes builder, struct bytes document,
                                             struct error *why);
[[gnu::warn_unused_result]] int secrets_unseal(struct buf *out, struct bytes key,
                                               struct bytes builder, struct bytes sealed,
                                               struct error *why);

#endif
