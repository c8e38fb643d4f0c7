/* SPDX-License-Identifier: MIT */
#include "attest/qvl.h"

#include <stddef.h>
#include <string.h>

const char *qvl_name(enum qvl_code code) {
    switch (code) {
#define QVL_CASE(name, number)                                                                     \
    case QVL_##name:                                                                               \
        return "STATUS_" #name;
        QVL_CODES(QVL_CASE)
#undef QVL_CASE
    }
    return "STATUS_UNKNOWN";
}

static const struct {
    const char *name;
    enum qvl_code code;
} statuses[] = {
    [TCB_UP_TO_DATE] = {"UpToDate", QVL_OK},
    [TCB_SW_HARDENING_NEEDED] = {"SWHardeningNeeded", QVL_TCB_SW_HARDENING_NEEDED},
    [TCB_CONFIGURATION_NEEDED] = {"ConfigurationNeeded", QVL_TCB_CONFIGURATION_NEEDED},
    [TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = {"ConfigurationAndSWHardeningNeeded",
                                                   QVL_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED},
    [TCB_RELAUNCH_ADVISED] = {"TDRelaunchAdvised", QVL_TCB_TD_RELAUNCH_ADVISED},
    [TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] =
        {"TDRelaunchAdvisedConfigurationNeeded", QVL_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED},
    [TCB_OUT_OF_DATE] = {"OutOfDate", QVL_TCB_OUT_OF_DATE},
    [TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = {"OutOfDateConfigurationNeeded",
                                              QVL_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED},
    [TCB_REVOKED] = {"Revoked", QVL_TCB_REVOKED},
    [TCB_NONE] = {"None", QVL_TCB_NOT_SUPPORTED},
};

const char *tcb_status_name(enum tcb_status status) {
    return status <= TCB_NONE ? statuses[status].name : "None";
}

enum qvl_code tcb_status_code(enum tcb_status status) {
    return status <= TCB_NONE ? statuses[status].code : QVL_TCB_UNRECOGNIZED_STATUS;
}

enum tcb_status tcb_status_of(enum qvl_code code) {
    for (int s = TCB_UP_TO_DATE; s < TCB_NONE; s++) {
        if (statuses[s].code == code) return (enum tcb_status)s;
    }
    return TCB_NONE;
}

bool tcb_status_parse(enum tcb_status *ret, const char *name, unsigned long n) {
    for (int s = TCB_UP_TO_DATE; s < TCB_NONE; s++) {
        if (strlen(statuses[s].name) == n && memcmp(statuses[s].name, name, n) == 0) {
            *ret = (enum tcb_status)s;
            return true;
        }
    }
    return false;
}
