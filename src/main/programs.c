/* SPDX-License-Identifier: MIT */
#include "attested_proxy/attested_proxy.h"
#include "boot/boot.h"
#include "builder/settings.h"
#include "collateral/collateral_service.h"
#include "devnet/devnet.h"
#include "hub/program.h"
#include "load/load.h"
#include "main/program.h"
#include "node/settings.h"
#include "orderflow/orderflow.h"
#include "orderflow/send.h"
#include "paravisor/paravisor.h"
#include "quote_service/quote_service.h"
#include "relay/program.h"
#include "system_api/settings.h"

#include <stddef.h>

const struct program programs[] = {
    {&attest_program, attest_main},
    {&proxy_settings_program, attested_proxy_main},
    {&boot_program, boot_main},
    {&builder_program, builder_main},
    {&collateral_program, collateral_service_main},
    {&crypto_program, NULL},
    {&devnet_program, devnet_main},
    {&eth_program, NULL},
    {&evm_program, NULL},
    {&hub_program, hub_main},
    {&load_program, load_main},
    {&node_program, node_main},
    {&orderflow_program, orderflow_main},
    {&paravisor_program, paravisor_main},
    {&quote_service_program, quote_service_main},
    {&relay_program, relay_main},
    {&send_program, send_main},
    {&settings_program, system_api_main},
    {&trie_program, NULL},
    {NULL, NULL},
};
