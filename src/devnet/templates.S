/* The node's templates inside the library: see templates.h. SPDX-License-Identifier: MIT */
        .macro template name, file
        .balign 8
        .globl node_template_\name
        .hidden node_template_\name
        .globl node_template_\name\()_end
        .hidden node_template_\name\()_end
node_template_\name:
        .incbin "\file"
node_template_\name\()_end:
        .byte 0
        .endm

        .section .rodata
        template schema, "schema.toml"
        template system_api, "etc/system-api.toml.mustache_0600"
        template orderflow, "etc/orderflow.toml.mustache_0600"
        template builder, "etc/builder.toml.mustache_0600"
        template archive_tables, "clickhouse.sql"
        template beacon_bridge, "beacon-bridge.mjs"
        template lodestar_preload, "lodestar-preload.cjs"

        .section .note.GNU-stack, "", @progbits
