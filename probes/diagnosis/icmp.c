/* SPDX-License-Identifier: Apache-2.0 */
#include "connhealth/icmp.h"

#include <stddef.h>

#define ANY_CODE -1

/* Each slug belongs to one row of a version: it is a label's value. */
static const struct {
    uint8_t version;
    uint8_t type;
    int16_t code;
    struct ch_word word;
} rows[] = {
    {4, 3, 0, {"net_unreachable", "no route to the network"}},
    {4, 3, 1, {"host_unreachable", "the host does not answer on its link, or no route to it"}},
    {4, 3, 2, {"protocol_unreachable", "the host does not speak the transport protocol"}},
    {4, 3, 3, {"port_unreachable", "nothing listens on the port, or a firewall rejects"}},
    {4, 3, 4, {"fragmentation_needed", "the packet is too big for the path"}},
    {4, 3, 5, {"source_route_failed", "the source route could not be followed"}},
    {4, 3, 6, {"net_unknown", "the network is unknown"}},
    {4, 3, 7, {"host_unknown", "the host is unknown"}},
    {4, 3, 8, {"host_isolated", "our host is isolated"}},
    {4, 3, 9, {"net_prohibited", "the network is administratively prohibited"}},
    {4, 3, 10, {"host_prohibited", "the host is administratively prohibited"}},
    {4, 3, 11, {"net_unreachable_tos", "no route to the network for this type of service"}},
    {4, 3, 12, {"host_unreachable_tos", "no route to the host for this type of service"}},
    {4, 3, 13, {"admin_prohibited", "a filter on the way prohibits it"}},
    {4, 3, 14, {"precedence_violation", "the precedence is not permitted"}},
    {4, 3, 15, {"precedence_cutoff", "the precedence is below the network's minimum"}},
    {4, 4, ANY_CODE, {"source_quench", "congestion (obsolete)"}},
    {4, 5, ANY_CODE, {"redirect", "another router should be used"}},
    {4, 11, 0, {"ttl_exceeded", "the packet's time to live ran out: a routing loop"}},
    {4, 11, 1, {"reassembly_timeout", "fragments were missing"}},
    {4, 12, ANY_CODE, {"parameter_problem", "a header field was not understood"}},
    {6, 1, 0, {"no_route", "no route to the destination"}},
    {6, 1, 1, {"admin_prohibited", "a filter on the way prohibits it"}},
    {6, 1, 2, {"beyond_scope", "the destination is beyond the scope of our address"}},
    {6, 1, 3, {"address_unreachable", "the host does not answer on its link"}},
    {6, 1, 4, {"port_unreachable", "nothing listens on the port, or a firewall rejects"}},
    {6, 1, 5, {"source_policy_failed", "our address is refused by a policy"}},
    {6, 1, 6, {"reject_route", "a router has a reject route for it"}},
    {6, 2, ANY_CODE, {"packet_too_big", "the packet is too big for the path"}},
    {6, 3, 0, {"hop_limit_exceeded", "the packet's hop limit ran out: a routing loop"}},
    {6, 3, 1, {"reassembly_timeout", "fragments were missing"}},
    {6, 4, ANY_CODE, {"parameter_problem", "a header field was not understood"}},
};

const struct ch_word *ch_icmp_word(const struct ch_icmp *icmp)
{
    static const struct ch_word other = {"other", "another ICMP error"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].version == icmp->version && rows[i].type == icmp->type &&
            (rows[i].code == ANY_CODE || rows[i].code == icmp->code))
            return &rows[i].word;
    return &other;
}
