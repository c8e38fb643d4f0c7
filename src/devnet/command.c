/* What a running network can be told, by the command line, the page and scenarios alike.
 * SPDX-License-Identifier: MIT */
#include "devnet/parts.h"
#include "devnet/plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct call {
    struct net *net;
    const char *const *words; /* behind the command's name */
    size_t count;
    struct buf *out;
    struct error *why;
};

static int usage(const struct call *c, const char *text) {
    return error_set(c->why, ERR_SYNTAX, "%s", text);
}

static void note(const struct call *c, const char *kind, const char *text) {
    buf_append_str(c->out, text);
    buf_append_byte(c->out, '\n');
    events_say(c->net->events, kind, "%s", text);
}

// fault

static void list_faults(const struct call *c) {
    const struct fault_list *list = &c->net->faults;
    for (size_t i = 0; i < list->count; i++) {
        buf_printf(c->out, "%-3u ", list->faults[i].id);
        fault_text(c->out, &list->faults[i]);
        buf_append_byte(c->out, '\n');
    }
    if (list->count == 0) buf_append_str(c->out, "no faults\n");
}

static void tell_fault(const struct call *c, const char *verb, const struct fault *f) {
    struct json_writer *w = events_begin(c->net->events, "fault");
    json_add_str(w, "action", verb);
    fault_write(w, "fault", f);
    events_end(c->net->events);
    buf_printf(c->out, "%s %u: ", verb, f->id);
    fault_text(c->out, f);
    buf_append_byte(c->out, '\n');
}

// A fault between names that nobody has would change nothing and look as if it did.
static int check_name(const struct call *c, const char *name) {
    const struct roles *s = c->net->roles;
    size_t n = strlen(name);
    if (strcmp(name, "*") == 0 || strcmp(name, "outside") == 0) return 0;
    for (size_t i = 0; i < roles_count(s); i++) {
        const char *role = roles_at(s, i)->name;
        if (strncmp(role, name, n) == 0 && (role[n] == '\0' || role[n] == '.')) return 0;
    }
    return error_set(c->why, ERR_NOT_FOUND, "there is no role %s", name);
}

// Signed blocks are withheld by a relay, blocks with another root are sent to one: elsewhere such a
// fault would change nothing either.
static int check_kind(const struct call *c, const struct fault *f) {
    bool withhold = f->kind == FAULT_WITHHOLD;
    const char *relay = withhold ? f->from : f->to, *other = withhold ? f->to : f->from;
    if (!withhold && f->kind != FAULT_WRONG_ROOT) return 0;
    if (strcmp(relay, "relay") == 0 || strcmp(relay, "*") == 0) return 0;
    if (f->both_ways && (strcmp(other, "relay") == 0 || strcmp(other, "*") == 0)) return 0;
    return error_set(
        c->why, ERR_INVALID, "%s",
        withhold
            ? "only the relay can withhold: 'relay->chain' withhold"
            : "only what comes to the relay can have a wrong root: 'node-1->relay' wrong-root");
}

static int add_fault(const struct call *c) {
    struct fault_list *list = &c->net->faults;
    struct buf text;
    struct fault f;
    buf_init(&text, 1024);
    for (size_t i = 1; i < c->count; i++) {
        if (i > 1) buf_append_byte(&text, ' ');
        buf_append_str(&text, c->words[i]);
    }
    int r = buf_check(&text, c->why);
    if (r == 0) r = fault_parse(&f, buf_view(&text), c->why);
    buf_free(&text);
    if (r == 0) r = check_name(c, f.from);
    if (r == 0) r = check_name(c, f.to);
    if (r == 0) r = check_kind(c, &f);
    if (r < 0) return r;
    if (list->count == FAULTS_MAX) {
        return error_set(c->why, ERR_LIMIT, "at most %d faults", FAULTS_MAX);
    }
    f.id = ++c->net->fault_ids;
    list->faults[list->count++] = f;
    links_faults(c->net->links, list);
    tell_fault(c, "added", &f);
    return 0;
}

static int remove_faults(const struct call *c, const char *id) {
    struct fault_list *list = &c->net->faults;
    char *end = NULL;
    unsigned wanted = id ? (unsigned)strtoul(id, &end, 10) : 0;
    bool found = id == NULL;
    if (id && *end) wanted = 0; // fault numbers begin with 1
    for (size_t i = list->count; i-- > 0;) {
        if (id && list->faults[i].id != wanted) continue;
        struct fault f = list->faults[i];
        memmove(&list->faults[i], &list->faults[i + 1],
                (list->count - i - 1) * sizeof list->faults[0]);
        list->count--;
        found = true;
        tell_fault(c, "removed", &f);
    }
    if (!found) return error_set(c->why, ERR_NOT_FOUND, "there is no fault %s", id);
    links_faults(c->net->links, list);
    return 0;
}

static int run_fault(const struct call *c) {
    const char *verb = c->count ? c->words[0] : "list";
    if (strcmp(verb, "list") == 0 && c->count <= 1) {
        list_faults(c);
        return 0;
    }
    if (strcmp(verb, "add") == 0) return add_fault(c);
    if (strcmp(verb, "clear") == 0 && c->count == 1) return remove_faults(c, NULL);
    if (strcmp(verb, "remove") == 0 && c->count == 2) return remove_faults(c, c->words[1]);
    return usage(c, "fault list | add FROM->TO KIND … | remove ID | clear");
}

// role

// Calls fn for every role that the name stands for: one, or all of a node.
static int each_role(const struct call *c, const char *name, void (*fn)(struct role *r)) {
    struct roles *s = c->net->roles;
    size_t n = strlen(name), found = 0;
    for (size_t i = 0; i < roles_count(s); i++) {
        struct role *r = roles_at(s, i);
        if (strncmp(r->name, name, n) != 0 || (r->name[n] != '\0' && r->name[n] != '.')) continue;
        fn(r);
        found++;
    }
    return found ? 0 : error_set(c->why, ERR_NOT_FOUND, "there is no role %s", name);
}

static int run_role(const struct call *c) {
    static const struct {
        const char *name;
        void (*fn)(struct role *r);
    } table[] = {{"kill", role_kill},
                 {"pause", role_pause},
                 {"resume", role_resume},
                 {"stop", role_stop},
                 {"start", role_start}};
    for (size_t i = 0; c->count == 2 && i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(c->words[0], table[i].name) != 0) continue;
        int r = each_role(c, c->words[1], table[i].fn);
        if (r == 0) {
            char text[96];
            (void)snprintf(text, sizeof text, "%s %s", c->words[1], c->words[0]);
            note(c, "fault", text);
        }
        return r;
    }
    return usage(c, "role kill|pause|resume|stop|start ROLE|NODE");
}

// Images and nodes

// An image's name, or a node's, which stands for the image that it runs.
static const char *image_of(const struct call *c, const char *name) {
    const struct net_node *node = net_node_find(c->net, name);
    return node ? node->image : name;
}

static int check_image(const struct call *c, const char *image) {
    if (strlen(image) < NET_IMAGE_MAX && folder_name_is_good(image)) return 0;
    return error_set(
        c->why, ERR_SYNTAX,
        "an image's name has 1 to %d letters, digits, \".\", \"_\" and \"-\", and begins "
        "with no \".\"",
        NET_IMAGE_MAX - 1);
}

static int allow(const struct call *c, bool allowed) {
    char text[128];
    if (c->count != 1) return usage(c, allowed ? "allow IMAGE|NODE" : "revoke IMAGE|NODE");
    const char *image = image_of(c, c->words[0]);
    int r = allowed ? check_image(c, image) : 0; // at the hub there may be others
    if (r == 0) r = hub_allow(c->net, image, allowed, c->why);
    (void)snprintf(text, sizeof text, "measurement of %s %s", image,
                   allowed ? "allowed" : "revoked");
    if (r == 0) note(c, "hub", text);
    return r;
}

static int run_allow(const struct call *c) {
    return allow(c, true);
}

static int run_revoke(const struct call *c) {
    return allow(c, false);
}

// The hub was told by others what it lets in.
static int run_follow_hub(const struct call *c) {
    if (c->count) return usage(c, "follow-hub");
    int r = peer_policy_follow(c->net, c->why);
    if (r == 0) note(c, "hub", "nodes judge each other by what the hub lets in now");
    return r;
}

static int run_add_node(const struct call *c) {
    struct net *n = c->net;
    char text[96];
    if (c->count > 1) return usage(c, "add-node [IMAGE]");
    int r = c->count ? check_image(c, c->words[0]) : 0;
    if (r < 0) return r;
    if (n->node_count == NET_NODES_MAX) {
        return error_set(c->why, ERR_LIMIT, "at most %d nodes", NET_NODES_MAX);
    }
    struct net_node *node = &n->nodes[n->node_count];
    unsigned number = n->nodes[n->node_count - 1].number + 1;
    *node = (struct net_node){.number = number};
    (void)snprintf(node->name, sizeof node->name, "node-%u", number);
    (void)snprintf(node->builder_name, sizeof node->builder_name, "node_%u", number);
    if (c->count) (void)snprintf(node->image, sizeof node->image, "%s", c->words[0]);
    r = plan_node(n, node, c->why);
    if (r < 0) return r;
    n->node_count++;
    (void)snprintf(text, sizeof text, "http://127.0.0.1:%u", node->user_front);
    if (net_probes(n)) r = probe_node(n->probe, node->name, text, c->why);
    if (r == 0) r = hub_add_node(n, node, c->why);
    if (r == 0) r = describe_store(n, c->why);
    if (r == 0) r = part_monitor_targets(n, c->why);
    (void)snprintf(text, sizeof text, "%s added, running %s", node->name, node->image);
    if (r == 0) note(c, "node", text);
    return r;
}

static int run_rotate(const struct call *c) {
    struct net_node *node = c->count == 1 ? net_node_find(c->net, c->words[0]) : NULL;
    char name[64], text[96];
    if (c->count != 1) return usage(c, "rotate-cert NODE");
    if (!node) return error_set(c->why, ERR_NOT_FOUND, "there is no node %s", c->words[0]);
    int r = node_certificate(c->net, node, c->why);
    if (r < 0) return r;
    static const char *const readers[] = {"orderflow", "boot"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(name, sizeof name, "%s.%s", node->name, readers[i]);
        struct role *role = roles_find(c->net->roles, name);
        if (role) role_reload(role);
    }
    (void)snprintf(text, sizeof text, "%s has a new certificate", node->name);
    note(c, "node", text);
    return 0;
}

static int run_quote(const struct call *c) {
    struct net_node *node = c->count == 2 ? net_node_find(c->net, c->words[0]) : NULL;
    char text[96];
    if (c->count != 2) return usage(c, "quote NODE good|wrong|expired");
    if (!node) return error_set(c->why, ERR_NOT_FOUND, "there is no node %s", c->words[0]);
    int r = quote_fault(c->net, node, c->words[1], c->why);
    (void)snprintf(text, sizeof text, "quotes of %s are %s", node->name, c->words[1]);
    if (r == 0) note(c, "fault", text);
    return r;
}

// Which roles live by their clock alone: the chain's is everybody's, and its state is in memory.
static int shift_clock(const struct call *c, struct role *r) {
    if (strcmp(r->program, "node") == 0 || r->argv[0] != c->net->program) {
        return error_set(c->why, ERR_UNSUPPORTED, "the clock of %s cannot be shifted", r->name);
    }
    char *text = arena_printf(&c->net->arena, "BUILDERNET_CLOCK_SHIFT=%s", c->words[1]);
    if (!text) return error_set(c->why, ERR_NO_MEMORY, "no memory");
    r->environment = text;
    role_kill(r); // it comes again, by that clock
    return 0;
}

static int run_clock(const struct call *c) {
    struct roles *s = c->net->roles;
    char text[128];
    uint64_t ns;
    size_t found = 0;
    if (c->count != 2) return usage(c, "clock ROLE|NODE SHIFT");
    const char *name = c->words[0], *shift = c->words[1];
    int r = config_parse_duration(&ns, bytes_from_str(shift + (*shift == '-' || *shift == '+')), 0,
                                  c->why);
    if (r < 0) (void)error_wrap(c->why, "a shift such as 90s or -250ms is needed");
    for (size_t i = 0, n = strlen(name); r == 0 && i < roles_count(s); i++) {
        struct role *role = roles_at(s, i);
        bool is = strncmp(role->name, name, n) == 0 && (!role->name[n] || role->name[n] == '.');
        if (is) r = shift_clock(c, role);
        found += is;
    }
    if (r == 0 && !found) r = error_set(c->why, ERR_NOT_FOUND, "there is no role %s", name);
    (void)snprintf(text, sizeof text, "clock of %s shifted by %s", name, shift);
    if (r == 0) note(c, "fault", text);
    return r;
}

// The rest

static void on_chain(struct query *q, int code, const struct json *doc, const struct error *why) {
    struct net *n = q->context;
    (void)doc;
    if (code < 0) events_say(n->events, "chain", "refused: %s", why->text);
}

// The number of slots or blocks; 0: it is none.
static unsigned long count_of(const struct call *c) {
    const char *text = c->count == 1 ? c->words[0] : "";
    size_t n = strlen(text);
    bool digits = n > 0 && n < 5 && strspn(text, "0123456789") == n;
    unsigned long count = digits ? strtoul(text, NULL, 10) : 0;
    return count <= 1000 ? count : 0;
}

static int tell_chain(const struct call *c, const char *method, const char *what) {
    char params[32], text[64];
    unsigned long count = count_of(c);
    if (c->net->shadow) {
        return error_set(c->why, ERR_UNSUPPORTED, "the chain that a shadow follows is not its own");
    }
    if (c->net->s->consensus != CONSENSUS_OWN) {
        return error_set(c->why, ERR_UNSUPPORTED, "the chain's proposers are Lodestar's");
    }
    if (count == 0) return usage(c, "a number from 1 to 1000 is needed");
    c->net->chain_query.done = on_chain;
    c->net->chain_query.context = c->net;
    (void)snprintf(params, sizeof params, "[%lu]", count);
    (void)snprintf(text, sizeof text, "%s %lu", what, count);
    int r = query_rpc(&c->net->chain_query, method, params, c->why);
    if (r == 0) note(c, "fault", text);
    return r;
}

static int run_miss(const struct call *c) {
    return tell_chain(c, "dev_skipSlots", "missed slots:");
}

static int run_reorg(const struct call *c) {
    uint64_t head = slots_head(c->net->slots);
    if (count_of(c) > head) {
        return error_set(c->why, ERR_RANGE, "the chain has %llu blocks", (unsigned long long)head);
    }
    return tell_chain(c, "dev_reorg", "blocks replaced:");
}

// A relative path is one in the network's folder here: the command line sends absolute ones.
static int run_record(const struct call *c) {
    char path[PATH_MAX], text[PATH_MAX + 32];
    if (c->count != 1) return usage(c, "record FILE|off");
    if (strcmp(c->words[0], "off") == 0) {
        int off = links_record_end(c->net->links, c->why);
        if (off == 0) note(c, "record", "recording ended");
        return off;
    }
    bool absolute = *c->words[0] == '/';
    int n = snprintf(path, sizeof path, "%s%s%s", absolute ? "" : c->net->folder.path,
                     absolute ? "" : "/", c->words[0]);
    if (n >= (int)sizeof path) return error_set(c->why, ERR_LIMIT, "the file's name is too long");
    int r = links_record(c->net->links, path, c->why);
    (void)snprintf(text, sizeof text, "recording to %s", path);
    if (r == 0) note(c, "record", text);
    return r;
}

static int run_down(const struct call *c) {
    if (c->count) return usage(c, "down");
    buf_append_str(c->out, "stopping\n");
    service_stop(c->net->service);
    return 0;
}

int devnet_command(struct net *n, const struct config_list *words, struct buf *out,
                   struct error *why) {
    static const struct {
        const char *name;
        int (*run)(const struct call *c);
    } table[] = {{"fault", run_fault},          {"role", run_role},         {"allow", run_allow},
                 {"revoke", run_revoke},        {"add-node", run_add_node}, {"record", run_record},
                 {"rotate-cert", run_rotate},   {"miss-slots", run_miss},   {"reorg", run_reorg},
                 {"quote", run_quote},          {"clock", run_clock},       {"down", run_down},
                 {"follow-hub", run_follow_hub}};
    for (size_t i = 0; words->count && i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(words->items[0], table[i].name) != 0) continue;
        const struct call c = {n, words->items + 1, words->count - 1, out, why};
        return table[i].run(&c);
    }
    return error_set(why, ERR_NOT_FOUND, "there is no command \"%s\"",
                     words->count ? words->items[0] : "");
}
