/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "connhealth/clock.h"
#include "file.h"
#include "web_config_build.h"

const char *const web_header_names[WEB_HEADER_COUNT] = {
    [WEB_HEADER_CSP] = "Content-Security-Policy",
    [WEB_HEADER_FRAME_OPTIONS] = "X-Frame-Options",
    [WEB_HEADER_CONTENT_TYPE_OPTIONS] = "X-Content-Type-Options",
    [WEB_HEADER_XSS_PROTECTION] = "X-XSS-Protection",
    [WEB_HEADER_STRICT_TRANSPORT] = "Strict-Transport-Security",
};

static const struct ch_option http_options[] = {
    {.key = "http2",
     .type = CH_OPTION_BOOL,
     .offset = offsetof(struct web_config, http2),
     .help = "passed over: HTTP/1.1 is spoken"},
    CH_OPTION_END,
};

static const struct ch_option header_options[] = {
    WEB_TEXT("Content-Security-Policy", headers[WEB_HEADER_CSP], WEB_TEXT_MAX),
    WEB_TEXT("X-Frame-Options", headers[WEB_HEADER_FRAME_OPTIONS], WEB_TEXT_MAX),
    WEB_TEXT("X-Content-Type-Options", headers[WEB_HEADER_CONTENT_TYPE_OPTIONS], WEB_TEXT_MAX),
    WEB_TEXT("X-XSS-Protection", headers[WEB_HEADER_XSS_PROTECTION], WEB_TEXT_MAX),
    WEB_TEXT("Strict-Transport-Security", headers[WEB_HEADER_STRICT_TRANSPORT], WEB_TEXT_MAX),
    CH_OPTION_END,
};

static const struct ch_option rate_options[] = {
    {.key = "interval",
     .type = CH_OPTION_DURATION,
     .offset = offsetof(struct web_config, rate.interval_ns),
     .max = 3600 * CH_NS_PER_S,
     .fallback = "0s",
     .help = "one request in so long, of each client address; 0 is no limit"},
    {.key = "burst",
     .type = CH_OPTION_UINT,
     .offset = offsetof(struct web_config, rate.burst),
     .min = 1,
     .max = 1000000,
     .fallback = "1",
     .help = "so many at once before that"},
    CH_OPTION_END,
};

/* --- http_server_config */

static bool is_header_value(const struct ch_bytes *value)
{
    for (size_t i = 0; i < value->len; i++)
        if (value->data[i] < ' ' || value->data[i] > '~')
            return false;
    return true;
}

static bool is_one_of(const struct ch_bytes *value, const char *a, const char *b)
{
    return !value->data || strcmp((const char *)value->data, a) == 0 ||
           strcmp((const char *)value->data, b) == 0;
}

static void read_headers(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    static const struct ch_section section = {.options = header_options};
    struct web_config *config = object;

    if (!ch_walk_section(walk, node, &section, object))
        return;
    for (unsigned i = 0; i < WEB_HEADER_COUNT; i++)
        if (!is_header_value(&config->headers[i]))
            ch_report_node(walk->report, ch_node_child(node, web_header_names[i]),
                           "holds a character that no header may hold; printable ASCII is due");
    if (!is_one_of(&config->headers[WEB_HEADER_FRAME_OPTIONS], "deny", "sameorigin"))
        ch_report_node(walk->report, ch_node_child(node, "X-Frame-Options"),
                       "is neither deny nor sameorigin");
    if (!is_one_of(&config->headers[WEB_HEADER_CONTENT_TYPE_OPTIONS], "nosniff", "nosniff"))
        ch_report_node(walk->report, ch_node_child(node, "X-Content-Type-Options"),
                       "is not nosniff");
}

static const struct ch_field http_fields[] = {{.key = "headers", .read = read_headers},
                                              CH_FIELD_END};

static void read_http(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    static const struct ch_section section = {http_options, http_fields};

    ch_walk_section(walk, node, &section, object);
}

/* --- basic_auth_users */

/* NULL, or what is wrong: $2a$, $2b$ or $2y$, a cost of two digits, then 53
 * characters of crypt's base64 (crypt(5)). */
static const char *check_hash(const char *hash, unsigned *ret_cost)
{
    static const char digits[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    unsigned cost;

    if (strlen(hash) != WEB_HASH_LEN || hash[0] != '$' || hash[1] != '2' ||
        !strchr("aby", hash[2]) || hash[3] != '$' || hash[6] != '$' ||
        strspn(hash + 7, digits) != WEB_HASH_LEN - 7 || hash[4] < '0' || hash[4] > '9' ||
        hash[5] < '0' || hash[5] > '9')
        return "is not a bcrypt hash; make one with htpasswd -nBC 10 \"\"";
    cost = (unsigned)(hash[4] - '0') * 10 + (unsigned)(hash[5] - '0');
    if (cost < WEB_COST_MIN || cost > WEB_COST_MAX)
        return "has a cost that is not from 4 to 16: each step doubles the time, 10 is about 50 ms";
    *ret_cost = cost;
    return NULL;
}

static void read_user(struct ch_walk *walk, const struct ch_node *node, struct web_config *config)
{
    struct web_user *user = &config->users[config->user_count];
    const char *why;
    char *hash;

    if (node->refused)
        return;
    if (node->key_len == 0 || strchr(node->key, ':')) {
        ch_report_node(walk->report, node, "is no name of a user: %s",
                       node->key_len ? "a colon ends the name in HTTP" : "it is empty");
        return;
    }
    hash = ch_walk_copy_text(walk, node, "a bcrypt hash", 1, WEB_TEXT_MAX);
    if (!hash)
        return;
    why = check_hash(hash, &user->cost);
    if (why) {
        ch_report_node(walk->report, node, "%s", why);
    } else {
        memcpy(user->hash, hash, sizeof(user->hash));
        user->name = strdup(node->key);
        walk->report->out_of_memory = walk->report->out_of_memory || !user->name;
        config->user_count += user->name != NULL;
    }
    free(hash);
}

static void read_users(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    struct web_config *config = object;

    if (ch_node_is_null(node))
        return;
    if (node->kind != CH_NODE_MAPPING) {
        ch_report_node(walk->report, node, "is no mapping; NAME: HASH is due, one a line");
        return;
    }
    config->users = ch_walk_array(walk, node->count, sizeof(*config->users));
    for (const struct ch_node *child = node->first; child && config->users; child = child->next)
        read_user(walk, child, config);
}

static void read_rate(struct ch_walk *walk, const struct ch_node *node, void *object)
{
    static const struct ch_section section = {.options = rate_options};

    ch_walk_section(walk, node, &section, object);
}

/* --- the whole */

static const struct ch_field root_fields[] = {
    {.key = "tls_server_config", .read = web_config_read_tls},
    {.key = "http_server_config", .read = read_http},
    {.key = "basic_auth_users", .read = read_users},
    {.key = "rate_limit", .read = read_rate},
    CH_FIELD_END,
};

static int load(struct web_build *build)
{
    static const struct ch_section section = {.fields = root_fields};
    char *text = NULL, *name = NULL;
    size_t len = 0;
    int r = ch_options_defaults(web_tls_options, build->config);

    if (r == 0)
        r = ch_options_defaults(rate_options, build->config);
    if (r == 0)
        r = (name = strdup(build->path)) ? 0 : -ENOMEM;
    if (r < 0)
        return r;
    web_files_add(build->files, name);
    r = ch_file_read(build->path, CH_FILE_REGULAR, &text, &len);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        ch_report_add(&build->report, 0, 0, NULL, "cannot read it: %s", ch_file_reason(r));
    else if (ch_tree_read_yaml(&build->tree, text, len, &build->report) && build->tree.root)
        ch_walk_section(&build->walk, build->tree.root, &section, build->config);
    free(text);
    return 0;
}

int web_config_load(const char *path, struct web_config **ret, struct web_files *files,
                    struct ch_config_errors *errors)
{
    struct web_build build = {.path = path, .files = files, .report = {.file = path}};
    int r = -ENOMEM;

    web_files_clear(files);
    build.walk = (struct ch_walk){.report = &build.report, .context = &build};
    build.config = calloc(1, sizeof(*build.config));
    if (build.config)
        r = load(&build);
    ch_tree_clear(&build.tree);
    if (r == 0) {
        r = ch_report_finish(&build.report, errors);
    } else {
        struct ch_config_errors none = {0};

        ch_report_finish(&build.report, &none);
        ch_config_errors_clear(&none);
    }
    if (r < 0)
        web_config_free(build.config);
    else
        *ret = build.config;
    return r;
}

struct web_config *web_config_free(struct web_config *config)
{
    if (!config)
        return NULL;
    web_tls_free(config->tls);
    ch_options_clear(web_tls_options, config);
    ch_options_clear(header_options, config);
    for (size_t i = 0; i < config->tls_settings.san_count; i++)
        free(config->tls_settings.sans[i]);
    free(config->tls_settings.sans);
    for (size_t i = 0; i < config->user_count; i++)
        free(config->users[i].name);
    free(config->users);
    free(config);
    return NULL;
}
