/* The fast interpreter against the plain one (oracle.h), on programs that are generated from the
 * input: three contracts that call, create and revert one another under any fork. Outcome, gas,
 * output, state, logs and refunds must be the same. An even first byte takes the rest as code.
 * SPDX-License-Identifier: MIT */
#include "evm/opcode.h"
#include "evm/oracle.h"
#include "evm/precompile.h"

#include <stdlib.h>

#define CONTRACTS 3
#define CODE_MAX 700
#define GAS 80000 // the plain one takes its time
#define LABELS_MAX 32

/* Programs. */

struct input {
    const uint8_t *p;
    size_t n;
};

static uint8_t take(struct input *in) {
    if (in->n == 0) return 0;
    in->n--;
    return *in->p++;
}

struct program {
    uint8_t code[CODE_MAX + 64];
    size_t n;
    unsigned height;             // of the stack, as far as it is known
    uint16_t labels[LABELS_MAX]; // of JUMPDESTs
    unsigned label_count;
};

static struct program programs[CONTRACTS];
static struct evm_schedule schedule; // of the newest fork: what instructions take

static void emit(struct program *p, uint8_t byte) {
    if (p->n < sizeof p->code) p->code[p->n++] = byte;
}

static void emit_push(struct program *p, unsigned size, const uint8_t *bytes) {
    emit(p, (uint8_t)(OP_PUSH1 + size - 1));
    for (unsigned i = 0; i < size; i++) {
        emit(p, bytes[i]);
    }
    p->height++;
}

static void push_small(struct program *p, unsigned v) {
    const uint8_t two[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    emit_push(p, v > 255 ? 2 : 1, v > 255 ? two : two + 1);
}

static void push_contract(struct program *p, unsigned i) {
    uint8_t a[20] = {[0] = 0xc0, [19] = (uint8_t)(i % CONTRACTS)};
    emit_push(p, 20, a);
}

// A number worth trying: small, a power of two or next to one, an address, anything.
static void push_some(struct program *p, struct input *in) {
    uint8_t kind = take(in), v = take(in), word[32];
    memset(word, kind & 8 ? 0xff : 0, sizeof word);
    switch (kind % 8) {
    case 0:
    case 1:
        push_small(p, v);
        break;
    case 2:
        push_small(p, v * 37u);
        break;
    case 3:
        push_contract(p, v);
        break;
    case 4:
        word[v % 32] ^= (uint8_t)(1u << v / 32);
        emit_push(p, 32, word);
        break;
    case 5:
        emit(p, v % 2 ? OP_CALLER : OP_ADDRESS), p->height++;
        break;
    case 6:
        push_small(p, 1 + v % 20);
        break; // a precompile
    default:
        for (unsigned i = 0; i < 32; i++) {
            word[i] = i % 8 == 7 ? take(in) : (uint8_t)(v * (i + 1));
        }
        emit_push(p, 1 + kind / 8 % 32u, word);
        break;
    }
}

static void emit_op(struct program *p, uint8_t op, struct input *in) {
    const struct evm_op *what = &schedule.op[op];
    while (p->height < what->pops) {
        push_some(p, in);
    }
    emit(p, op);
    p->height += (unsigned)what->pushes - what->pops;
}

static void emit_call(struct program *p, struct input *in) {
    static const uint8_t ops[4] = {OP_CALL, OP_CALLCODE, OP_DELEGATECALL, OP_STATICCALL};
    uint8_t choice = take(in), op = ops[choice % 4];
    push_small(p, take(in)); // out size
    push_small(p, take(in)); // out at
    push_small(p, take(in)); // in size
    push_small(p, take(in)); // in at
    if (op == OP_CALL || op == OP_CALLCODE) push_small(p, choice & 8 ? 3 : 0);
    if (choice & 16) {
        push_some(p, in);
    } else {
        push_contract(p, choice / 32);
    }
    if (choice & 4) {
        push_small(p, take(in) * 50u);
    } else {
        emit(p, OP_GAS);
        p->height++;
    }
    emit_op(p, op, in);
}

static void emit_create(struct program *p, struct input *in) {
    uint8_t choice = take(in), size = take(in);
    push_small(p, size);
    push_small(p, take(in) * 2u); // from where in this code
    push_small(p, 0);
    emit_op(p, OP_CODECOPY, in);
    if (choice & 1) push_small(p, choice / 16); // salt
    push_small(p, size);
    push_small(p, 0);
    push_small(p, choice & 2 ? 1 : 0);
    emit_op(p, choice & 1 ? OP_CREATE2 : OP_CREATE, in);
}

static void emit_jump(struct program *p, struct input *in, bool conditional) {
    uint8_t which = take(in);
    if (conditional && p->height == 0) push_some(p, in);
    uint16_t to = p->label_count ? p->labels[which % p->label_count] : which;
    if (which % 8 == 7) to = (uint16_t)(p->n + which / 4); // often nowhere
    const uint8_t two[2] = {(uint8_t)(to >> 8), (uint8_t)to};
    emit_push(p, 2, two);
    emit_op(p, conditional ? OP_JUMPI : OP_JUMP, in);
}

static void emit_label(struct program *p) {
    if (p->label_count < LABELS_MAX) p->labels[p->label_count++] = (uint16_t)p->n;
    emit(p, OP_JUMPDEST);
}

static void generate(struct program *p, struct input *in) {
    static const uint8_t ends[] = {OP_STOP, OP_RETURN, OP_REVERT, OP_SELFDESTRUCT, OP_INVALID};
    static const uint8_t slots[] = {OP_SLOAD, OP_SSTORE, OP_TLOAD, OP_TSTORE};
    *p = (struct program){.n = 0};
    while (in->n > 0 && p->n < CODE_MAX) {
        uint8_t c = take(in);
        if (c == 0xff) return;
        if (c < 0x90) {
            static const uint8_t skip[] = {OP_STOP, OP_JUMP, OP_JUMPI, OP_JUMPDEST};
            uint8_t op = c < 0x60 ? c : (uint8_t)(OP_LOG0 + c % 5);
            bool skipped = !schedule.op[op].defined;
            for (size_t i = 0; i < sizeof skip; i++) {
                skipped |= op == skip[i];
            }
            if (!skipped) emit_op(p, op, in);
        } else if (c < 0xa0) {
            emit_op(p, (uint8_t)(OP_DUP1 + c % 16), in);
        } else if (c < 0xb0) {
            emit_op(p, (uint8_t)(OP_SWAP1 + c % 16), in);
        } else if (c < 0xc0) {
            push_some(p, in);
        } else if (c < 0xd0) {
            emit_call(p, in);
        } else if (c < 0xd6) {
            emit_create(p, in);
        } else if (c < 0xe0) {
            emit_label(p);
        } else if (c < 0xec) {
            emit_jump(p, in, c < 0xe9);
        } else if (c < 0xf0) {
            emit(p, take(in));
        } else if (c < 0xfc) {
            push_small(p, take(in) % 6);
            emit_op(p, slots[c % 4], in);
        } else {
            emit_op(p, ends[take(in) % sizeof ends], in);
        }
    }
}

/* The world. */

static struct hash hashes[CONTRACTS];

static int read_account(void *ctx, struct state_base_account *ret, const struct address *address,
                        struct error *why) {
    (void)ctx, (void)why;
    *ret = (struct state_base_account){.code_hash = STATE_EMPTY_CODE_HASH};
    if (address->b[0] != 0xc0) return 0;
    *ret = (struct state_base_account){.balance = u256_from_u64(1000),
                                       .nonce = 1,
                                       .code_hash = hashes[address->b[19] % CONTRACTS],
                                       .exists = true,
                                       .has_storage = true};
    return 0;
}

static int read_slot(void *ctx, struct u256 *ret, const struct address *address,
                     const struct u256 *key, struct error *why) {
    (void)ctx, (void)why;
    *ret = address->b[0] == 0xc0 && key->w[0] % 2 ? u256_from_u64(key->w[0]) : U256_ZERO;
    return 0;
}

static int read_code(void *ctx, struct bytes *ret, const struct hash *hash, struct error *why) {
    (void)ctx, (void)hash;
    *ret = (struct bytes){0};
    return error_set(why, ERR_NOT_FOUND, "no code");
}

static int read_hash(void *ctx, struct hash *ret, uint64_t number, struct error *why) {
    (void)ctx, (void)why;
    *ret = (struct hash){{1, (uint8_t)number}};
    return 0;
}

static struct evm_code_cache *codes;
static struct precompiles *precompiles;
static struct state state;
static struct evm vm;
static const struct state_reader reader = {NULL, read_account, read_slot, read_code};

/* Outcomes. */

struct outcome {
    struct evm_result r;
    uint64_t output, accounts, slots, logs;
    int64_t refund;
    bool halts;
};

static uint64_t mix(uint64_t sum, struct bytes in) {
    for (size_t i = 0; i < in.n; i++) {
        sum = (sum ^ in.p[i]) * 0x100000001b3u;
    }
    return sum;
}

static uint64_t mix_word(uint64_t sum, const struct u256 *v) {
    return mix(sum, bytes_make(v->w, sizeof v->w));
}

static uint64_t sum_accounts(void) {
    uint64_t sum = 0;
    for (const struct state_account *a = state.dirty_accounts; a; a = a->next_dirty) {
        const struct state_fields *now = &a->now, *base = &a->base;
        if (now->exists == base->exists && now->nonce == base->nonce &&
            u256_equal(now->balance, base->balance) &&
            hash_equal(&now->code_hash, &base->code_hash)) {
            continue;
        }
        uint64_t one = mix(now->nonce * 2 + now->exists, BYTES_OF(a->address));
        sum += mix(mix_word(one, &now->balance), BYTES_OF(now->code_hash));
    }
    return sum;
}

static uint64_t sum_slots(void) {
    uint64_t sum = 0;
    for (const struct state_slot *s = state.dirty_slots; s; s = s->next_dirty) {
        bool alive = s->generation == s->account->generation;
        struct u256 now = alive ? s->value : s->account->generation ? U256_ZERO : s->base;
        struct u256 base = s->account->generation ? U256_ZERO : s->base;
        if (u256_equal(now, base)) continue;
        sum += mix_word(mix_word(mix(1, BYTES_OF(s->account->address)), &s->key), &now);
    }
    return sum;
}

static uint64_t sum_logs(void) {
    uint64_t sum = state.log_count;
    for (size_t i = 0; i < state.log_count; i++) {
        const struct state_log *l = &state.logs[i];
        sum = mix(sum, BYTES_OF(l->address));
        for (uint32_t k = 0; k < l->topic_count; k++) {
            sum = mix(sum, BYTES_OF(l->topics[k]));
        }
        sum = mix(sum, bytes_make(state.log_data.p + l->data_at, l->data_size));
    }
    return sum;
}

static struct outcome run(uint8_t choice, enum fork fork,
                          enum evm_status (*interpret)(struct evm_frame *, const int32_t **)) {
    struct outcome o = {0};
    struct evm_message m = {.kind = EVM_CALL,
                            .gas = choice & 2 ? GAS : 3000 + 100 * choice,
                            .is_static = fork >= FORK_BYZANTIUM && choice % 16 == 4,
                            .recipient = {{[0] = 0xc0}},
                            .code_address = {{[0] = 0xc0}},
                            .sender = {{[0] = 0xee}},
                            .input = BYTES_LIT("forty bytes of input, more than one word"),
                            .value = U256_ZERO};
    static const struct hash blobs[2] = {{{1, 2}}, {{1, 3}}};
    state_reset(&state, reader);
    evm_use(&vm, &state, fork);
    vm.interpret = interpret;
    vm.block = (struct evm_block){.number = 300,
                                  .timestamp = 9000,
                                  .gas_limit = 30000000,
                                  .chain_id = 1,
                                  .base_fee = u256_from_u64(7),
                                  .blob_base_fee = U256_ONE,
                                  .prevrandao = U256_MAX,
                                  .coinbase = {{[0] = 0xcb}},
                                  .block_hash = read_hash};
    vm.tx = (struct evm_tx){.origin = {{[0] = 0xee}},
                            .gas_price = u256_from_u64(9),
                            .blob_hashes = blobs,
                            .blob_hash_count = 2};
    state_begin(&state);
    evm_execute(&vm, &m, &o.r);
    o.output = mix(o.r.output.n, o.r.output);
    o.accounts = sum_accounts();
    o.slots = sum_slots();
    o.logs = sum_logs();
    o.refund = state.refund;
    o.halts = o.r.status != EVM_SUCCESS && o.r.status != EVM_REVERT;
    if (state.failed.code != 0) abort();
    return o;
}

static void prepare(void) {
    codes = evm_code_cache_new();
    if (!codes || precompiles_new(&precompiles, NULL) != 0 ||
        state_init(&state, reader, codes, NULL) != 0 ||
        evm_init(&vm, codes, precompiles, NULL) != 0) {
        abort();
    }
    evm_schedule_init(&schedule, FORK_OSAKA);
}

static void put_code(unsigned i, struct bytes code) {
    // Under a made-up hash: the same code may stand at two addresses.
    static uint64_t number;
    if (code.n == 0) code = BYTES_LIT("\0");
    hashes[i] = (struct hash){{[0] = 0xfc}};
    store_be64(hashes[i].b + 8, ++number);
    if (!evm_code_add(codes, &hashes[i], code)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!codes) prepare();
    if (size < 3 || size > 4096) return 0;
    struct input in = {data + 2, size - 2};
    enum fork fork = (enum fork)(data[1] % FORK_COUNT);
    for (unsigned i = 0; i < CONTRACTS; i++) {
        if (data[0] % 2 == 0) {
            put_code(i, bytes_slice(bytes_make(data + 2, size - 2), i * (size / 4), size));
            continue;
        }
        generate(&programs[i], &in);
        put_code(i, bytes_make(programs[i].code, programs[i].n));
    }
    struct outcome fast = run(data[0], fork, NULL);
    struct outcome plain = run(data[0], fork, oracle_interpret);
    // Which of several faults is met first may differ: the fast one checks a line as a whole.
    if (fast.halts != plain.halts || (!fast.halts && fast.r.status != plain.r.status)) abort();
    if (fast.r.gas_left != plain.r.gas_left || fast.output != plain.output) abort();
    if (fast.accounts != plain.accounts || fast.slots != plain.slots) abort();
    if (fast.logs != plain.logs || fast.refund != plain.refund) abort();
    state_reset(&state, reader);
    evm_code_cache_trim(codes, 1u << 20);
    return 0;
}
