/* Asker: a verb's side of a running network: where it is, its state, its commands. Blocking.
 * Thread: one at a time. SPDX-License-Identifier: MIT */
#ifndef DEVNET_ASKER_H
#define DEVNET_ASKER_H

#include "devnet/devnet.h"
#include "net/client.h"
#include "json/json.h"

struct asker {
    const struct devnet_settings *s;
    struct arena arena;
    const char *folder;
    const char *control; /* "http://127.0.0.1:PORT" */
};

/* asker_open finds the running network. errors  ERR_NOT_FOUND: none runs. asker_close frees. */
[[gnu::warn_unused_result]] int asker_open(struct asker *k, const struct devnet_settings *s,
                                           struct error *why);
void asker_close(struct asker *k);

/* asker_state gives the state document, valid until asker_forget or the close; ret_text (may be
 * NULL) its text. asker_forget frees what was asked so far. */
[[gnu::warn_unused_result]] int asker_state(struct asker *k, const struct json **ret,
                                            struct bytes *ret_text, struct error *why);
void asker_forget(struct asker *k);

/* asker_get: a GET of any path at the control address. */
[[gnu::warn_unused_result]] int asker_get(struct asker *k, const char *path,
                                          struct client_answer *ret, struct error *why);

/* asker_command sends a command; ret (may be NULL) is its text. */
[[gnu::warn_unused_result]] int asker_command(struct asker *k, const char *name,
                                              struct config_list words, struct bytes *ret,
                                              struct error *why);

/* Members as C strings and numbers; "" and 0 when they are missing. */
const char *asker_text(struct asker *k, const struct json *v, const char *key);
uint64_t asker_u64(const struct json *v, const char *key);
double asker_number(const struct json *v, const char *key);
bool asker_bool(const struct json *v, const char *key);

/* The verbs that have files of their own. */
[[gnu::warn_unused_result]] int feed_print(struct asker *k, struct error *why);
[[gnu::warn_unused_result]] int logs_print(struct asker *k, const char *role, struct error *why);

/* order_lines tells what the network's roles did with an order, as log lines: the order's own hash
 * or a transaction's leads to it. ret: what orderflow and the chain know it by, until
 * asker_forget.
 * errors  ERR_SYNTAX (not a hash), ERR_IO, and those of `take`, which ends it. */
struct order_names {
    const char *order, *tx;
};
typedef int order_line_fn(void *context, const char *role, struct bytes line, uint64_t at_ns,
                          struct error *why);
[[gnu::warn_unused_result]] int order_lines(struct asker *k, const char *hash,
                                            struct order_names *ret, order_line_fn *take,
                                            void *context, struct error *why);
/* tx_print: [TO [ETHER]]; the raw transaction on stdout, hash and nonce on stderr. */
[[gnu::warn_unused_result]] int tx_print(struct asker *k, struct config_list words,
                                         struct error *why);
/* allow_is_file: the word of `allow` names a file, not an image or node. allow_file shows what the
 * hub would change, asks and changes it (`hub apply`), and lets the nodes' policy for each other
 * follow. errors  ERR_INVALID: nobody said yes, or the hub refused. */
bool allow_is_file(const char *word);
[[gnu::warn_unused_result]] int allow_file(struct asker *k, struct config_list words,
                                           struct error *why);
/* replay_print needs no running network. role: NULL for all. */
[[gnu::warn_unused_result]] int replay_print(const char *path, const char *role, struct error *why);
/* play_run sends the running network the orders that a recording holds, at their times since its
 * start; prints what came of them. */
[[gnu::warn_unused_result]] int play_run(struct asker *k, const char *path, struct error *why);
/* shadow_print: the report of a shadow. */
[[gnu::warn_unused_result]] int shadow_print(struct asker *k, struct error *why);
[[gnu::warn_unused_result]] int show_run(struct asker *k, struct error *why);

#endif
