/* Result codes of Intel's quote verification library (QVL), by its own numbers and names.
 *
 * Our verifier answers with the same code for the same input, so that verdicts can be compared
 * with Intel's. Not here: what is accepted (policy.h). Pure; any thread.
 *
 * Source: SGX/TDX DCAP QuoteVerificationLibrary, `Status`.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_QVL_H
#define ATTEST_QVL_H

#include <stdbool.h>

#define QVL_CODES(X)                                                                               \
    X(OK, 0)                                                                                       \
    X(UNSUPPORTED_CERT_FORMAT, 1)                                                                  \
    X(SGX_ROOT_CA_MISSING, 2)                                                                      \
    X(SGX_ROOT_CA_INVALID, 3)                                                                      \
    X(SGX_ROOT_CA_INVALID_EXTENSIONS, 4)                                                           \
    X(SGX_ROOT_CA_INVALID_ISSUER, 5)                                                               \
    X(SGX_ROOT_CA_UNTRUSTED, 6)                                                                    \
    X(SGX_INTERMEDIATE_CA_MISSING, 7)                                                              \
    X(SGX_INTERMEDIATE_CA_INVALID, 8)                                                              \
    X(SGX_INTERMEDIATE_CA_INVALID_EXTENSIONS, 9)                                                   \
    X(SGX_INTERMEDIATE_CA_INVALID_ISSUER, 10)                                                      \
    X(SGX_INTERMEDIATE_CA_REVOKED, 11)                                                             \
    X(SGX_PCK_MISSING, 12)                                                                         \
    X(SGX_PCK_INVALID, 13)                                                                         \
    X(SGX_PCK_INVALID_EXTENSIONS, 14)                                                              \
    X(SGX_PCK_INVALID_ISSUER, 15)                                                                  \
    X(SGX_PCK_REVOKED, 16)                                                                         \
    X(TRUSTED_ROOT_CA_INVALID, 17)                                                                 \
    X(SGX_PCK_CERT_CHAIN_UNTRUSTED, 18)                                                            \
    X(SGX_TCB_INFO_UNSUPPORTED_FORMAT, 19)                                                         \
    X(SGX_TCB_INFO_INVALID, 20)                                                                    \
    X(TCB_INFO_INVALID_SIGNATURE, 21)                                                              \
    X(SGX_TCB_SIGNING_CERT_MISSING, 22)                                                            \
    X(SGX_TCB_SIGNING_CERT_INVALID, 23)                                                            \
    X(SGX_TCB_SIGNING_CERT_INVALID_EXTENSIONS, 24)                                                 \
    X(SGX_TCB_SIGNING_CERT_INVALID_ISSUER, 25)                                                     \
    X(SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED, 26)                                                    \
    X(SGX_TCB_SIGNING_CERT_REVOKED, 27)                                                            \
    X(SGX_CRL_UNSUPPORTED_FORMAT, 28)                                                              \
    X(SGX_CRL_UNKNOWN_ISSUER, 29)                                                                  \
    X(SGX_CRL_INVALID, 30)                                                                         \
    X(SGX_CRL_INVALID_EXTENSIONS, 31)                                                              \
    X(SGX_CRL_INVALID_SIGNATURE, 32)                                                               \
    X(SGX_CA_CERT_UNSUPPORTED_FORMAT, 33)                                                          \
    X(SGX_CA_CERT_INVALID, 34)                                                                     \
    X(TRUSTED_ROOT_CA_UNSUPPORTED_FORMAT, 35)                                                      \
    X(MISSING_PARAMETERS, 36)                                                                      \
    X(UNSUPPORTED_QUOTE_FORMAT, 37)                                                                \
    X(UNSUPPORTED_PCK_CERT_FORMAT, 38)                                                             \
    X(INVALID_PCK_CERT, 39)                                                                        \
    X(UNSUPPORTED_PCK_RL_FORMAT, 40)                                                               \
    X(INVALID_PCK_CRL, 41)                                                                         \
    X(UNSUPPORTED_TCB_INFO_FORMAT, 42)                                                             \
    X(PCK_REVOKED, 43)                                                                             \
    X(TCB_INFO_MISMATCH, 44)                                                                       \
    X(TCB_OUT_OF_DATE, 45)                                                                         \
    X(TCB_REVOKED, 46)                                                                             \
    X(TCB_CONFIGURATION_NEEDED, 47)                                                                \
    X(TCB_OUT_OF_DATE_CONFIGURATION_NEEDED, 48)                                                    \
    X(TCB_NOT_SUPPORTED, 49)                                                                       \
    X(TCB_UNRECOGNIZED_STATUS, 50)                                                                 \
    X(UNSUPPORTED_QE_CERTIFICATION, 51)                                                            \
    X(INVALID_QE_CERTIFICATION_DATA_SIZE, 52)                                                      \
    X(UNSUPPORTED_QE_CERTIFICATION_DATA_TYPE, 53)                                                  \
    X(PCK_CERT_MISMATCH, 54)                                                                       \
    X(INVALID_QE_REPORT_SIGNATURE, 55)                                                             \
    X(INVALID_QE_REPORT_DATA, 56)                                                                  \
    X(INVALID_QUOTE_SIGNATURE, 57)                                                                 \
    X(SGX_ENCLAVE_REPORT_UNSUPPORTED_FORMAT, 61)                                                   \
    X(SGX_ENCLAVE_IDENTITY_UNSUPPORTED_FORMAT, 63)                                                 \
    X(SGX_ENCLAVE_IDENTITY_INVALID, 64)                                                            \
    X(SGX_ENCLAVE_IDENTITY_UNSUPPORTED_VERSION, 65)                                                \
    X(UNSUPPORTED_QE_IDENTITY_FORMAT, 72)                                                          \
    X(QE_IDENTITY_OUT_OF_DATE, 73)                                                                 \
    X(QE_IDENTITY_MISMATCH, 74)                                                                    \
    X(SGX_TCB_INFO_EXPIRED, 75)                                                                    \
    X(SGX_ENCLAVE_IDENTITY_INVALID_SIGNATURE, 76)                                                  \
    X(INVALID_PARAMETER, 77)                                                                       \
    X(SGX_PCK_CERT_CHAIN_EXPIRED, 78)                                                              \
    X(SGX_CRL_EXPIRED, 79)                                                                         \
    X(SGX_SIGNING_CERT_CHAIN_EXPIRED, 80)                                                          \
    X(SGX_ENCLAVE_IDENTITY_EXPIRED, 81)                                                            \
    X(TCB_SW_HARDENING_NEEDED, 82)                                                                 \
    X(TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED, 83)                                               \
    X(SGX_ENCLAVE_REPORT_ISVSVN_REVOKED, 84)                                                       \
    X(TDX_MODULE_MISMATCH, 85)                                                                     \
    X(SGX_ENCLAVE_REPORT_ISVSVN_NOT_SUPPORTED, 86)                                                 \
    X(TCB_TD_RELAUNCH_ADVISED, 87)                                                                 \
    X(TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED, 88)

enum qvl_code {
#define QVL_ENUM(name, number) QVL_##name = number,
    QVL_CODES(QVL_ENUM)
#undef QVL_ENUM
};

/* qvl_name gives "STATUS_OK", "STATUS_TCB_OUT_OF_DATE", ...; "STATUS_UNKNOWN" for no code. */
const char *qvl_name(enum qvl_code code);

/* TCB statuses as Intel's JSON spells them, in the order of our policies' severity. The two
 * relaunch ones are derived by the verifier and never stand in collateral. */
enum tcb_status {
    TCB_UP_TO_DATE,
    TCB_SW_HARDENING_NEEDED,
    TCB_CONFIGURATION_NEEDED,
    TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    TCB_RELAUNCH_ADVISED,
    TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    TCB_OUT_OF_DATE,
    TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
    TCB_REVOKED,
    TCB_NONE, /* no level matched, or not evaluated */
};

/* tcb_status_name gives "UpToDate", ...; "None" for TCB_NONE. */
const char *tcb_status_name(enum tcb_status status);

/* tcb_status_code gives the QVL's code of a status (OK for UpToDate; TCB_NOT_SUPPORTED for none).
 * tcb_status_of is its inverse; TCB_NONE for every code that is not a TCB status. */
enum qvl_code tcb_status_code(enum tcb_status status);
enum tcb_status tcb_status_of(enum qvl_code code);

/* tcb_status_parse reads the spelling of the collateral and of policies; false when unknown. */
bool tcb_status_parse(enum tcb_status *ret, const char *name, unsigned long n);

#endif
