/* Page: the dashboard's files, which are part of the program (web/devnet; tools/embed makes them
 * C). SPDX-License-Identifier: MIT */
#ifndef DEVNET_PAGE_H
#define DEVNET_PAGE_H

#include <stddef.h>

// clang-format off
#define PAGE_FILES(X)                                                                              \
    X(app, "app.js") X(auction, "auction.js") X(dom, "dom.js") X(events, "events.js")              \
    X(faults, "faults.js") X(index, "index.html") X(network, "network.js") X(order, "order.js")    \
    X(plots, "plots.js") X(send, "send.js") X(slots, "slots.js") X(style, "style.css")             \
    X(topology, "topology.js")
// clang-format on

#define PAGE_DECLARE_(name, path)                                                                  \
    extern const unsigned char page_##name[];                                                      \
    extern const size_t page_##name##_bytes;
PAGE_FILES(PAGE_DECLARE_)

#endif
