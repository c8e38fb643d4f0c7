/* The trusted setup's bytes inside the library: see kzg_setup.h. SPDX-License-Identifier: MIT */
        .section .rodata
        .balign 64
        .globl kzg_setup_bytes
        .hidden kzg_setup_bytes
        .type kzg_setup_bytes, @object
kzg_setup_bytes:
        .incbin KZG_SETUP_FILE
        .size kzg_setup_bytes, . - kzg_setup_bytes

        .section .note.GNU-stack, "", @progbits
