/* Cryptography: the hashes, signatures, curves and key derivation that Ethereum and attestation
 * use.
 *
 * One header a concern; this one is the list. What is standard and well served by Debian is taken
 * from there behind our own interface: secp256k1 (libsecp256k1), P-256, SHA-512, HMAC, key
 * derivation and AES (OpenSSL), big numbers (GMP). The rest is ours: Keccak, SHA-256, RIPEMD-160,
 * BLAKE2b's F, bn254, BLS12-381, KZG. Not here: gas and input rules of precompiled contracts (evm),
 * transaction signing (eth), TLS and certificates (net, attest).
 *
 * Fast paths (AVX2, AVX-512, SHA, BMI2/ADX) are chosen at run time by base/cpu.h and give the same
 * results as the plain ones. Secrets: only ecdsa.h (signing), bls.h (signing), bls_keystore.h and
 * kdf.h take them. No global state; what has to be made once (a signer, a curve, a cache, a trusted
 * setup) is an object of the caller's. Any thread, unless a header says otherwise.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H

#include "crypto/blake2b.h"
#include "crypto/bls.h"
#include "crypto/bls_keystore.h"
#include "crypto/bls_precompile.h"
#include "crypto/bn254.h"
#include "crypto/ecdsa.h"
#include "crypto/kdf.h"
#include "crypto/keccak.h"
#include "crypto/kzg.h"
#include "crypto/modexp.h"
#include "crypto/p256.h"
#include "crypto/ripemd160.h"
#include "crypto/sender_cache.h"
#include "crypto/sha256.h"

#endif
