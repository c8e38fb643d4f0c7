/* Keccak-f[1600] on eight states in 512-bit registers, all 25 words in registers throughout: the
 * compilers spill a dozen of them a round. Contract in keccak_impl.h; needs AVX512F.
 *
 * Registers: word x + 5y of the reference starts in zmm(x + 5y); zmm25-31 are for the parities and
 * copies. A round leaves word x of row y of its result where that row's x-th word came from, so the
 * words wander; after four rounds they are moved home (such moves cost no execution).
 *
 * SPDX-License-Identifier: MIT */
#if defined(__x86_64__) && defined(__linux__)
#ifdef __CET__
#include <cet.h>
#else
#define _CET_ENDBR
#endif

/* parity: zmm(to) = a ^ b ^ c ^ d ^ e */
.macro parity to, a, b, c, d, e
        vmovdqa64 %zmm\a, %zmm\to
        vpternlogq $0x96, %zmm\b, %zmm\c, %zmm\to
        vpternlogq $0x96, %zmm\d, %zmm\e, %zmm\to
.endm

/* mix: zmm(a) = (a ^ zmm(d)) rotated left by n */
.macro mix a, d, n
        vpxorq %zmm\d, %zmm\a, %zmm\a
        vprolq $\n, %zmm\a, %zmm\a
.endm

/* chi_row: each word a ^ (~next & the one after next), in place */
.macro chi_row a, b, c, d, e
        vmovdqa64 %zmm\a, %zmm26
        vmovdqa64 %zmm\b, %zmm28
        vpternlogq $0xd2, %zmm\c, %zmm\b, %zmm\a
        vpternlogq $0xd2, %zmm\d, %zmm\c, %zmm\b
        vpternlogq $0xd2, %zmm\e, %zmm\d, %zmm\c
        vpternlogq $0xd2, %zmm26, %zmm\e, %zmm\d
        vpternlogq $0xd2, %zmm28, %zmm26, %zmm\e
.endm

/* ask: the next two lines are asked for from memory. A few a round: each waits for one of the places
 * for lines on their way, and about two become free in the time of a round. */
.macro ask i
        movq 2*\i(%rsi), %rdx
        prefetcht0 (%rdx)
        movq 2*\i+8(%rsi), %rdx
        prefetcht0 (%rdx)
.endm

/* one_round: rc is the offset of the round's constant; a0..a24 say where words x + 5y stand.
 * After theta, zmm30, 31, 27, 29, 25 are what columns 0 to 4 are mixed with. */
.macro one_round rc, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24
        ask \rc
        parity 25, \a0, \a5, \a10, \a15, \a20
        parity 26, \a1, \a6, \a11, \a16, \a21
        parity 27, \a2, \a7, \a12, \a17, \a22
        parity 28, \a3, \a8, \a13, \a18, \a23
        parity 29, \a4, \a9, \a14, \a19, \a24
        vprolq $1, %zmm26, %zmm30
        vprolq $1, %zmm27, %zmm31
        vpxorq %zmm29, %zmm30, %zmm30
        vpxorq %zmm25, %zmm31, %zmm31
        vprolq $1, %zmm29, %zmm29
        vpxorq %zmm27, %zmm29, %zmm29
        vprolq $1, %zmm28, %zmm27
        vpxorq %zmm26, %zmm27, %zmm27
        vprolq $1, %zmm25, %zmm25
        vpxorq %zmm28, %zmm25, %zmm25

        vpxorq %zmm30, %zmm\a0, %zmm\a0
        mix \a6, 31, 44
        mix \a12, 27, 43
        mix \a18, 29, 21
        mix \a24, 25, 14
        chi_row \a0, \a6, \a12, \a18, \a24
        vpxorq \rc(%rax){1to8}, %zmm\a0, %zmm\a0

        mix \a3, 29, 28
        mix \a9, 25, 20
        mix \a10, 30, 3
        mix \a16, 31, 45
        mix \a22, 27, 61
        chi_row \a3, \a9, \a10, \a16, \a22

        mix \a1, 31, 1
        mix \a7, 27, 6
        mix \a13, 29, 25
        mix \a19, 25, 8
        mix \a20, 30, 18
        chi_row \a1, \a7, \a13, \a19, \a20

        mix \a4, 25, 27
        mix \a5, 30, 36
        mix \a11, 31, 10
        mix \a17, 27, 15
        mix \a23, 29, 56
        chi_row \a4, \a5, \a11, \a17, \a23

        mix \a2, 27, 62
        mix \a8, 29, 55
        mix \a14, 25, 39
        mix \a15, 30, 41
        mix \a21, 31, 2
        chi_row \a2, \a8, \a14, \a15, \a21
.endm

/* cycle: each register takes the content of the next one, the last that of the first */
.macro cycle a, b, c, d, e, f
        vmovdqa64 %zmm\a, %zmm25
        vmovdqa64 %zmm\b, %zmm\a
        vmovdqa64 %zmm\c, %zmm\b
        vmovdqa64 %zmm\d, %zmm\c
        vmovdqa64 %zmm\e, %zmm\d
        vmovdqa64 %zmm\f, %zmm\e
        vmovdqa64 %zmm25, %zmm\f
.endm

.macro each_word what
        \what 0
        \what 1
        \what 2
        \what 3
        \what 4
        \what 5
        \what 6
        \what 7
        \what 8
        \what 9
        \what 10
        \what 11
        \what 12
        \what 13
        \what 14
        \what 15
        \what 16
        \what 17
        \what 18
        \what 19
        \what 20
        \what 21
        \what 22
        \what 23
        \what 24
.endm
.macro load_word i
        vmovdqa64 64*\i(%rdi), %zmm\i
.endm
.macro store_word i
        vmovdqa64 %zmm\i, 64*\i(%rdi)
.endm

        .text
        .globl keccak_permute_avx512x8
        .hidden keccak_permute_avx512x8
        .type keccak_permute_avx512x8, @function
        .balign 64
keccak_permute_avx512x8:
        .cfi_startproc
        _CET_ENDBR
        each_word load_word
        leaq keccak_round_constants(%rip), %rax
        leaq 192(%rax), %rcx
        .balign 64
.Lfour_rounds:
        one_round 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24
        one_round 8, 0, 6, 12, 18, 24, 3, 9, 10, 16, 22, 1, 7, 13, 19, 20, 4, 5, 11, 17, 23, 2, 8, 14, 15, 21
        one_round 16, 0, 9, 13, 17, 21, 18, 22, 1, 5, 14, 6, 10, 19, 23, 2, 24, 3, 7, 11, 15, 12, 16, 20, 4, 8
        one_round 24, 0, 22, 19, 11, 8, 17, 14, 6, 3, 20, 9, 1, 23, 15, 12, 21, 18, 10, 7, 4, 13, 5, 2, 24, 16
        cycle 1, 14, 13, 4, 16, 17
        cycle 2, 23, 21, 3, 7, 9
        cycle 5, 11, 6, 20, 19, 24
        cycle 8, 18, 10, 22, 12, 15
        addq $64, %rsi
        addq $32, %rax
        cmpq %rcx, %rax
        jne .Lfour_rounds
        each_word store_word
        vzeroupper
        ret
        .cfi_endproc
        .size keccak_permute_avx512x8, . - keccak_permute_avx512x8

        .section .note.GNU-stack, "", @progbits
#endif
