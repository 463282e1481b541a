/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the catalog that journalctl -x reads
 * (https://systemd.io/CATALOG/), from the daemon's own tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"

enum { WIDTH = 79 };

/* A sentence of the tables begins small and ends without its stop. */
static char *sentence(const char *text)
{
    char *made = NULL;

    if (asprintf(&made, "%c%s.", *text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text,
                 text + 1) < 0)
        abort();
    return made;
}

static void print_wrapped(const char *text)
{
    char *copy = strdup(text), *rest = copy;
    size_t column = 0;

    for (const char *word; rest && (word = strsep(&rest, " "));) {
        size_t len = strlen(word);

        if (column > 0 && column + 1 + len > WIDTH) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%s", column > 0 ? " " : "", word);
    }
    putchar('\n');
    free(copy);
}

static void print_header(const char *id, const char *subject)
{
    printf("\n-- %s\nSubject: %s\nDefined-By: connhealthd\n"
           "Documentation: man:connhealthd(8)\n"
           "Documentation: man:connhealth-categories(7)\n\n",
           id, subject);
}

static void print_failure(enum ch_category category)
{
    const struct ch_category_row *row = ch_category_row(category);
    char *meaning = sentence(row->meaning), *advice = sentence(row->advice);
    char subject[128];

    snprintf(subject, sizeof(subject), "A probe fails: %s", row->slug);
    print_header(ch_message_of_failure(category), subject);
    print_wrapped("The probe @CONNHEALTH_PROBE@ of @CONNHEALTH_TARGET@ in the group "
                  "@CONNHEALTH_GROUP@ fails, after it had worked or had failed in another way:");
    printf("\n@CONNHEALTH_DETAIL@\n\n");
    printf("Category %s%s%s%s.\n", row->slug, row->error_name ? " (" : "",
           row->error_name ? row->error_name : "", row->error_name ? ")" : "");
    print_wrapped(meaning);
    printf("\nWhat to look at:\n");
    print_wrapped(advice);
    printf("\nCause @CONNHEALTH_CAUSE@, phase @CONNHEALTH_PHASE@, on the wire "
           "@CONNHEALTH_WIRE@;\nconnhealthctl explain @CONNHEALTH_CAUSE@ says what the cause "
           "rests on.\n");
    free(meaning);
    free(advice);
}

int main(void)
{
    printf("# SPDX-License-Identifier: Apache-2.0\n"
           "# Made by connhealth-catalog from the daemon's tables.\n");
    for (int i = CH_CATEGORY_NONE + 1; i < CH_CATEGORY_COUNT; i++)
        print_failure((enum ch_category)i);
    for (int i = 0; i < CH_MESSAGE_COUNT; i++) {
        const struct ch_message_row *row = ch_message_row((enum ch_message)i);

        print_header(row->id, row->subject);
        print_wrapped(row->text);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
