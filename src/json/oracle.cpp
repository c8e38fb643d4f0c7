// SPDX-License-Identifier: MIT
#include "json/oracle.h"

#include <cstdlib>
#include <cstring>
#include <simdjson.h>
#include <string>

using namespace simdjson;

static void put(std::string &out, std::string_view s) {
    out += std::to_string(s.size());
    out += ':';
    out += s;
}

static void dump(std::string &out, dom::element v) {
    switch (v.type()) {
    case dom::element_type::ARRAY:
        out += '[';
        for (dom::element child : dom::array(v)) {
            dump(out, child);
        }
        out += ']';
        break;
    case dom::element_type::OBJECT:
        out += '{';
        for (auto member : dom::object(v)) {
            put(out, member.key);
            dump(out, member.value);
        }
        out += '}';
        break;
    case dom::element_type::STRING:
        out += 's';
        put(out, std::string_view(v));
        break;
    case dom::element_type::INT64:
        out += 'i' + std::to_string(int64_t(v)) + ';';
        break;
    case dom::element_type::UINT64:
        out += 'i' + std::to_string(uint64_t(v)) + ';';
        break;
    case dom::element_type::DOUBLE: {
        char text[64];
        (void)snprintf(text, sizeof text, "d%a;", double(v));
        out += text;
        break;
    }
    case dom::element_type::BOOL:
        out += bool(v) ? 't' : 'f';
        break;
    case dom::element_type::NULL_VALUE:
        out += 'n';
        break;
    }
}

extern "C" enum oracle_verdict oracle_parse(const char *p, size_t n, char **ret_text,
                                            size_t *ret_n) {
    dom::parser parser;
    dom::element doc;
    error_code e = parser.parse(p, n).get(doc);
    if (e == NUMBER_ERROR) return ORACLE_NUMBER;
    if (e) return ORACLE_INVALID;
    if (ret_text) {
        std::string out;
        dump(out, doc);
        *ret_text = static_cast<char *>(malloc(out.size() + 1));
        if (!*ret_text) abort();
        memcpy(*ret_text, out.data(), out.size());
        *ret_n = out.size();
    }
    return ORACLE_VALID;
}

extern "C" int oracle_repeat(const char *p, size_t n, unsigned times) {
    padded_string text(p, n);
    dom::parser parser;
    for (unsigned i = 0; i < times; i++) {
        dom::element doc;
        if (parser.parse(text).get(doc)) return 0;
    }
    return 1;
}
