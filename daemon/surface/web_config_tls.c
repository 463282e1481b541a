/* SPDX-License-Identifier: Apache-2.0 */
/* tls_server_config: its keys, the files that it names, and what must fit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/text.h"
#include "file.h"
#include "web_config_build.h"

static const char *const client_auth_names[] = {"NoClientCert",
                                                "RequestClientCert",
                                                "RequireAnyClientCert",
                                                "VerifyClientCertIfGiven",
                                                "RequireAndVerifyClientCert",
                                                "RequireClientCert" /* an older name */,
                                                NULL};
static const char *const version_names[] = {"TLS10", "TLS11", "TLS12", "TLS13", NULL};

const struct ch_option web_tls_options[] = {
    WEB_TEXT("cert", tls_settings.cert, WEB_PEM_MAX, .help = "the server's certificates, PEM"),
    WEB_TEXT("key", tls_settings.key, WEB_PEM_MAX, .secret = true, .help = "their key, PEM"),
    WEB_TEXT("client_ca", tls_settings.client_ca, WEB_PEM_MAX, .help = "who signs clients, PEM"),
    WEB_TEXT("cert_file", tls_settings.cert_file, WEB_TEXT_MAX, .help = "a file of them"),
    WEB_TEXT("key_file", tls_settings.key_file, WEB_TEXT_MAX, .help = "a file of it"),
    WEB_TEXT("client_ca_file", tls_settings.client_ca_file, WEB_TEXT_MAX, .help = "a file of them"),
    {.key = "client_auth_type",
     .type = CH_OPTION_CHOICE,
     .offset = offsetof(struct web_config, tls_settings.client_auth),
     .choices = client_auth_names,
     .help = "what is demanded of a client"},
    {.key = "min_version",
     .type = CH_OPTION_CHOICE,
     .offset = offsetof(struct web_config, tls_settings.min_version),
     .choices = version_names,
     .fallback = "TLS12",
     .help = "the oldest version that is spoken"},
    {.key = "max_version",
     .type = CH_OPTION_CHOICE,
     .offset = offsetof(struct web_config, tls_settings.max_version),
     .choices = version_names,
     .fallback = "TLS13",
     .help = "the newest"},
    {.key = "prefer_server_cipher_suites",
     .type = CH_OPTION_BOOL,
     .offset = offsetof(struct web_config, tls_settings.prefer_server_ciphers),
     .fallback = "true",
     .help = "the server chooses"},
    CH_OPTION_END,
};

/* --- lists of tls_server_config */

/* A list of names, each found by find; how many were put into indices. */
static size_t read_names(struct ch_walk *walk, const struct ch_node *node,
                         int (*find)(const char *name), unsigned *indices, size_t max)
{
    size_t count = 0;

    if (!ch_walk_is_list(walk, node, "names"))
        return 0;
    for (const struct ch_node *item = node->first; item; item = item->next) {
        char quoted[CH_QUOTED_TEXT];
        int index;

        if (!ch_walk_is_text(walk, item, "a name"))
            continue;
        index = find(item->text);
        if (index < 0)
            ch_report_node(walk->report, item,
                           "%s is no name that is known here; see the names of "
                           "Go's crypto/tls",
                           ch_text_quote(item->text, item->len, quoted));
        else if (count == max)
            ch_report_node(walk->report, item, "is one too many (at most %zu)", max);
        else
            indices[count++] = (unsigned)index;
    }
    return count;
}

static void read_suites(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct web_priority *priority = &web_build_of(walk)->priority;

    (void)object;
    web_build_of(walk)->suites = node;
    priority->suite_count =
        read_names(walk, node, web_suite_find, priority->suites, WEB_SUITES_MAX);
}

static void read_curves(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct web_priority *priority = &web_build_of(walk)->priority;

    (void)object;
    priority->curve_count =
        read_names(walk, node, web_curve_find, priority->curves, WEB_CURVES_MAX);
}

static void read_sans(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct web_config *config = object;

    if (!ch_walk_is_list(walk, node, "names"))
        return;
    config->tls_settings.sans = ch_walk_array(walk, node->count, sizeof(char *));
    for (const struct ch_node *item = node->first; item && config->tls_settings.sans;
         item = item->next) {
        char *san = ch_walk_copy_text(walk, item, "a name", 1, 1023);

        if (san)
            config->tls_settings.sans[config->tls_settings.san_count++] = san;
    }
}

/* --- what must fit together */

static void check_pair(struct web_build *build, const char *key, const char *file_key,
                       const struct ch_bytes *text, const struct ch_bytes *file, bool needed)
{
    if (text->len > 0 && file->len > 0)
        ch_report_node(&build->report, ch_node_child(build->tls, file_key),
                       "stands beside %s; leave one of them out", key);
    else if (needed && text->len == 0 && file->len == 0)
        ch_report_node(&build->report, build->tls,
                       "has neither %s nor %s: there is no TLS "
                       "without",
                       file_key, key);
}

static void check_client_auth(struct web_build *build, struct web_tls_settings *tls)
{
    bool has_ca = tls->client_ca.len > 0 || tls->client_ca_file.len > 0;

    if (tls->client_auth > WEB_CLIENT_REQUIRE_AND_VERIFY)
        tls->client_auth = WEB_CLIENT_REQUIRE_ANY;
    if (has_ca && tls->client_auth == WEB_CLIENT_NONE)
        ch_report_node(&build->report, build->tls,
                       "has a client CA and asks for no certificate; add client_auth_type: "
                       "RequireAndVerifyClientCert");
    if (tls->san_count > 0 && tls->client_auth != WEB_CLIENT_REQUIRE_ANY &&
        tls->client_auth != WEB_CLIENT_REQUIRE_AND_VERIFY)
        ch_report_node(&build->report, ch_node_child(build->tls, "client_allowed_sans"),
                       "needs client_auth_type: RequireAndVerifyClientCert, or "
                       "RequireAnyClientCert: others let clients in without a certificate");
}

static void write_priority(struct web_build *build, struct web_tls_settings *tls)
{
    const char *why;

    if (tls->min_version > tls->max_version) {
        ch_report_node(&build->report, ch_node_child(build->tls, "min_version"),
                       "is newer than max_version");
        return;
    }
    why = web_priority_write(&build->priority, tls);
    if (why)
        ch_report_node(&build->report, build->suites ? build->suites : build->tls, "%s", why);
}

/* Relative names start at the file's directory. NULL: out of memory. */
static char *path_of(struct web_build *build, const struct ch_bytes *name)
{
    const char *slash = strrchr(build->path, '/');
    char *path = NULL;

    if (name->data[0] == '/' || !slash)
        path = strdup((const char *)name->data);
    else if (asprintf(&path, "%.*s/%s", (int)(slash - build->path), build->path,
                      (const char *)name->data) < 0)
        path = NULL;
    if (!path)
        build->report.out_of_memory = true;
    return path;
}

static void read_file(struct web_build *build, const char *key, const struct ch_bytes *name,
                      struct ch_bytes *ret)
{
    char *path, *text = NULL;
    size_t len = 0;
    int r;

    if (name->len == 0)
        return;
    path = path_of(build, name);
    if (!path)
        return;
    web_files_add(build->files, path);
    r = ch_file_read(path, CH_FILE_REGULAR, &text, &len);
    if (r == -ENOMEM)
        build->report.out_of_memory = true;
    else if (r < 0)
        ch_report_node(&build->report, ch_node_child(build->tls, key), "cannot read %s: %s", path,
                       ch_file_reason(r));
    else if (len > WEB_PEM_MAX)
        ch_report_node(&build->report, ch_node_child(build->tls, key), "is larger than 256 KiB");
    if (r == 0) {
        free(ret->data);
        *ret = (struct ch_bytes){.data = (uint8_t *)text, .len = len};
    }
}

static void make_tls(struct web_build *build)
{
    static const char *const keys[][2] = {[WEB_TLS_CERT] = {"cert_file", "cert"},
                                          [WEB_TLS_CLIENT_CA] = {"client_ca_file", "client_ca"},
                                          [WEB_TLS_PRIORITY] = {"cipher_suites", "min_version"}};
    struct web_tls_settings *tls = &build->config->tls_settings;
    enum web_tls_part part = WEB_TLS_CERT;
    const struct ch_node *node;
    const char *why = NULL;
    int r;

    read_file(build, "cert_file", &tls->cert_file, &tls->cert);
    read_file(build, "key_file", &tls->key_file, &tls->key);
    read_file(build, "client_ca_file", &tls->client_ca_file, &tls->client_ca);
    if (!ch_report_is_clean(&build->report))
        return;
    r = web_tls_new(tls, &build->config->tls, &part, &why);
    if (r == -ENOMEM)
        build->report.out_of_memory = true;
    if (r != -EINVAL)
        return;
    node = ch_node_child(build->tls, keys[part][0]);
    node = node ? node : ch_node_child(build->tls, keys[part][1]);
    ch_report_node(&build->report, node ? node : build->tls, "%s: %s",
                   part == WEB_TLS_CERT        ? "cannot be used with its key"
                   : part == WEB_TLS_CLIENT_CA ? "holds no certificate that can be used"
                                               : "cannot be used",
                   why);
}

static const struct ch_field tls_fields[] = {
    {.key = "client_allowed_sans", .read = read_sans, .list = true},
    {.key = "cipher_suites", .read = read_suites, .list = true},
    {.key = "curve_preferences", .read = read_curves, .list = true},
    CH_FIELD_END,
};
static const struct ch_section tls_section = {web_tls_options, tls_fields};

void web_config_read_tls(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct web_build *build = web_build_of(walk);
    struct web_tls_settings *tls = &build->config->tls_settings;

    if (!ch_walk_section(walk, node, &tls_section, object) || node->count == 0)
        return;
    build->tls = node;
    check_pair(build, "cert", "cert_file", &tls->cert, &tls->cert_file, true);
    check_pair(build, "key", "key_file", &tls->key, &tls->key_file, true);
    check_pair(build, "client_ca", "client_ca_file", &tls->client_ca, &tls->client_ca_file, false);
    check_client_auth(build, tls);
    write_priority(build, tls);
    make_tls(build);
}
