/* SPDX-License-Identifier: Apache-2.0 */
#include "web_priority.h"

#include <stdio.h>
#include <string.h>

enum exchange { KX_ANY, KX_ECDHE_ECDSA, KX_ECDHE_RSA, KX_RSA, KX_COUNT };
enum bulk { AES_128_CBC, AES_256_CBC, AES_128_GCM, AES_256_GCM, CHACHA20, BULK_COUNT };

static const char *const exchange_words[KX_COUNT] = {
    [KX_ECDHE_ECDSA] = "ECDHE-ECDSA", [KX_ECDHE_RSA] = "ECDHE-RSA", [KX_RSA] = "RSA"};
static const char *const bulk_words[BULK_COUNT] = {[AES_128_CBC] = "AES-128-CBC",
                                                   [AES_256_CBC] = "AES-256-CBC",
                                                   [AES_128_GCM] = "AES-128-GCM",
                                                   [AES_256_GCM] = "AES-256-GCM",
                                                   [CHACHA20] = "CHACHA20-POLY1305"};

/* What Go's tls.CipherSuites() has had. */
static const struct suite {
    const char *name;
    enum exchange exchange; /* KX_ANY: of TLS 1.3 */
    enum bulk bulk;
} suites[] = {
    {"TLS_AES_128_GCM_SHA256", KX_ANY, AES_128_GCM},
    {"TLS_AES_256_GCM_SHA384", KX_ANY, AES_256_GCM},
    {"TLS_CHACHA20_POLY1305_SHA256", KX_ANY, CHACHA20},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", KX_RSA, AES_128_CBC},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", KX_RSA, AES_256_CBC},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", KX_RSA, AES_128_GCM},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", KX_RSA, AES_256_GCM},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", KX_ECDHE_ECDSA, AES_128_CBC},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", KX_ECDHE_ECDSA, AES_256_CBC},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", KX_ECDHE_RSA, AES_128_CBC},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", KX_ECDHE_RSA, AES_256_CBC},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", KX_ECDHE_ECDSA, AES_128_GCM},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", KX_ECDHE_ECDSA, AES_256_GCM},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", KX_ECDHE_RSA, AES_128_GCM},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", KX_ECDHE_RSA, AES_256_GCM},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", KX_ECDHE_RSA, CHACHA20},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", KX_ECDHE_ECDSA, CHACHA20},
};

static const struct {
    const char *name, *word;
} curves[] = {
    {"CurveP256", "GROUP-SECP256R1"},
    {"CurveP384", "GROUP-SECP384R1"},
    {"CurveP521", "GROUP-SECP521R1"},
    {"X25519", "GROUP-X25519"},
};

static const char *const versions[] = {"VERS-TLS1.0", "VERS-TLS1.1", "VERS-TLS1.2", "VERS-TLS1.3"};
#define TLS13 3

int web_suite_find(const char *name)
{
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
        if (strcmp(suites[i].name, name) == 0)
            return (int)i;
    return -1;
}

int web_curve_find(const char *name)
{
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
        if (strcmp(curves[i].name, name) == 0)
            return (int)i;
    return -1;
}

static void add(struct web_tls_settings *settings, const char *word)
{
    size_t used = strlen(settings->priority);

    snprintf(settings->priority + used, sizeof(settings->priority) - used, ":%s", word);
}

static void add_one(struct web_tls_settings *settings, const char *word)
{
    char text[64];

    snprintf(text, sizeof(text), "+%s", word);
    if (!strstr(settings->priority, text))
        add(settings, text);
}

/* GnuTLS knows no list of suites, only one of key exchanges and one of ciphers,
 * which it combines freely: a list of suites must be such a combination. */
static bool is_product(const struct web_priority *priority)
{
    bool asked[KX_COUNT][BULK_COUNT] = {0}, exchanges[KX_COUNT] = {0}, bulks[BULK_COUNT] = {0};

    for (size_t i = 0; i < priority->suite_count; i++) {
        const struct suite *suite = &suites[priority->suites[i]];

        if (suite->exchange == KX_ANY)
            continue;
        asked[suite->exchange][suite->bulk] = true;
        exchanges[suite->exchange] = bulks[suite->bulk] = true;
    }
    for (unsigned kx = 0; kx < KX_COUNT; kx++)
        for (unsigned bulk = 0; bulk < BULK_COUNT; bulk++)
            if (exchanges[kx] && bulks[bulk] && !asked[kx][bulk] &&
                !(kx == KX_RSA && bulk == CHACHA20)) /* there is no such suite */
                return false;
    return true;
}

static bool names_older(const struct web_priority *priority)
{
    for (size_t i = 0; i < priority->suite_count; i++)
        if (suites[priority->suites[i]].exchange != KX_ANY)
            return true;
    return false;
}

/* Whether TLS 1.2 and older are left any, and TLS 1.3. Both take their ciphers
 * from one list: those of TLS 1.3 by name, which Go passes over, only count where
 * they would not widen what older versions may use. */
static void add_suites(struct web_tls_settings *settings, const struct web_priority *priority,
                       bool *ret_older, bool *ret_tls13)
{
    *ret_older = names_older(priority);
    *ret_tls13 = false;
    add(settings, "-KX-ALL:-CIPHER-ALL:-MAC-ALL:+AEAD:+SHA1");
    for (size_t i = 0; i < priority->suite_count; i++) {
        const struct suite *suite = &suites[priority->suites[i]];

        if (suite->exchange == KX_ANY && *ret_older)
            continue;
        if (suite->exchange != KX_ANY)
            add_one(settings, exchange_words[suite->exchange]);
        if (suite->bulk >= AES_128_GCM)
            *ret_tls13 = true;
        add_one(settings, bulk_words[suite->bulk]);
    }
}

const char *web_priority_write(const struct web_priority *priority,
                               struct web_tls_settings *settings)
{
    bool older = true, tls13 = true, any = false;

    strcpy(settings->priority, "NORMAL");
    if (priority->suite_count > 0) {
        if (!is_product(priority))
            return "cannot be kept to exactly: list every cipher for each of the key exchanges "
                   "that you list (ECDHE_RSA, ECDHE_ECDSA, RSA), or list those of one only";
        add_suites(settings, priority, &older, &tls13);
    }
    add(settings, "-VERS-ALL");
    for (unsigned i = settings->min_version; i <= settings->max_version; i++)
        if (i == TLS13 ? tls13 : older) {
            add_one(settings, versions[i]); // NOLINT: max_version is one of them
            any = true;
        }
    if (!any)
        return "leaves no cipher for any version from min_version to max_version";
    /* As Go has them: most clients guess X25519, and need no second try. */
    add(settings, priority->curve_count > 0
                      ? "-GROUP-ALL"
                      : "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
                        "+GROUP-SECP521R1");
    for (size_t i = 0; i < priority->curve_count; i++)
        add_one(settings, curves[priority->curves[i]].word);
    if (settings->prefer_server_ciphers)
        add(settings, "%SERVER_PRECEDENCE");
    return NULL;
}
