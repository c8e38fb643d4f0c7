/* Arithmetic of BLS12-381 for x86-64, modulo its prime (contracts in bls_fp.h) and its order.
 *
 * Names ending in _adx need BMI2 and ADX (mulx, adcx, adox): two independent carry chains run
 * through each row of a product, one for the low and one for the high halves. The others need the
 * base instruction set only. No branch and no address depends on a value: constant time.
 *
 * Registers: rdi result, rsi first operand, rdx or rcx second; r8-r15 and rbp hold rows.
 *
 * SPDX-License-Identifier: MIT */
#if defined(__x86_64__) && defined(__linux__)
#ifdef __CET__
#include <cet.h>
#else
#define _CET_ENDBR
#endif

        .section .rodata
        .balign 64
modulus:
        .quad 0xb9feffffffffaaab, 0x1eabfffeb153ffff, 0x6730d2a0f6b0f624
        .quad 0x64774b84f38512bf, 0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a
negative_inverse:
        .quad 0x89f3fffcfffcfffd
order:
        .quad 0xffffffff00000001, 0x53bda402fffe5bfe, 0x3339d80809a1d805, 0x73eda753299d7d48
order_negative_inverse:
        .quad 0xfffffffeffffffff

        .text

.macro function name
        .globl \name
        .hidden \name
        .type \name, @function
        .balign 32
\name:
        .cfi_startproc
        _CET_ENDBR
.endm
.macro end_function name
        .cfi_endproc
        .size \name, . - \name
.endm

/* Goes on to the plain path where the processor has no ADX, else falls into \name\()_adx. */
.macro chosen_function name
function \name
        cmpb $0, bls_fp_use_adx(%rip)
        je \name\()_plain
        .cfi_endproc
        .size \name, . - \name
.endm

/* Registers on the stack, and from it in the opposite order, with what unwinding needs. */
.macro save registers:vararg
.irp r, \registers
        push %\r
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %\r, 0
.endr
.endm
.macro restore registers:vararg
.irp r, \registers
        pop %\r
        .cfi_adjust_cfa_offset -8
        .cfi_restore %\r
.endr
.endm

/* low += the low half of rdx * word, high += the high half, each in its own carry chain (OF, CF).
 * Uses rax and rbx. */
.macro multiply_add word, low, high
        mulx \word, %rax, %rbx
        adox %rax, \low
        adcx %rbx, \high
.endm

/* The same with the first five words at \at(\base); both chains begin, rbp = 0 carries nothing. */
.macro multiply_add_five at, base, t0, t1, t2, t3, t4, t5
        xor %ebp, %ebp
        multiply_add \at+0(\base), \t0, \t1
        multiply_add \at+8(\base), \t1, \t2
        multiply_add \at+16(\base), \t2, \t3
        multiply_add \at+24(\base), \t3, \t4
        multiply_add \at+32(\base), \t4, \t5
.endm

/* The last word of a row, whose high half opens the word above it; both chains end there. */
.macro multiply_add_last word, low, high
        mulx \word, %rax, \high
        adox %rax, \low
        adcx %rbp, \high
        adox %rbp, \high
.endm

/* t0..t6 = first row: a * b[0], where a stands at rsi and b at rcx. */
.macro first_row t0, t1, t2, t3, t4, t5, t6
        mov 0(%rcx), %rdx
        mulx 0(%rsi), \t0, \t1
        mulx 8(%rsi), %rax, \t2
        add %rax, \t1
        mulx 16(%rsi), %rax, \t3
        adc %rax, \t2
        mulx 24(%rsi), %rax, \t4
        adc %rax, \t3
        mulx 32(%rsi), %rax, \t5
        adc %rax, \t4
        mulx 40(%rsi), %rax, \t6
        adc %rax, \t5
        adc $0, \t6
.endm

/* t0..t6 += a * the word at \at of b; t6 is 0 on entry (its content is replaced). */
.macro next_row at, t0, t1, t2, t3, t4, t5, t6
        mov \at(%rcx), %rdx
        multiply_add_five 0, %rsi, \t0, \t1, \t2, \t3, \t4, \t5
        multiply_add_last 40(%rsi), \t5, \t6
.endm

/* Adds the multiple of the modulus that makes t0 zero: t0..t6 += m * p. The sum fits, for
 * t1..t6 stay below 2p (p has 381 bits). */
.macro reduce_row t0, t1, t2, t3, t4, t5, t6
        mov \t0, %rdx
        imul negative_inverse(%rip), %rdx
        multiply_add_five modulus, %rip, \t0, \t1, \t2, \t3, \t4, \t5
        multiply_add modulus+40(%rip), \t5, \t6
        adox %rbp, \t6
.endm

/* A row and its reduction. */
.macro reduced_row at, t0, t1, t2, t3, t4, t5, t6
        next_row \at, \t0, \t1, \t2, \t3, \t4, \t5, \t6
        reduce_row \t0, \t1, \t2, \t3, \t4, \t5, \t6
.endm

/* Stores t0..t5 (below 2p) at rdi after at most one subtraction of p. u: five spare registers
 * and rax. */
.macro store_reduced t0, t1, t2, t3, t4, t5, u0, u1, u2, u3, u4
        mov \t0, \u0
        mov \t1, \u1
        mov \t2, \u2
        mov \t3, \u3
        mov \t4, \u4
        mov \t5, %rax
        sub modulus+0(%rip), \t0
        sbb modulus+8(%rip), \t1
        sbb modulus+16(%rip), \t2
        sbb modulus+24(%rip), \t3
        sbb modulus+32(%rip), \t4
        sbb modulus+40(%rip), \t5
        cmovc \u0, \t0
        cmovc \u1, \t1
        cmovc \u2, \t2
        cmovc \u3, \t3
        cmovc \u4, \t4
        cmovc %rax, \t5
        mov \t0, 0(%rdi)
        mov \t1, 8(%rdi)
        mov \t2, 16(%rdi)
        mov \t3, 24(%rdi)
        mov \t4, 32(%rdi)
        mov \t5, 40(%rdi)
.endm

/* void bls_fp_mul_adx(ret, a, b) */
chosen_function bls_fp_mul
function bls_fp_mul_adx
        save rbp, rbx, r12, r13, r14, r15
        mov %rdx, %rcx
        first_row %r8, %r9, %r10, %r11, %r12, %r13, %r14
        reduce_row %r8, %r9, %r10, %r11, %r12, %r13, %r14
        reduced_row 8, %r9, %r10, %r11, %r12, %r13, %r14, %r8
        reduced_row 16, %r10, %r11, %r12, %r13, %r14, %r8, %r9
        reduced_row 24, %r11, %r12, %r13, %r14, %r8, %r9, %r10
        reduced_row 32, %r12, %r13, %r14, %r8, %r9, %r10, %r11
        reduced_row 40, %r13, %r14, %r8, %r9, %r10, %r11, %r12
        store_reduced %r14, %r8, %r9, %r10, %r11, %r12, %r13, %rbx, %rbp, %rcx, %rdx
        restore r15, r14, r13, r12, rbx, rbp
        ret
end_function bls_fp_mul_adx

/* void bls_fp_mul_wide_adx(ret, a, b): 12 words, no reduction. */
chosen_function bls_fp_mul_wide
function bls_fp_mul_wide_adx
        save rbp, rbx, r12, r13, r14, r15
        mov %rdx, %rcx
        first_row %r8, %r9, %r10, %r11, %r12, %r13, %r14
        mov %r8, 0(%rdi)
        next_row 8, %r9, %r10, %r11, %r12, %r13, %r14, %r8
        mov %r9, 8(%rdi)
        next_row 16, %r10, %r11, %r12, %r13, %r14, %r8, %r9
        mov %r10, 16(%rdi)
        next_row 24, %r11, %r12, %r13, %r14, %r8, %r9, %r10
        mov %r11, 24(%rdi)
        next_row 32, %r12, %r13, %r14, %r8, %r9, %r10, %r11
        mov %r12, 32(%rdi)
        next_row 40, %r13, %r14, %r8, %r9, %r10, %r11, %r12
        mov %r13, 40(%rdi)
        mov %r14, 48(%rdi)
        mov %r8, 56(%rdi)
        mov %r9, 64(%rdi)
        mov %r10, 72(%rdi)
        mov %r11, 80(%rdi)
        mov %r12, 88(%rdi)
        restore r15, r14, r13, r12, rbx, rbp
        ret
end_function bls_fp_mul_wide_adx

/* The products a[i] * a[j], i < j, of a (at rsi): words 1..10 in r8..r15, rcx, rbp. */
.macro square_triangle
        /* a0 * a1..a5 -> r8..r13 = words 1..6 */
        mov 0(%rsi), %rdx
        mulx 8(%rsi), %r8, %r9
        mulx 16(%rsi), %rax, %r10
        add %rax, %r9
        mulx 24(%rsi), %rax, %r11
        adc %rax, %r10
        mulx 32(%rsi), %rax, %r12
        adc %rax, %r11
        mulx 40(%rsi), %rax, %r13
        adc %rax, %r12
        adc $0, %r13
        /* a1 * a2..a5 -> words 3..7 = r10, r11, r12, r13, r14 */
        mov 8(%rsi), %rdx
        xor %ebp, %ebp
        multiply_add 16(%rsi), %r10, %r11
        multiply_add 24(%rsi), %r11, %r12
        multiply_add 32(%rsi), %r12, %r13
        multiply_add_last 40(%rsi), %r13, %r14
        /* a2 * a3..a5 -> words 5..8 = r12, r13, r14, r15 */
        mov 16(%rsi), %rdx
        xor %ebp, %ebp
        multiply_add 24(%rsi), %r12, %r13
        multiply_add 32(%rsi), %r13, %r14
        multiply_add_last 40(%rsi), %r14, %r15
        /* a3 * a4, a5 -> words 7..9 = r14, r15, rcx */
        mov 24(%rsi), %rdx
        mulx 32(%rsi), %rax, %rbx
        mulx 40(%rsi), %rdx, %rcx
        add %rax, %r14
        adc %rbx, %r15
        adc $0, %rcx
        add %rdx, %r15
        adc $0, %rcx
        /* a4 * a5 -> words 9, 10 = rcx, rbp */
        mov 32(%rsi), %rdx
        mulx 40(%rsi), %rax, %rbp
        add %rax, %rcx
        adc $0, %rbp
.endm

/* Doubles the triangle, adds the squares of the words and stores twelve words at \out. */
.macro square_finish out
        xor %ebx, %ebx
        mov 0(%rsi), %rdx
        mulx %rdx, %rax, %rdx
        mov %rax, 0(\out)
        adcx %r8, %r8
        adox %rdx, %r8
        mov %r8, 8(\out)
        mov 8(%rsi), %rdx
        mulx %rdx, %rax, %rdx
        adcx %r9, %r9
        adox %rax, %r9
        mov %r9, 16(\out)
        adcx %r10, %r10
        adox %rdx, %r10
        mov %r10, 24(\out)
        mov 16(%rsi), %rdx
        mulx %rdx, %rax, %rdx
        adcx %r11, %r11
        adox %rax, %r11
        mov %r11, 32(\out)
        adcx %r12, %r12
        adox %rdx, %r12
        mov %r12, 40(\out)
        mov 24(%rsi), %rdx
        mulx %rdx, %rax, %rdx
        adcx %r13, %r13
        adox %rax, %r13
        adcx %r14, %r14
        adox %rdx, %r14
        mov 32(%rsi), %rdx
        mulx %rdx, %rax, %rdx
        adcx %r15, %r15
        adox %rax, %r15
        adcx %rcx, %rcx
        adox %rdx, %rcx
        mov 40(%rsi), %rdx
        mulx %rdx, %rax, %rdx
        adcx %rbp, %rbp
        adox %rax, %rbp
        mov $0, %eax
        adcx %rax, %rdx
        adox %rax, %rdx
        mov %r13, 48(\out)
        mov %r14, 56(\out)
        mov %r15, 64(\out)
        mov %rcx, 72(\out)
        mov %rbp, 80(\out)
        mov %rdx, 88(\out)
.endm

/* void bls_fp_sqr_wide_adx(ret, a) */
function bls_fp_sqr_wide_adx
        save rbp, rbx, r12, r13, r14, r15
        square_triangle
        square_finish %rdi
        restore r15, r14, r13, r12, rbx, rbp
        ret
end_function bls_fp_sqr_wide_adx

/* One step of the reduction of a low half: t0..t5 += m * p with t0 becoming 0, and the carry word
 * of the row lands in t0 itself, which is the next row's top. */
.macro fold_row t0, t1, t2, t3, t4, t5
        mov \t0, %rdx
        imul negative_inverse(%rip), %rdx
        multiply_add_five modulus, %rip, \t0, \t1, \t2, \t3, \t4, \t5
        multiply_add_last modulus+40(%rip), \t5, \t0
.endm

/* Reduces the twelve words at \wide, whose value is below p * 2^384, into rdi. */
.macro redc wide
        mov 0(\wide), %r8
        mov 8(\wide), %r9
        mov 16(\wide), %r10
        mov 24(\wide), %r11
        mov 32(\wide), %r12
        mov 40(\wide), %r13
        fold_row %r8, %r9, %r10, %r11, %r12, %r13
        fold_row %r9, %r10, %r11, %r12, %r13, %r8
        fold_row %r10, %r11, %r12, %r13, %r8, %r9
        fold_row %r11, %r12, %r13, %r8, %r9, %r10
        fold_row %r12, %r13, %r8, %r9, %r10, %r11
        fold_row %r13, %r8, %r9, %r10, %r11, %r12
        add 48(\wide), %r8
        adc 56(\wide), %r9
        adc 64(\wide), %r10
        adc 72(\wide), %r11
        adc 80(\wide), %r12
        adc 88(\wide), %r13
        store_reduced %r8, %r9, %r10, %r11, %r12, %r13, %r14, %r15, %rbx, %rbp, %rcx
.endm

/* void bls_fp_redc_adx(ret, wide) */
chosen_function bls_fp_redc
function bls_fp_redc_adx
        save rbp, rbx, r12, r13, r14, r15
        redc %rsi
        restore r15, r14, r13, r12, rbx, rbp
        ret
end_function bls_fp_redc_adx

/* void bls_fp_sqr_adx(ret, a) */
chosen_function bls_fp_sqr
function bls_fp_sqr_adx
        save rbp, rbx, r12, r13, r14, r15
        sub $96, %rsp
        .cfi_adjust_cfa_offset 96
        square_triangle
        square_finish %rsp
        redc %rsp
        add $96, %rsp
        .cfi_adjust_cfa_offset -96
        restore r15, r14, r13, r12, rbx, rbp
        ret
end_function bls_fp_sqr_adx

/* Six words in r8, r9, r10, r11, rax, rcx: from the first operand, with the second, to ret. */
.macro load_six at
        mov \at+0(%rsi), %r8
        mov \at+8(%rsi), %r9
        mov \at+16(%rsi), %r10
        mov \at+24(%rsi), %r11
        mov \at+32(%rsi), %rax
        mov \at+40(%rsi), %rcx
.endm
.macro operate_six first, rest, at
        \first \at+0(%rdx), %r8
        \rest \at+8(%rdx), %r9
        \rest \at+16(%rdx), %r10
        \rest \at+24(%rdx), %r11
        \rest \at+32(%rdx), %rax
        \rest \at+40(%rdx), %rcx
.endm
.macro store_six at
        mov %r8, \at+0(%rdi)
        mov %r9, \at+8(%rdi)
        mov %r10, \at+16(%rdi)
        mov %r11, \at+24(%rdi)
        mov %rax, \at+32(%rdi)
        mov %rcx, \at+40(%rdi)
.endm

/* Adds p to the six words when CF is set. rsi is 0; uses rdx, rbx, r12-r14. */
.macro add_modulus_on_borrow
        mov modulus+0(%rip), %rdx
        mov modulus+8(%rip), %rbx
        mov modulus+16(%rip), %r12
        mov modulus+24(%rip), %r13
        mov modulus+32(%rip), %r14
        cmovnc %rsi, %rdx
        cmovnc %rsi, %rbx
        cmovnc %rsi, %r12
        cmovnc %rsi, %r13
        cmovnc %rsi, %r14
        cmovc modulus+40(%rip), %rsi
        add %rdx, %r8
        adc %rbx, %r9
        adc %r12, %r10
        adc %r13, %r11
        adc %r14, %rax
        adc %rsi, %rcx
.endm

/* void bls_fp_add_x86(ret, a, b) */
function bls_fp_add_x86
        save rbx
        load_six 0
        operate_six add, adc, 0
        mov %r8, %rsi
        mov %r9, %rdx
        mov %r10, %rbx
        sub modulus+0(%rip), %r8
        sbb modulus+8(%rip), %r9
        sbb modulus+16(%rip), %r10
        save r12, r13, r14
        mov %r11, %r12
        mov %rax, %r13
        mov %rcx, %r14
        sbb modulus+24(%rip), %r11
        sbb modulus+32(%rip), %rax
        sbb modulus+40(%rip), %rcx
        cmovc %rsi, %r8
        cmovc %rdx, %r9
        cmovc %rbx, %r10
        cmovc %r12, %r11
        cmovc %r13, %rax
        cmovc %r14, %rcx
        store_six 0
        restore r14, r13, r12, rbx
        ret
end_function bls_fp_add_x86

/* void bls_fp_sub_x86(ret, a, b) */
function bls_fp_sub_x86
        save rbx, r12, r13, r14
        load_six 0
        xor %esi, %esi
        operate_six sub, sbb, 0
        add_modulus_on_borrow
        store_six 0
        restore r14, r13, r12, rbx
        ret
end_function bls_fp_sub_x86

/* void bls_fp_add_lazy_x86(ret, a, b): no reduction; the sum must fit 384 bits. */
function bls_fp_add_lazy_x86
        load_six 0
        operate_six add, adc, 0
        store_six 0
        ret
end_function bls_fp_add_lazy_x86

/* void bls_wide_sub_x86(ret, a, b): twelve words; a borrow adds p * 2^384. */
function bls_wide_sub_x86
        save rbx, r12, r13, r14
        load_six 0
        operate_six sub, sbb, 0
        store_six 0
        load_six 48
        mov $0, %esi
        operate_six sbb, sbb, 48
        add_modulus_on_borrow
        store_six 48
        restore r14, r13, r12, rbx
        ret
end_function bls_wide_sub_x86

/* The scalar field, four words: contract in bls_fr.h. */
.macro order_reduce t0, t1, t2, t3, t4
        mov \t0, %rdx
        imul order_negative_inverse(%rip), %rdx
        xor %ebp, %ebp
        multiply_add order+0(%rip), \t0, \t1
        multiply_add order+8(%rip), \t1, \t2
        multiply_add order+16(%rip), \t2, \t3
        multiply_add order+24(%rip), \t3, \t4
        adox %rbp, \t4
.endm
.macro order_row at, t0, t1, t2, t3, t4
        mov \at(%rcx), %rdx
        xor %ebp, %ebp
        multiply_add 0(%rsi), \t0, \t1
        multiply_add 8(%rsi), \t1, \t2
        multiply_add 16(%rsi), \t2, \t3
        multiply_add_last 24(%rsi), \t3, \t4
        order_reduce \t0, \t1, \t2, \t3, \t4
.endm

/* void bls_fr_mul(ret, a, b) */
chosen_function bls_fr_mul
function bls_fr_mul_adx
        save rbp, rbx, r12
        mov %rdx, %rcx
        mov 0(%rcx), %rdx
        mulx 0(%rsi), %r8, %r9
        mulx 8(%rsi), %rax, %r10
        add %rax, %r9
        mulx 16(%rsi), %rax, %r11
        adc %rax, %r10
        mulx 24(%rsi), %rax, %r12
        adc %rax, %r11
        adc $0, %r12
        order_reduce %r8, %r9, %r10, %r11, %r12
        order_row 8, %r9, %r10, %r11, %r12, %r8
        order_row 16, %r10, %r11, %r12, %r8, %r9
        order_row 24, %r11, %r12, %r8, %r9, %r10
        mov %r12, %rax
        mov %r8, %rbx
        mov %r9, %rcx
        mov %r10, %rdx
        sub order+0(%rip), %r12
        sbb order+8(%rip), %r8
        sbb order+16(%rip), %r9
        sbb order+24(%rip), %r10
        cmovc %rax, %r12
        cmovc %rbx, %r8
        cmovc %rcx, %r9
        cmovc %rdx, %r10
        mov %r12, 0(%rdi)
        mov %r8, 8(%rdi)
        mov %r9, 16(%rdi)
        mov %r10, 24(%rdi)
        restore r12, rbx, rbp
        ret
end_function bls_fr_mul_adx

        .section .note.GNU-stack, "", @progbits
#endif
