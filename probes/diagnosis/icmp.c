/* SPDX-License-Identifier: Apache-2.0 */
#include "connhealth/icmp.h"

#include <stddef.h>

#include "signs.h"

#define ANY_CODE   (-1)
#define HOST       CH_ICMP_SAYS_HOST
#define NO_WAY     CH_ICMP_SAYS_NO_WAY
#define EXPIRED    CH_ICMP_SAYS_EXPIRED
#define PROHIBITED CH_ICMP_SAYS_PROHIBITED
#define PORT       CH_ICMP_SAYS_PORT
#define PROTOCOL   CH_ICMP_SAYS_PROTOCOL
#define OTHER      CH_ICMP_SAYS_OTHER

/* Each slug belongs to one row of a version: it is a label's value. */
static const struct row {
    uint8_t version;
    uint8_t type;
    int16_t code;
    enum ch_icmp_says says;
    struct ch_word word;
} rows[] = {
    {4, 3, 0, NO_WAY, {"net_unreachable", "no route to the network"}},
    {4, 3, 1, HOST, {"host_unreachable", "the host does not answer on its link, or no route"}},
    {4, 3, 2, PROTOCOL, {"protocol_unreachable", "the host does not speak the transport protocol"}},
    {4, 3, 3, PORT, {"port_unreachable", "nothing listens on the port, or a firewall rejects"}},
    {4, 3, 4, OTHER, {"fragmentation_needed", "the packet is too big for the path"}},
    {4, 3, 5, NO_WAY, {"source_route_failed", "the source route could not be followed"}},
    {4, 3, 6, NO_WAY, {"net_unknown", "the network is unknown"}},
    {4, 3, 7, NO_WAY, {"host_unknown", "the host is unknown"}},
    {4, 3, 8, NO_WAY, {"host_isolated", "our host is isolated"}},
    {4, 3, 9, PROHIBITED, {"net_prohibited", "the network is administratively prohibited"}},
    {4, 3, 10, PROHIBITED, {"host_prohibited", "the host is administratively prohibited"}},
    {4, 3, 11, NO_WAY, {"net_unreachable_tos", "no route to the network for this type of service"}},
    {4, 3, 12, NO_WAY, {"host_unreachable_tos", "no route to the host for this type of service"}},
    {4, 3, 13, PROHIBITED, {"admin_prohibited", "a filter on the way prohibits it"}},
    {4, 3, 14, PROHIBITED, {"precedence_violation", "the precedence is not permitted"}},
    {4, 3, 15, PROHIBITED, {"precedence_cutoff", "the precedence is below the network's minimum"}},
    {4, 4, ANY_CODE, OTHER, {"source_quench", "congestion (obsolete)"}},
    {4, 5, ANY_CODE, OTHER, {"redirect", "another router should be used"}},
    {4, 11, 0, EXPIRED, {"ttl_exceeded", "the packet's time to live ran out: a routing loop"}},
    {4, 11, 1, OTHER, {"reassembly_timeout", "fragments were missing"}},
    {4, 12, ANY_CODE, OTHER, {"parameter_problem", "a header field was not understood"}},
    {6, 1, 0, NO_WAY, {"no_route", "no route to the destination"}},
    {6, 1, 1, PROHIBITED, {"admin_prohibited", "a filter on the way prohibits it"}},
    {6, 1, 2, NO_WAY, {"beyond_scope", "the destination is beyond the scope of our address"}},
    {6, 1, 3, HOST, {"address_unreachable", "the host does not answer on its link"}},
    {6, 1, 4, PORT, {"port_unreachable", "nothing listens on the port, or a firewall rejects"}},
    {6, 1, 5, PROHIBITED, {"source_policy_failed", "our address is refused by a policy"}},
    {6, 1, 6, PROHIBITED, {"reject_route", "a router has a reject route for it"}},
    {6, 2, ANY_CODE, OTHER, {"packet_too_big", "the packet is too big for the path"}},
    {6, 3, 0, EXPIRED, {"hop_limit_exceeded", "the packet's hop limit ran out: a routing loop"}},
    {6, 3, 1, OTHER, {"reassembly_timeout", "fragments were missing"}},
    {6, 4, 1, PROTOCOL, {"unrecognized_next_header", "the host does not speak the protocol"}},
    {6, 4, ANY_CODE, OTHER, {"parameter_problem", "a header field was not understood"}},
};

static const struct row *row_of(const struct ch_icmp *icmp)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].version == icmp->version && rows[i].type == icmp->type &&
            (rows[i].code == ANY_CODE || rows[i].code == icmp->code))
            return &rows[i];
    return NULL;
}

const struct ch_word *ch_icmp_word(const struct ch_icmp *icmp)
{
    static const struct ch_word other = {"other", "another ICMP error"};
    const struct row *row = row_of(icmp);

    return row ? &row->word : &other;
}

enum ch_icmp_says ch_icmp_says(const struct ch_icmp *icmp)
{
    const struct row *row = row_of(icmp);

    if (icmp->version != 4 && icmp->version != 6)
        return CH_ICMP_SAYS_NOTHING;
    return row ? row->says : CH_ICMP_SAYS_OTHER;
}
