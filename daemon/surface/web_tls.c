/* SPDX-License-Identifier: Apache-2.0 */
#include "web_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

struct web_tls {
    const struct web_tls_settings *settings;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
};

static gnutls_datum_t datum_of(const struct ch_bytes *bytes)
{
    return (gnutls_datum_t){.data = bytes->data, .size = (unsigned)bytes->len};
}

static int load_certificate(struct web_tls *tls)
{
    gnutls_datum_t cert = datum_of(&tls->settings->cert), key = datum_of(&tls->settings->key);

    return gnutls_certificate_set_x509_key_mem(tls->credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
}

/* Who may sign clients' certificates; without a word on it, as for Go, whom the
 * system trusts. */
static int load_client_ca(struct web_tls *tls)
{
    gnutls_datum_t ca = datum_of(&tls->settings->client_ca);
    int count = 0;

    if (ca.size > 0)
        count = gnutls_certificate_set_x509_trust_mem(tls->credentials, &ca, GNUTLS_X509_FMT_PEM);
    else if (tls->settings->client_auth >= WEB_CLIENT_VERIFY_IF_GIVEN)
        count = gnutls_certificate_set_x509_system_trust(tls->credentials);
    else
        return 0;
    return count == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : count < 0 ? count : 0;
}

static int load_parts(struct web_tls *tls, enum web_tls_part *ret_part)
{
    int r = gnutls_certificate_allocate_credentials(&tls->credentials);

    if (r < 0)
        return r;
    *ret_part = WEB_TLS_CERT;
    r = load_certificate(tls);
    if (r >= 0) {
        *ret_part = WEB_TLS_CLIENT_CA;
        r = load_client_ca(tls);
    }
    if (r >= 0) {
        *ret_part = WEB_TLS_PRIORITY;
        r = gnutls_priority_init(&tls->priority, tls->settings->priority, NULL);
    }
    return r < 0 ? r : 0;
}

int web_tls_new(const struct web_tls_settings *settings, struct web_tls **ret,
                enum web_tls_part *ret_part, const char **ret_why)
{
    struct web_tls *tls = calloc(1, sizeof(*tls));
    int r;

    if (!tls)
        return -ENOMEM;
    tls->settings = settings;
    r = load_parts(tls, ret_part);
    if (r < 0) {
        *ret_why = gnutls_strerror(r);
        web_tls_free(tls);
        return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
    }
    *ret = tls;
    return 0;
}

struct web_tls *web_tls_free(struct web_tls *tls)
{
    if (!tls)
        return NULL;
    if (tls->priority)
        gnutls_priority_deinit(tls->priority);
    if (tls->credentials)
        gnutls_certificate_free_credentials(tls->credentials);
    free(tls);
    return NULL;
}

/* --- clients */

static bool is_allowed(const struct web_tls_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->san_count; i++)
        if (strcmp(settings->sans[i], name) == 0)
            return true;
    return false;
}

/* name has room for one byte more than it is long. */
static bool is_allowed_name(const struct web_tls_settings *settings, unsigned type, char *name,
                            size_t len)
{
    char text[INET6_ADDRSTRLEN];

    if (type == GNUTLS_SAN_IPADDRESS)
        return (len == 4 || len == 16) &&
               inet_ntop(len == 4 ? AF_INET : AF_INET6, name, text, sizeof(text)) &&
               is_allowed(settings, text);
    if (type != GNUTLS_SAN_DNSNAME && type != GNUTLS_SAN_RFC822NAME && type != GNUTLS_SAN_URI)
        return false;
    name[len] = '\0';
    return strlen(name) == len && is_allowed(settings, name);
}

static bool has_allowed_name(const struct web_tls_settings *settings, gnutls_x509_crt_t crt)
{
    char name[1024];

    for (unsigned i = 0;; i++) {
        size_t len = sizeof(name) - 1;
        int type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &len, NULL);

        if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue; /* longer than any that is reasonable */
        if (type < 0)
            return false;
        if (is_allowed_name(settings, (unsigned)type, name, len))
            return true;
    }
}

static bool peer_has_allowed_name(const struct web_tls_settings *settings, gnutls_session_t session)
{
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    gnutls_x509_crt_t crt;
    bool allowed;

    if (!chain || count == 0 || gnutls_x509_crt_init(&crt) < 0)
        return false;
    allowed = gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) >= 0 &&
              has_allowed_name(settings, crt);
    gnutls_x509_crt_deinit(crt);
    return allowed;
}

static bool must_show(const struct web_tls *tls)
{
    return tls->settings->client_auth == WEB_CLIENT_REQUIRE_ANY ||
           tls->settings->client_auth == WEB_CLIENT_REQUIRE_AND_VERIFY;
}

/* Called within the handshake after the client was asked for a certificate, also
 * where it has none; not zero ends it (gnutls_session_set_verify_function(3)). */
static int verify_client(gnutls_session_t session)
{
    const struct web_tls *tls = gnutls_db_get_ptr(session);
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned status = 0, count = 0;

    if (!gnutls_certificate_get_peers(session, &count) || count == 0)
        return must_show(tls) ? GNUTLS_E_NO_CERTIFICATE_FOUND : 0;
    if (tls->settings->client_auth >= WEB_CLIENT_VERIFY_IF_GIVEN &&
        (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status != 0))
        return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
    if (tls->settings->san_count > 0 && !peer_has_allowed_name(tls->settings, session))
        return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
    return 0;
}

int web_tls_apply(const struct web_tls *tls, gnutls_session_t session)
{
    static const gnutls_certificate_request_t requests[] = {
        [WEB_CLIENT_NONE] = GNUTLS_CERT_IGNORE,
        [WEB_CLIENT_REQUEST] = GNUTLS_CERT_REQUEST,
        [WEB_CLIENT_REQUIRE_ANY] = GNUTLS_CERT_REQUIRE,
        [WEB_CLIENT_VERIFY_IF_GIVEN] = GNUTLS_CERT_REQUEST,
        [WEB_CLIENT_REQUIRE_AND_VERIFY] = GNUTLS_CERT_REQUIRE,
    };

    if (gnutls_priority_set(session, tls->priority) < 0 ||
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0)
        return -EIO;
    gnutls_certificate_server_set_request(session, requests[tls->settings->client_auth]);
    /* The session's own pointer is libmicrohttpd's; there is no database. */
    gnutls_db_set_ptr(session, (void *)tls);
    gnutls_session_set_verify_function(session, verify_client);
    return 0;
}

bool web_tls_is_verified(const struct web_tls *tls, gnutls_session_t session)
{
    unsigned count = 0;

    return tls->settings->client_auth >= WEB_CLIENT_VERIFY_IF_GIVEN &&
           gnutls_certificate_get_peers(session, &count) && count > 0;
}

int64_t web_tls_expiry(const struct web_tls *tls)
{
    gnutls_datum_t pem = datum_of(&tls->settings->cert);
    gnutls_x509_crt_t crt;
    int64_t expiry = -1;

    if (gnutls_x509_crt_init(&crt) < 0)
        return -1;
    if (gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) >= 0)
        expiry = gnutls_x509_crt_get_expiration_time(crt);
    gnutls_x509_crt_deinit(crt);
    return expiry;
}
