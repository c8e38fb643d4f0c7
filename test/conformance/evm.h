/* The `evm` area: vectors of the execution layer, told apart by their shape.
 *
 * evm.c walks what it is given and asks each format in turn whether a file is of its kind; the
 * first that says so runs it. A format is one function in a file of its own.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TEST_CONFORMANCE_EVM_H
#define TEST_CONFORMANCE_EVM_H

#include "base/arena.h"
#include "test/conformance/conformance.h"
#include "json/json.h"

/* One file on its way through the formats. */
struct evm_file {
    const char *path; /* with the archive's name before that of its member */
    struct bytes content;
    const struct json *json; /* the document, where the content is JSON; else NULL */
    struct arena *a;         /* emptied after each file */
    struct evm_memory *memory;
};

struct consensus_types;
struct replay;

/* What is remembered from one file to the next: the bytes that the JSON half of a pair of files
 * gives, for the SSZ half that follows it. */
struct evm_memory {
    char stem[4096]; /* path without its endings; "" for none */
    struct buf *ssz;
    /* The last blinded block: its block hash and the root of its payload header. */
    const struct consensus_types *blinded_types; /* NULL: none */
    struct hash blinded_block, blinded_header;
    struct replay *replay; /* blocks with their pre-state, until all of them are read */
};

/* A format: false when the file is not of its kind (and nothing was counted). */
typedef bool evm_format(const struct evm_file *f, struct tally *t);

evm_format evm_run_replay;      /* blocks with their pre-state: kept until the end */
evm_format evm_run_state;       /* state tests */
evm_format evm_run_precompile;  /* inputs and outputs of precompiled contracts */
evm_format evm_run_wire;        /* RLPTests, TransactionTests, TrieTests, BasicTests */
evm_format evm_run_relay;       /* submissions, bids, registrations as JSON and SSZ */
evm_format evm_run_builder_api; /* calls of the builder API, blinded blocks, their payloads */
evm_format evm_run_kzg;         /* KZG functions in YAML */
evm_format evm_run_trie;        /* change sets, multiproofs, partial tries */

/* evm_finish_replay runs what evm_run_replay kept. */
void evm_finish_replay(struct evm_memory *memory, struct tally *t);

/* evm_path_contains: the path has the word, whatever the case of its letters. */
bool evm_path_contains(const struct evm_file *f, const char *word);

/* The area's entry (areas.c). */
void area_evm(const char *path, struct tally *t);

#endif
