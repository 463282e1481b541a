/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A probe: one kind of attempt against one target, on the prober's thread.
 *
 * A probe touches the network and fills evidence; it does not know intervals,
 * counters, logs or reloads. The engine above tells it when to start and when
 * its time is over, and hears of it through the narrow upcalls of ch_prober_ops.
 *
 * Life:  ch_probe_new → { start → (finished | expire → finished) }* → ch_probe_free
 *
 * Exactly one finished upcall answers each start. A persistent probe may besides
 * report a connection found dead between two attempts with an unsolicited
 * finished (that is a failed attempt of its own); it holds its connection from
 * one attempt to the next.
 *
 * Rules for a kind: nothing blocks; start and expire allocate nothing that
 * finished does not leave reusable; free is safe in any state and makes no
 * upcall; finished is the last thing a probe does in a callback, because the
 * engine may start it again or free it inside.
 */
#ifndef CONNHEALTH_PROBE_H
#define CONNHEALTH_PROBE_H

#include "connhealth/address.h"
#include "connhealth/evidence.h"
#include "connhealth/loop.h"
#include "connhealth/option.h"
#include "connhealth/resolver.h"

struct ch_probe;
struct ch_prober;

/* The time that a confirming connect has: its SYN is repeated once, after one
 * second, which tells a SYN that was lost from one that never left this host. */
#define CH_CONFIRM_NS (INT64_C(1250) * 1000000)

/* What to probe; immutable, owned by the engine, outlives the probe. */
struct ch_probe_spec {
    const struct ch_probe_ops *ops;
    enum ch_transport transport;
    struct ch_hostport address;
    const void *options; /* ops->options_size bytes, filled by ops->options */
    bool confirm;        /* make the confirming connect */
    bool close_by_reset; /* connect probes: RST instead of FIN, see connect.c */
};

/* Troubles of a live connection, before the kernel gives up. */
#define CH_TROUBLES(X)                                                                             \
    X(RETRANSMITTING, "retransmitting", "data is being retransmitted, no acknowledgement comes")   \
    X(ZERO_WINDOW, "zero_window", "the peer's window is closed")                                   \
    X(KEEPALIVE_UNANSWERED, "keepalive_unanswered", "keepalive probes are not answered")           \
    X(REPLY_OVERDUE, "reply_overdue", "the request was acknowledged, the reply is overdue")

enum ch_trouble {
    CH_TROUBLE_NONE = 0,
#define X(id, slug, meaning) CH_TROUBLE_##id,
    CH_TROUBLES(X)
#undef X
        CH_TROUBLE_COUNT
};
const struct ch_word *ch_trouble_word(enum ch_trouble trouble);

struct ch_trouble_report {
    enum ch_trouble trouble;
    uint8_t stage; /* back-off doublings, or probes unanswered */
    int64_t
        until_give_up; /* ns until ETIMEDOUT as far as it can be reckoned; -1: never or unknown */
    int64_t silent_ns;
};

/* Greatest idle age survived and smallest that was not, ns; 0: none yet. */
struct ch_idle_life {
    int64_t survived_ns;
    int64_t died_ns;
};

/* The engine's ear, on the prober's thread. The engine may free the probe inside
 * finished, and only there. */
struct ch_prober_ops {
    /* an attempt is over; evidence lives only during the call */
    void (*finished)(struct ch_probe *probe, const struct ch_evidence *evidence);
    /* a persistent connection came up or went */
    void (*connection)(struct ch_probe *probe, bool established);
    /* the send buffer was full and the probe waits for EPOLLOUT */
    void (*stalled)(struct ch_probe *probe);
    /* an ICMP error was received for this probe (also one that did not end it) */
    void (*icmp)(struct ch_probe *probe, const struct ch_icmp *icmp);
    void (*trouble)(struct ch_probe *probe, const struct ch_trouble_report *report);
    void (*idle_life)(struct ch_probe *probe, const struct ch_idle_life *life);
};

/* What all probes of one prober share. Built by the engine, used on the loop's
 * thread alone. */
struct ch_prober {
    struct ch_loop *loop;
    struct ch_resolver *resolver;
    const struct ch_prober_ops *ops;
    struct ch_confirm_budget *confirm_budget; /* probes/confirm.c owns its content */
};

/* A kind of probe: one file, one of these, one row in the registry. */
struct ch_probe_ops {
    enum ch_probe_kind kind;
    bool tcp, udp;
    bool persistent;
    const struct ch_option *options; /* table, ended by CH_OPTION_END */
    size_t options_size;
    size_t state_size; /* of the kind's struct, which begins with struct ch_probe */

    /* Options that do not fit together: NULL, or a static reason; *ret_key is
     * the key at fault. options were each parsed already. */
    const char *(*check)(const void *options, enum ch_transport transport, const char **ret_key);
    /* The categories an attempt of this kind can meet: bit 1u << CH_CATEGORY_x. */
    uint32_t (*categories)(enum ch_transport transport);

    void (*init)(struct ch_probe *probe);
    /* Begins an attempt whose time is over at deadline (monotonic ns). */
    void (*start)(struct ch_probe *probe, int64_t deadline);
    /* The attempt's time is over: finish it, at once or, while a confirming
     * connect is out, within CH_CONFIRM_NS. Only called between start and
     * finished; called again from time to time until finished came. */
    void (*expire)(struct ch_probe *probe);
    /* Closes everything; no upcall. */
    void (*release)(struct ch_probe *probe);
};

struct ch_probe {
    const struct ch_probe_spec *spec;
    struct ch_prober *prober;
    void *owner; /* the engine's */
};

/* The registry, indexed by kind; NULL-free. */
const struct ch_probe_ops *ch_probe_ops_of(enum ch_probe_kind kind);

/* 0 or -ENOMEM. spec and prober must outlive the probe. */
int ch_probe_new(const struct ch_probe_spec *spec, struct ch_prober *prober, void *owner,
                 struct ch_probe **ret);
struct ch_probe *ch_probe_free(struct ch_probe *probe); /* takes NULL, returns NULL */

/* Budget of confirming connects: at most rate a second in a burst of burst. */
int ch_confirm_budget_new(uint32_t rate, uint32_t burst, struct ch_confirm_budget **ret);
struct ch_confirm_budget *ch_confirm_budget_free(struct ch_confirm_budget *budget);

#endif
