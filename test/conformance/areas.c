/* SPDX-License-Identifier: MIT */
#include "test/conformance/conformance.h"

#include <stddef.h>

void area_attestation(const char *path, struct tally *t);
void area_builder_hub(const char *path, struct tally *t);
void area_buildernet_network(const char *path, struct tally *t);
void area_evm(const char *path, struct tally *t);
void area_image_measurements(const char *path, struct tally *t);
void area_l2(const char *path, struct tally *t);
void area_orderflow(const char *path, struct tally *t);

const struct area areas[] = {
    {"attestation", area_attestation},
    {"builder-hub", area_builder_hub},
    {"buildernet-network", area_buildernet_network},
    {"evm", area_evm},
    {"image-measurements", area_image_measurements},
    {"l2", area_l2},
    {"orderflow", area_orderflow},
    {NULL, NULL},
};
