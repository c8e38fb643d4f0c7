/* What the field's test files have in common: numbers and bytes as their fillers write them, and
 * accounts with storage.
 *
 * Lenient where the files are: digits of either case, leading zeros, an odd count of digits, no
 * prefix, decimal numbers, "" for nothing. What does not fit its type is told, for tests use it to
 * mean a transaction that cannot exist.
 * Source: ethereum/tests and execution-spec-tests documentation. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_FIXTURE_H
#define EVM_TOOL_FIXTURE_H

#include "chain/memory_state.h"
#include "eth/fork.h"
#include "json/json.h"

/* Readers of one value (a string, or a number). NULL and "" read as zero or nothing.
 * errors  ERR_SYNTAX (not a number), ERR_RANGE (does not fit), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int fixture_u256(struct u256 *ret, const struct json *v,
                                             struct error *why);
[[gnu::warn_unused_result]] int fixture_u64(uint64_t *ret, const struct json *v, struct error *why);
/* up to n bytes, right-aligned in n (a hash or address may be written short) */
[[gnu::warn_unused_result]] int fixture_fixed(uint8_t *ret, size_t n, const struct json *v,
                                              struct error *why);
[[gnu::warn_unused_result]] int fixture_bytes(struct bytes *ret, const struct json *v,
                                              struct arena *a, struct error *why);

/* Readers of a member; absent reads as zero or nothing. */
[[gnu::warn_unused_result]] int fixture_get_u256(struct u256 *ret, const struct json *object,
                                                 const char *key, struct error *why);
[[gnu::warn_unused_result]] int fixture_get_u64(uint64_t *ret, const struct json *object,
                                                const char *key, struct error *why);
[[gnu::warn_unused_result]] int fixture_get_hash(struct hash *ret, const struct json *object,
                                                 const char *key, struct error *why);
[[gnu::warn_unused_result]] int fixture_get_address(struct address *ret, const struct json *object,
                                                    const char *key, struct error *why);
[[gnu::warn_unused_result]] int fixture_get_bytes(struct bytes *ret, const struct json *object,
                                                  const char *key, struct arena *a,
                                                  struct error *why);

/* fixture_accounts reads {address: {balance, nonce, code, storage: {key: value}}} into m. */
[[gnu::warn_unused_result]] int fixture_accounts(struct memory_state *m, const struct json *object,
                                                 struct arena *a, struct error *why);

/* fixture_access_list reads [{address, storageKeys: [...]}] into the arena. */
struct tx_access;
[[gnu::warn_unused_result]] int fixture_access_list(const struct tx_access **ret, size_t *ret_count,
                                                    const struct json *list, struct arena *a,
                                                    struct error *why);

/* fixture_authorizations reads [{chainId, address, nonce, v or yParity, r, s}] into the arena. */
struct tx_authorization;
[[gnu::warn_unused_result]] int fixture_authorizations(const struct tx_authorization **ret,
                                                       size_t *ret_count, const struct json *list,
                                                       struct arena *a, struct error *why);

/* fixture_hashes reads an array of 32-byte values into the arena. */
[[gnu::warn_unused_result]] int fixture_hashes(const struct hash **ret, size_t *ret_count,
                                               const struct json *list, struct arena *a,
                                               struct error *why);

/* fixture_header reads a header by the names of block tests (parentHash, uncleHash, ...); which
 * members are there says of which form it is. Where it has its `hash`, that must be it.
 * errors  ERR_INVALID (another hash). */
struct header;
[[gnu::warn_unused_result]] int fixture_header(struct header *ret, const struct json *object,
                                               struct arena *a, struct error *why);

/* fixture_chain_id reads `chainid` of a test's "config" where it is there. */
[[gnu::warn_unused_result]] int fixture_chain_id(uint64_t *ret, const struct json *config,
                                                 struct error *why);

/* fixture_blob_schedule puts the row of a fork's name in {"blobSchedule": {Name: {target, max,
 * baseFeeUpdateFraction}}}, a test's "config", into a chain configuration, to count from a time on.
 * Nothing happens where there is none. */
[[gnu::warn_unused_result]] int fixture_blob_schedule(struct chain_config *c,
                                                      const struct json *config, struct bytes name,
                                                      uint64_t from, struct error *why);
/* fixture_blob_params reads one such row. errors  ERR_RANGE, those of fixture_get_u64. */
[[gnu::warn_unused_result]] int fixture_blob_params(struct blob_params *ret, const struct json *row,
                                                    uint64_t from, struct error *why);

#endif
