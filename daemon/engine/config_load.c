/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration from its files: the main one, then conf.d/ *.yml beside it.
 * All files become trees first; then `global` of whichever has it, then the
 * rest, so that a default holds for every group whatever file it stands in.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_build.h"
#include "file.h"

struct source {
    char *name;    /* as it is shown */
    bool complete; /* the text could be read to its end */
    struct ch_tree tree;
};

struct loader {
    struct ch_build build;
    struct source *sources;
    size_t count;
};

struct ch_config *ch_config_ref(struct ch_config *config)
{
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

struct ch_config *ch_config_free(struct ch_config *config)
{
    if (!config || atomic_fetch_sub_explicit(&config->refs, 1, memory_order_acq_rel) > 1)
        return NULL;
    for (size_t i = 0; i < config->group_count; i++)
        ch_group_clear(&config->groups[i]);
    free(config->groups);
    for (size_t i = 0; i < config->sockets.peer_count; i++) {
        free(config->sockets.peers[i].name);
        free(config->sockets.peers[i].networks);
        free(config->sockets.peers[i].ports);
    }
    free(config->sockets.peers);
    free(config->responder.listen);
    free(config->path);
    free(config);
    return NULL;
}

static char *join(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);

    if (path)
        snprintf(path, size, "%s%s%s", directory, directory[0] ? "/" : "", name);
    return path;
}

/* Symbolic links stay: a relative path starts where the operator put the link. */
static char *make_absolute(const char *path)
{
    char *directory, *absolute;

    if (path[0] == '/')
        return strdup(path);
    directory = getcwd(NULL, 0);
    if (!directory) /* it was removed: getcwd(3) */
        return errno == ENOMEM ? NULL : strdup(path);
    absolute = join(directory, path);
    free(directory);
    return absolute;
}

/* Of path, "" where it has none. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? strndup(path, (size_t)(slash - path)) : strdup("");
}

static int begin(struct loader *loader, const char *path)
{
    struct ch_build *build = &loader->build;

    build->walk.report = &build->report;
    build->walk.context = build;
    build->config = calloc(1, sizeof(*build->config));
    if (!build->config)
        return -ENOMEM;
    atomic_init(&build->config->refs, 1);
    build->config->path = make_absolute(path);
    if (!build->config->path)
        return -ENOMEM;
    build->directory = directory_of(build->config->path);
    if (!build->directory)
        return -ENOMEM;
    return ch_config_set_defaults(build->config);
}

/* A new source as the one that is reported on; takes name over. */
static struct source *add_source(struct loader *loader, char *name)
{
    struct source *grown =
        name ? reallocarray(loader->sources, loader->count + 1, sizeof(*grown)) : NULL;

    if (!grown) {
        free(name);
        loader->build.report.out_of_memory = true;
        return NULL;
    }
    loader->sources = grown;
    loader->build.report.file = name;
    loader->build.report.file_index = (unsigned)loader->count;
    grown[loader->count] = (struct source){.name = name};
    return &grown[loader->count++];
}

static void read_file(struct loader *loader, char *name, enum ch_file_kind kind)
{
    struct source *source = add_source(loader, name);
    char *text = NULL;
    size_t len = 0;
    int r;

    if (!source)
        return;
    r = ch_file_read(source->name, kind, &text, &len);
    if (r == -ENOMEM)
        loader->build.report.out_of_memory = true;
    else if (r < 0)
        ch_report_add(&loader->build.report, 0, 0, NULL, "cannot be read: %s", ch_file_reason(r));
    else
        source->complete = ch_tree_read_yaml(&source->tree, text, len, &loader->build.report);
    free(text);
}

static int is_include(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 4 && strcmp(entry->d_name + len - 4, ".yml") == 0;
}

/* In byte order, whatever the locale. */
static int by_file_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_includes(struct loader *loader, const char *path)
{
    char *beside = directory_of(path);
    char *directory =
        beside ? join(beside, path[0] == '/' && !beside[0] ? "/conf.d" : "conf.d") : NULL;
    struct dirent **entries = NULL;
    int count = directory ? scandir(directory, &entries, is_include, by_file_name) : -1;

    if (!directory || (count < 0 && errno == ENOMEM)) {
        loader->build.report.out_of_memory = true;
    } else if (count < 0 && errno != ENOENT) {
        int error = errno;

        loader->build.report.file = directory;
        loader->build.report.file_index = 1;
        ch_report_add(&loader->build.report, 0, 0, NULL, "cannot be read: %s",
                      ch_file_reason(-error));
    }
    for (int i = 0; i < count; i++) {
        read_file(loader, join(directory, entries[i]->d_name), CH_FILE_REGULAR);
        free(entries[i]);
    }
    free(entries);
    free(directory);
    free(beside);
}

/* NULL if nothing can be said of its content: empty, or not readable as YAML. */
static const struct ch_node *select_source(struct loader *loader, size_t index)
{
    const struct source *source = &loader->sources[index];

    loader->build.report.file = source->name;
    loader->build.report.file_index = (unsigned)index;
    return source->complete ? source->tree.root : NULL;
}

static void walk_sources(struct loader *loader)
{
    for (size_t i = 0; i < loader->count; i++)
        ch_config_read_global(&loader->build, select_source(loader, i));
    for (size_t i = 0; i < loader->count; i++)
        ch_config_read_root(&loader->build, select_source(loader, i));
    ch_config_check_groups(&loader->build);
}

static int finish(struct loader *loader, int r, struct ch_config **ret,
                  struct ch_config_errors *errors)
{
    struct ch_build *build = &loader->build;
    int found;

    if (r == 0)
        walk_sources(loader);
    else
        build->report.out_of_memory = true;
    found = ch_report_finish(&build->report, errors);
    for (size_t i = 0; i < loader->count; i++) {
        free(loader->sources[i].name);
        ch_tree_clear(&loader->sources[i].tree);
    }
    free(loader->sources);
    free(build->groups);
    free(build->directory);
    if (found < 0) {
        ch_config_free(build->config);
        return found;
    }
    *ret = build->config;
    return 0;
}

int ch_config_load(const char *path, struct ch_config **ret, struct ch_config_errors *errors)
{
    struct loader loader = {0};
    int r = begin(&loader, path);

    if (r == 0) {
        read_file(&loader, strdup(path), CH_FILE_ANY);
        read_includes(&loader, path);
    }
    return finish(&loader, r, ret, errors);
}

int ch_config_parse(const char *text, size_t len, const char *path, struct ch_config **ret,
                    struct ch_config_errors *errors)
{
    struct loader loader = {0};
    int r = begin(&loader, path);

    if (r == 0) {
        struct source *source = add_source(&loader, strdup(path));

        if (source)
            source->complete = ch_tree_read_yaml(&source->tree, text, len, &loader.build.report);
    }
    return finish(&loader, r, ret, errors);
}
