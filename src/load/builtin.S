/* The built-in scenarios inside the library: see scenario.h. SPDX-License-Identifier: MIT */
        .macro scenario name
        .balign 8
        .globl load_scenario_\name
        .hidden load_scenario_\name
        .globl load_scenario_\name\()_end
        .hidden load_scenario_\name\()_end
load_scenario_\name:
        .incbin "\name\().toml"
load_scenario_\name\()_end:
        .byte 0
        .endm

        .section .rodata
        .irp name, transfers, erc20, swaps, storage, gas, blobs, bundles, conflicts, reverts, replacements, mix
        scenario \name
        .endr

        .section .note.GNU-stack, "", @progbits
