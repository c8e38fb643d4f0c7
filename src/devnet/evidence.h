/* Evidence: what nodes prove themselves with, and what is asked of them: quotes of the simulated
 * platform by MRTD, or with --tpm swtpm those of a vTPM each, by the PCR that the image is measured
 * into. The loop's thread only. SPDX-License-Identifier: MIT */
#ifndef DEVNET_EVIDENCE_H
#define DEVNET_EVIDENCE_H

#include "devnet/net.h"

/* evidence_any: the policy that lets in any trusted domain of this platform. */
const char *evidence_any(const struct net *n);

/* evidence_image writes an image's entry of a measurement policy. */
void evidence_image(struct json_writer *w, const struct net *n, const char *image);

/* evidence_identity writes what a node's image is measured as: "mrtd", or "pcr11". */
void evidence_identity(struct json_writer *w, const struct net *n, const char *image);

/* evidence_flags appends what a node's proxy attests itself with; evidence_roots how others are
 * judged. false: too many words. */
bool evidence_flags(struct role *r, struct net *n, const struct net_node *node);
bool evidence_roots(struct role *r, const struct net *n);

/* evidence_document writes the same for a node's orderflow, as members of its configuration. */
void evidence_document(struct json_writer *w, const struct net *n, const struct net_node *node);

#endif
