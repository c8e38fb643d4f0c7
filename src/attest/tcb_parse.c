/* Reading of the signed documents.
 * SPDX-License-Identifier: MIT */
#include "attest/tcb.h"
#include "base/clock.h"
#include "base/hex.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* A parse in progress. Errors follow the QVL's two kinds: ERR_SYNTAX ("unsupported format") and
 * ERR_INVALID ("invalid"). Of TCB Info itself and its levels a missing part is the first, one of
 * another form the second; numbers of levels and whatever is within a module are always the first;
 * of a QE identity all is the second. */
struct parse {
    struct arena *a;
    struct error *why;
};

static int missing(struct parse *p, const char *key) {
    return error_set(p->why, ERR_SYNTAX, "'%s' is missing", key);
}

static int wrong(struct parse *p, const struct json *v, const char *key) {
    return json_error(p->why, ERR_INVALID, v, "'%s' is not of its form", key);
}

static int unsupported(struct parse *p, const struct json *v, const char *key) {
    return json_error(p->why, ERR_SYNTAX, v, "'%s' is not of its form", key);
}

static int get_hex(struct parse *p, const struct json *object, const char *key, uint8_t *ret,
                   size_t n) {
    const struct json *v = json_get(object, key);
    if (!v) return missing(p, key);
    struct bytes text = json_text(v);
    if (json_type_of(v) != JSON_STRING || text.n != 2 * n || hex_decode(ret, text, NULL) < 0) {
        return wrong(p, v, key);
    }
    return 0;
}

static int get_number(struct parse *p, const struct json *object, const char *key, uint64_t most,
                      uint32_t *ret) {
    const struct json *v = json_get(object, key);
    uint64_t n;
    if (!v) return missing(p, key);
    if (json_u64(&n, v, NULL) < 0 || n > most) return wrong(p, v, key);
    *ret = (uint32_t)n;
    return 0;
}

static int get_date(struct parse *p, const struct json *object, const char *key, uint64_t *ret) {
    const struct json *v = json_get(object, key);
    uint64_t ns;
    if (!v) return missing(p, key);
    struct bytes text = json_text(v);
    if (json_type_of(v) != JSON_STRING || text.n != 20 || text.p[19] != 'Z' ||
        clock_parse(&ns, text, NULL) < 0) {
        return wrong(p, v, key);
    }
    *ret = ns / NS_PER_S;
    return 0;
}

static int get_text(struct parse *p, const struct json *object, const char *key,
                    struct bytes *ret) {
    const struct json *v = json_get(object, key);
    if (!v) return missing(p, key);
    if (json_type_of(v) != JSON_STRING) return wrong(p, v, key);
    *ret = json_text(v);
    return 0;
}

static int get_advisories(struct parse *p, const struct json *level, struct tcb_note *note) {
    const struct json *list = json_get(level, "advisoryIDs");
    if (!list) return 0;
    if (json_type_of(list) != JSON_ARRAY || json_count(list) > TCB_ADVISORIES_MAX) {
        return wrong(p, list, "advisoryIDs");
    }
    struct bytes *ids = arena_new_array(p->a, struct bytes, json_count(list));
    if (!ids) return error_set(p->why, ERR_NO_MEMORY, "advisories");
    size_t n = 0;
    json_each(id, list) {
        if (json_type_of(id) != JSON_STRING) return wrong(p, id, "advisoryIDs");
        ids[n++] = json_text(id);
    }
    note->advisories = ids;
    note->advisory_count = n;
    return 0;
}

static int get_note(struct parse *p, const struct json *level, bool of_platform,
                    struct tcb_note *ret) {
    int code = get_date(p, level, "tcbDate", &ret->date);
    if (code == 0) code = get_advisories(p, level, ret);
    if (code < 0) return code;
    const struct json *v = json_get(level, "tcbStatus");
    struct bytes status = json_text(v);
    if (json_type_of(v) != JSON_STRING) return unsupported(p, v, "tcbStatus");
    // The relaunch statuses are derived and never stand in a document.
    if (!tcb_status_parse(&ret->status, (const char *)status.p, status.n) ||
        ret->status == TCB_RELAUNCH_ADVISED ||
        ret->status == TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED ||
        (!of_platform && ret->status != TCB_UP_TO_DATE && ret->status != TCB_OUT_OF_DATE &&
         ret->status != TCB_REVOKED)) {
        return wrong(p, v, "tcbStatus");
    }
    return 0;
}

static int compare_isv(const void *a, const void *b) {
    uint32_t x = ((const struct isv_level *)a)->isv_svn, y = ((const struct isv_level *)b)->isv_svn;
    return x > y ? -1 : x < y;
}

// The levels of a module or an enclave, as they stand.
static int get_isv_levels(struct parse *p, const struct json *owner, struct isv_level **ret,
                          size_t *ret_n) {
    const struct json *list = json_get(owner, "tcbLevels");
    if (!list) return error_set(p->why, ERR_INVALID, "'tcbLevels' is missing");
    size_t count = json_count(list), n = 0;
    if (json_type_of(list) != JSON_ARRAY || count == 0 || count > TCB_LEVELS_MAX) {
        return wrong(p, list, "tcbLevels");
    }
    struct isv_level *levels = arena_new_array(p->a, struct isv_level, count);
    if (!levels) return error_set(p->why, ERR_NO_MEMORY, "levels");
    json_each(item, list) {
        struct isv_level *level = &levels[n++];
        const struct json *tcb = json_get(item, "tcb");
        if (json_type_of(tcb) != JSON_OBJECT) return wrong(p, item, "tcb");
        int code = get_number(p, tcb, "isvsvn", UINT16_MAX, &level->isv_svn);
        if (code == 0) code = get_note(p, item, false, &level->note);
        if (code < 0) return code;
    }
    *ret = levels;
    *ret_n = n;
    return 0;
}

static int get_components(struct parse *p, const struct json *tcb, const char *key,
                          struct tcb_component *ret) {
    const struct json *list = json_get(tcb, key);
    if (json_type_of(list) != JSON_ARRAY || json_count(list) != 16) {
        return unsupported(p, list, key);
    }
    size_t n = 0;
    json_each(item, list) {
        uint32_t svn;
        struct tcb_component *c = &ret[n++];
        if (json_type_of(item) != JSON_OBJECT || get_number(p, item, "svn", UINT16_MAX, &svn) < 0) {
            return unsupported(p, item, key);
        }
        c->svn = (uint16_t)svn;
        const struct json *category = json_get(item, "category"), *type = json_get(item, "type");
        if (category) c->category = json_text(category);
        if (type) c->type = json_text(type);
    }
    return 0;
}

// Version 2: sgxtcbcomp01svn .. sgxtcbcomp16svn.
static int get_flat_components(struct parse *p, const struct json *tcb, struct tcb_component *ret) {
    for (unsigned i = 0; i < 16; i++) {
        char key[] = "sgxtcbcomp00svn";
        uint32_t svn;
        key[10] = (char)('0' + (i + 1) / 10);
        key[11] = (char)('0' + (i + 1) % 10);
        int code = get_number(p, tcb, key, UINT16_MAX, &svn);
        if (code < 0) return code;
        ret[i].svn = (uint16_t)svn;
    }
    return 0;
}

static int compare_components(const struct tcb_component *a, const struct tcb_component *b) {
    for (int i = 0; i < 16; i++) {
        if (a[i].svn != b[i].svn) return a[i].svn > b[i].svn ? -1 : 1;
    }
    return 0;
}

// Descending by SGX components, PCE SVN, TDX components.
static int compare_levels(const void *va, const void *vb) {
    const struct tcb_level *a = va, *b = vb;
    int r = compare_components(a->sgx, b->sgx);
    if (r == 0 && a->pce_svn != b->pce_svn) r = a->pce_svn > b->pce_svn ? -1 : 1;
    return r ? r : compare_components(a->tdx, b->tdx);
}

static int get_level(struct parse *p, const struct json *item, const struct tcb_info *info,
                     struct tcb_level *ret) {
    int code = get_note(p, item, true, &ret->note);
    if (code < 0) return code;
    const struct json *tcb = json_get(item, "tcb");
    if (json_type_of(tcb) != JSON_OBJECT) return unsupported(p, item, "tcb");
    if (info->version < 3 && (code = get_flat_components(p, tcb, ret->sgx)) < 0) return code;
    if (get_number(p, tcb, "pcesvn", UINT32_MAX, &ret->pce_svn) < 0) {
        return unsupported(p, tcb, "pcesvn");
    }
    if (info->version >= 3) code = get_components(p, tcb, "sgxtcbcomponents", ret->sgx);
    if (code == 0 && info->id == TCB_INFO_TDX) {
        code = get_components(p, tcb, "tdxtcbcomponents", ret->tdx);
    }
    return code;
}

static int get_levels(struct parse *p, const struct json *object, struct tcb_info *ret) {
    const struct json *list = json_get(object, "tcbLevels");
    size_t count = json_count(list), n = 0;
    if (json_type_of(list) != JSON_ARRAY || count == 0 || count > TCB_LEVELS_MAX) {
        return error_set(p->why, ERR_INVALID, "'tcbLevels' is missing or empty");
    }
    ret->levels = arena_new_array(p->a, struct tcb_level, count);
    if (!ret->levels) return error_set(p->why, ERR_NO_MEMORY, "levels");
    json_each(item, list) {
        int code = get_level(p, item, ret, &ret->levels[n++]);
        if (code < 0) return code;
    }
    qsort(ret->levels, n, sizeof *ret->levels, compare_levels);
    for (size_t i = 1; i < n; i++) {
        if (compare_levels(&ret->levels[i - 1], &ret->levels[i]) == 0) {
            return error_set(p->why, ERR_INVALID, "two equal TCB levels");
        }
    }
    ret->level_count = n;
    return 0;
}

static int get_module(struct parse *p, const struct json *object, struct tdx_module *ret) {
    int code = get_hex(p, object, "mrsigner", ret->mr_signer, 48);
    if (code == 0) code = get_hex(p, object, "attributes", ret->attributes, 8);
    if (code == 0) code = get_hex(p, object, "attributesMask", ret->attributes_mask, 8);
    return code;
}

// Its levels are sorted descending; no two are of one SVN.
static int get_identity_of_module(struct parse *p, const struct json *item,
                                  struct tdx_module *ret) {
    int code = get_text(p, item, "id", &ret->id);
    if (code == 0) code = get_module(p, item, ret);
    if (code == 0) code = get_isv_levels(p, item, &ret->levels, &ret->level_count);
    if (code < 0) return code;
    qsort(ret->levels, ret->level_count, sizeof *ret->levels, compare_isv);
    for (size_t i = 1; i < ret->level_count; i++) {
        if (ret->levels[i - 1].isv_svn == ret->levels[i].isv_svn) {
            return json_error(p->why, ERR_SYNTAX, item, "two module levels of one SVN");
        }
    }
    return 0;
}

static int get_modules(struct parse *p, const struct json *object, struct tcb_info *ret) {
    const struct json *module = json_get(object, "tdxModule");
    const struct json *list = json_get(object, "tdxModuleIdentities");
    if (ret->id == TCB_INFO_SGX) {
        return module || list ? wrong(p, module ? module : list, "tdxModule") : 0;
    }
    if (!module) return error_set(p->why, ERR_INVALID, "'tdxModule' is missing");
    if (json_type_of(module) != JSON_OBJECT) return missing(p, "tdxModule");
    int code = get_module(p, module, &ret->module);
    if (code == ERR_INVALID) code = unsupported(p, module, "tdxModule");
    if (code < 0 || !list) return code;
    size_t count = json_count(list);
    if (json_type_of(list) != JSON_ARRAY || count == 0 || count > TCB_IDENTITIES_MAX) {
        return wrong(p, list, "tdxModuleIdentities");
    }
    ret->identities = arena_new_array(p->a, struct tdx_module, count);
    if (!ret->identities) return error_set(p->why, ERR_NO_MEMORY, "module identities");
    json_each(item, list) {
        struct tdx_module *m = &ret->identities[ret->identity_count++];
        code = get_identity_of_module(p, item, m);
        if (code == ERR_INVALID) return unsupported(p, item, "tdxModuleIdentities");
        if (code < 0) return code;
    }
    return 0;
}

/* 128 digits. What are none is no signature, which is for the verification to say: the QVL reads
 * nothing then, and goes on. */
static int get_signature(struct parse *p, const struct json *document, uint8_t ret[64]) {
    const struct json *v = json_get(document, "signature");
    struct bytes text = json_text(v);
    if (json_type_of(v) != JSON_STRING || text.n != 128) return wrong(p, v, "signature");
    if (hex_decode(ret, text, NULL) < 0) memset(ret, 0, 64);
    return 0;
}

static int open_document(struct parse *p, struct bytes in, const struct json **ret) {
    static const struct json_limits limits = {TCB_DOCUMENT_BYTES_MAX, 16, 1u << 16, false};
    int code = json_parse(ret, in, p->a, &limits, p->why);
    return code == ERR_INVALID ? ERR_SYNTAX : code;
}

static int get_version_and_id(struct parse *p, const struct json *object, struct tcb_info *ret) {
    int code = get_number(p, object, "version", UINT32_MAX, &ret->version);
    if (code < 0) return code;
    if (ret->version != 2 && ret->version != 3) return wrong(p, object, "version");
    ret->id = TCB_INFO_SGX;
    if (ret->version == 2) return 0;
    struct bytes id;
    if ((code = get_text(p, object, "id", &id)) < 0) return code;
    if (bytes_equal_str(id, "TDX")) {
        ret->id = TCB_INFO_TDX;
    } else if (!bytes_equal_str(id, "SGX")) {
        return wrong(p, object, "id");
    }
    return 0;
}

int tcb_info_parse(struct tcb_info *ret, struct bytes in, struct arena *a, struct error *why) {
    struct parse p = {a, why};
    const struct json *document = NULL;
    uint32_t type;
    memset(ret, 0, sizeof *ret);
    int code = open_document(&p, in, &document);
    const struct json *object = json_get(document, "tcbInfo");
    if (code == 0 && json_type_of(object) != JSON_OBJECT) code = missing(&p, "tcbInfo");
    if (code == 0) code = get_signature(&p, document, ret->signature);
    ret->signed_text = json_raw(object);
    if (code == 0) code = get_version_and_id(&p, object, ret);
    if (code == 0) code = get_date(&p, object, "issueDate", &ret->issue_date);
    if (code == 0) code = get_date(&p, object, "nextUpdate", &ret->next_update);
    if (code == 0) code = get_hex(&p, object, "fmspc", ret->fmspc, 6);
    if (code == 0) code = get_hex(&p, object, "pceId", ret->pce_id, 2);
    if (code == 0) code = get_number(&p, object, "tcbType", UINT32_MAX, &type);
    if (code == 0 && type != 0) code = wrong(&p, object, "tcbType");
    if (code == 0) {
        code =
            get_number(&p, object, "tcbEvaluationDataNumber", UINT32_MAX, &ret->evaluation_number);
    }
    if (code == 0) code = get_modules(&p, object, ret);
    if (code == 0) code = get_levels(&p, object, ret);
    return code < 0 ? error_wrap(why, "TCB Info"), code : 0;
}

static int get_enclave_id(struct parse *p, const struct json *object,
                          struct enclave_identity *ret) {
    static const char *const names[] = {"QE", "QVE", "TD_QE"};
    struct bytes id;
    int code = get_text(p, object, "id", &id);
    if (code < 0) return code;
    for (int i = 0; i < 3; i++) {
        if (!bytes_equal_str(id, names[i])) continue;
        ret->id = (enum enclave_id)i;
        return 0;
    }
    return wrong(p, object, "id");
}

static int get_identity(struct parse *p, const struct json *object, struct enclave_identity *ret) {
    int code = get_date(p, object, "issueDate", &ret->issue_date);
    if (code == 0) code = get_date(p, object, "nextUpdate", &ret->next_update);
    if (code == 0) code = get_hex(p, object, "miscselect", ret->misc_select, 4);
    if (code == 0) code = get_hex(p, object, "miscselectMask", ret->misc_select_mask, 4);
    if (code == 0) code = get_hex(p, object, "attributes", ret->attributes, 16);
    if (code == 0) code = get_hex(p, object, "attributesMask", ret->attributes_mask, 16);
    if (code == 0) code = get_hex(p, object, "mrsigner", ret->mr_signer, 32);
    if (code == 0) code = get_number(p, object, "isvprodid", UINT16_MAX, &ret->isv_prod_id);
    if (code == 0) code = get_enclave_id(p, object, ret);
    if (code == 0) {
        code =
            get_number(p, object, "tcbEvaluationDataNumber", UINT32_MAX, &ret->evaluation_number);
    }
    if (code == 0) code = get_isv_levels(p, object, &ret->levels, &ret->level_count);
    return code;
}

int enclave_identity_parse(struct enclave_identity *ret, struct bytes in, struct arena *a,
                           struct error *why) {
    struct parse p = {a, why};
    const struct json *document = NULL;
    memset(ret, 0, sizeof *ret);
    int code = open_document(&p, in, &document);
    const struct json *object = json_get(document, "enclaveIdentity");
    if (code == 0 && !json_get(document, "signature")) code = missing(&p, "signature");
    if (code == 0) code = get_signature(&p, document, ret->signature);
    if (code == 0 && json_type_of(object) != JSON_OBJECT) {
        code = wrong(&p, object, "enclaveIdentity");
    }
    if (code < 0) return error_wrap(why, "QE identity"), code;
    ret->signed_text = json_raw(object);
    if (get_number(&p, object, "version", UINT32_MAX, &ret->version) < 0) {
        return error_wrap(why, "QE identity"), ERR_INVALID;
    }
    if (ret->version != 2) {
        return error_set(why, ERR_UNSUPPORTED, "QE identity: version %u", ret->version);
    }
    code = get_identity(&p, object, ret);
    if (code == 0) return 0;
    // A missing field is "invalid" here, unlike in TCB Info.
    return error_wrap(why, "QE identity"), code == ERR_SYNTAX ? ERR_INVALID : code;
}

struct bytes tcb_compact(struct bytes json, struct arena *a) {
    uint8_t *ret = arena_alloc_raw(a, json.n + 1);
    size_t n = 0;
    bool in_string = false;
    if (!ret) return (struct bytes){NULL, 0};
    for (size_t i = 0; i < json.n; i++) {
        uint8_t c = json.p[i];
        if (!in_string && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) continue;
        ret[n++] = c;
        if (in_string && c == '\\' && i + 1 < json.n) {
            ret[n++] = json.p[++i];
        } else if (c == '"') {
            in_string = !in_string;
        }
    }
    return (struct bytes){ret, n};
}
