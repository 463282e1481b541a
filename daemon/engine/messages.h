/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal can explain: each message that an operator may want to look
 * up has an id of its own (systemd.journal-fields(7), MESSAGE_ID=), one for each
 * category of failure. The catalog that journalctl -x reads is made from these
 * rows and those of connhealth/vocabulary.h by daemon/catalog.c.
 *
 * An id is for ever: it may go, but never come to mean something else.
 */
#ifndef CH_ENGINE_MESSAGES_H
#define CH_ENGINE_MESSAGES_H

#include "connhealth/vocabulary.h"

/* X(ENUM, id, subject, what it says): @NAME@ is the entry's field of that name. */
#define CH_MESSAGES(X)                                                                             \
    X(SUCCEEDING, "74d4a8c55a2940c2af652cfb1d6c9895", "A probe succeeds again",                    \
      "The probe @CONNHEALTH_PROBE@ of @CONNHEALTH_TARGET@ in the group @CONNHEALTH_GROUP@ "       \
      "works. Nothing needs to be done.")                                                          \
    X(CONFIG_LOADED, "f7539b9bca4b4791a50904582a8b731a", "The configuration was loaded",           \
      "@CONNHEALTH_FILE@ is in force: @CONNHEALTH_GROUPS@ groups, @CONNHEALTH_TARGETS@ targets, "  \
      "@CONNHEALTH_PROBES@ probes. Targets that did not change kept their connections and "        \
      "counters.")                                                                                 \
    X(CONFIG_FAILED, "bf0d876fae964ea4ab7d9456dc63b79e", "The configuration could not be loaded",  \
      "A reload failed, and the configuration from before is still in force. The lines before "    \
      "this one name each mistake with its file, line and column. connhealthctl check-config "     \
      "looks at the file without a reload.")                                                       \
    X(SLEEP, "f14601f3d433448390174a29e1b35d13", "Probing rests while the machine sleeps",         \
      "login1 has announced that the machine goes to sleep. Connections were closed, a responder " \
      "said goodbye to its clients, and nothing is counted as a failure.")                         \
    X(RESUME, "d6fc674914654ae7a8f14b017401270a", "Probing goes on",                               \
      "The machine has slept and is awake, or does not go down after all. Probes begin at their "  \
      "usual times.")                                                                              \
    X(SLEPT, "057849a142454a10955639cff9ad308e", "The machine slept without a warning",            \
      "The clock shows that the machine was suspended, and login1 had not announced it. "          \
      "Connections are made anew; what had failed since is not counted.")                          \
    X(SHUTDOWN, "58a589bff3254cd9ad3604342a84116a", "The machine goes down",                       \
      "login1 has announced a shutdown. The responder said goodbye to its clients, which tells "   \
      "them apart from a crash.")                                                                  \
    X(COUNTERS_RESTORED, "950891dcb091469e981af79cd7abd5b0", "The counters go on",                 \
      "The daemon was restarted, and @CONNHEALTH_PROBES@ probes count on from where the process "  \
      "before ended. Others are new, or were not there before.")                                   \
    X(COUNTERS_REFUSED, "de736d0da7a747fc86daf657da5f6e38", "The kept counters cannot be read",    \
      "What systemd had kept of the process before is not what this version can read: "            \
      "@CONNHEALTH_REASON@. All counters begin at 0, which Prometheus takes for a reset. Nothing " \
      "else is lost.")                                                                             \
    X(CHANGES_LOST, "2aacd48de5924bd7be64f8c739cdb1cd", "More outcomes changed than were logged",  \
      "So many probes changed their outcome at once that @CONNHEALTH_DROPPED@ changes were not "   \
      "logged. The counters and the state of each target are exact all the same: see "             \
      "connhealthctl status or /api/v1/targets. Most often one cause is behind all of it, such "   \
      "as this host's uplink.")                                                                    \
    X(THREAD_HANGS, "eec9df03060e4a6981942900a1624a25", "A thread of the daemon hangs",            \
      "The thread @CONNHEALTH_THREAD@ has not turned for ten seconds. /-/healthy says so, and "    \
      "systemd restarts the service when the time of its watchdog is over. A machine that stood "  \
      "still or a debugger may be the reason; a fault of the program is worth a report.")

enum ch_message {
#define X(id, uuid, subject, text) CH_MESSAGE_##id,
    CH_MESSAGES(X)
#undef X
        CH_MESSAGE_COUNT
};

struct ch_message_row {
    const char *id; /* 32 hexadecimal digits */
    const char *subject;
    const char *text;
};

/* Static, any thread. message and category are in their enumerations, the
 * category is not NONE. */
const struct ch_message_row *ch_message_row(enum ch_message message);
const char *ch_message_of_failure(enum ch_category category);

#endif
