/* `buildernet paravisor`: an Azure confidential VM's machine room, of software, for machines that
 * have none: a vTPM by Debian's swtpm, a report that ties its attestation key to a TD of a
 * simulated platform, and the metadata service that turns reports into quotes.
 *
 *     swtpm socket --tpm2 ... --server type=unixio,path=SOCKET    beside it
 *     --quote-source vtpm:swtpm:host=127.0.0.1,port=PORT --imds-url http://.../acc/tdquote
 *                                                                 programs that attest with it
 *
 * What comes out has the form of the real thing and is verified by the same code; a verifier must
 * be given the simulated roots. SPDX-License-Identifier: MIT */
#ifndef PARAVISOR_PARAVISOR_H
#define PARAVISOR_PARAVISOR_H

#include "config/config.h"

extern const struct config_program paravisor_program;

/* paravisor_main reads the command line and serves; gives the exit status. */
int paravisor_main(int argc, char **argv);

#endif
