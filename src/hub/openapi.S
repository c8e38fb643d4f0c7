/* The description of the API inside the library. SPDX-License-Identifier: MIT */
        .section .rodata
        .balign 8
        .globl hub_openapi_text
        .hidden hub_openapi_text
        .globl hub_openapi_text_end
        .hidden hub_openapi_text_end
hub_openapi_text:
        .incbin "openapi.json"
hub_openapi_text_end:
        .byte 0

        .section .note.GNU-stack, "", @progbits
