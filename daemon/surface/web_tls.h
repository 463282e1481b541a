/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS as a web configuration asks for it: certificates, versions, ciphers, what
 * is demanded of a client. Constant once it was made; any thread.
 */
#ifndef CH_SURFACE_WEB_TLS_H
#define CH_SURFACE_WEB_TLS_H

#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "connhealth/option.h"

/* Go's crypto/tls.ClientAuthType */
enum web_client_auth {
    WEB_CLIENT_NONE,
    WEB_CLIENT_REQUEST,
    WEB_CLIENT_REQUIRE_ANY,
    WEB_CLIENT_VERIFY_IF_GIVEN,
    WEB_CLIENT_REQUIRE_AND_VERIFY,
};

#define WEB_PRIORITY_TEXT 1024

struct web_tls_settings {
    struct ch_bytes cert, key, client_ca;                /* PEM */
    struct ch_bytes cert_file, key_file, client_ca_file; /* names, where they are files */
    uint32_t client_auth;                                /* enum web_client_auth */
    char **sans;                                         /* that a client may have; none: any */
    size_t san_count;
    uint32_t min_version, max_version; /* index of TLS10, TLS11, TLS12, TLS13 */
    bool prefer_server_ciphers;
    char priority[WEB_PRIORITY_TEXT]; /* GnuTLS' (gnutls_priority_init(3)) */
};

enum web_tls_part { WEB_TLS_CERT, WEB_TLS_CLIENT_CA, WEB_TLS_PRIORITY };

struct web_tls;

/* Settings are borrowed until web_tls_free(). 0, or a negative errno: -EINVAL
 * with the part that is wrong, and why. */
int web_tls_new(const struct web_tls_settings *settings, struct web_tls **ret,
                enum web_tls_part *ret_part, const char **ret_why);
struct web_tls *web_tls_free(struct web_tls *tls); /* takes NULL, returns NULL */

/* Before the handshake; tls outlives the session. 0 or -EIO. */
int web_tls_apply(const struct web_tls *tls, gnutls_session_t session);
/* After it: the client has shown a certificate, and that was verified. */
bool web_tls_is_verified(const struct web_tls *tls, gnutls_session_t session);

/* When the server's certificate expires, in Unix seconds; -1: unknown. */
int64_t web_tls_expiry(const struct web_tls *tls);

#endif
