/* Request signatures stand in eth, since senders make them too. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_REQUEST_SIGNATURE_H
#define ORDERFLOW_REQUEST_SIGNATURE_H

#include "eth/request_signature.h"

#endif
