/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why an attempt failed. Read top to bottom: the first row whose test holds
 * names the cause. What this host knows of itself stands before what it
 * concludes about others, and a narrow test before a wide one.
 *
 * "Proof" is what the evidence leaves no other reading of; all else is an
 * inference, and says what would decide. "A new connection" is the confirming
 * connect, made right after an established connection broke or an answer stayed
 * out; one that fails for want of something on this host says nothing about the
 * peer. "Measured" means observed on Linux 6.18 in network namespaces.
 */
#include "rules.h"

#include <stddef.h>

#include "grounds.h"
#include "signs.h"

#define PROOF      .shown.certain = true
#define INFERENCE  .shown.certain = false
#define CAUSE(id)  .shown.cause = CH_CAUSE_##id
#define WHEN(text) .shown.when = (text)
#define WHY(text)  .shown.why = (text)
#define SAYS(text) .shown.says = (text)
#define TEST(name) .holds = ch_ground_##name

static const struct rule {
    struct ch_rule shown;
    bool (*holds)(const struct ch_evidence *evidence); /* NULL: always */
} rules[] = {
    /* clang-format off */

    /* This host, the name, the reply. */

    {CAUSE(LOCAL_LIMIT), PROOF, TEST(local_limit),
     WHEN("the errno says that this host ran out of descriptors, ports, buffers or memory"),
     WHY("EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EADDRINUSE and ENOSPC never come from "
         "the network (socket(2), connect(2), bind(2), epoll_ctl(2))"),
     SAYS("this host ran out of it; the target is not to blame")},

    {CAUSE(NAME_NOT_FOUND), PROOF, TEST(name_not_found),
     WHEN("the resolver answered NXDOMAIN, or that the name has no address"),
     WHY("an authoritative negative answer (RFC 2308)"),
     SAYS("the name as configured does not lead to an address")},

    {CAUSE(RESOLVER_FAILED), PROOF, TEST(resolver_failed),
     WHEN("the lookup ended in any other way: SERVFAIL, refused, no answer in time"),
     WHY("the attempt ended before there was an address to speak to (RFC 1035, 4.1.1)"),
     SAYS("the target itself was not asked; the resolvers are at fault, or the way to them")},

    {CAUSE(ABORTED_BEFORE_ACCEPT), PROOF, .holds = ch_sign_aborted_before_accept,
     WHEN("accept gave the responder a socket that was dead already"),
     WHY("Linux hands out the socket in state CLOSE instead of ECONNABORTED (measured)"),
     SAYS("the client gave the connection up before it was accepted")},

    {CAUSE(UNEXPECTED_REPLY), PROOF, TEST(mismatch),
     WHEN("a reply came and was not the expected one"),
     WHY("the bytes are in the evidence"),
     SAYS("something answers there, and not as it should")},

    {CAUSE(KILLED_LOCALLY), PROOF, TEST(killed_locally),
     WHEN("the errno is ECONNABORTED"),
     WHY("only tcp_abort() and udp_abort() set it, for SOCK_DESTROY (sock_diag(7)), as ss -K does"),
     SAYS("something on this host destroyed the socket")},

    {CAUSE(LOCAL_FIREWALL), PROOF, TEST(datagram_forbidden),
     WHEN("sending a datagram gave EPERM"),
     WHY("a drop in the output path comes back from a UDP send as EPERM (nf_hook_slow() in "
         "net/netfilter/core.c; a cgroup's packet filter does the same)"),
     SAYS("this host's own packet filter, or the unit's IPAddressDeny=, drops the datagrams")},

    {CAUSE(LOCAL_FIREWALL), INFERENCE, TEST(call_forbidden),
     WHEN("a call on a TCP socket gave EPERM"),
     WHY("no ICMP error becomes EPERM, and a packet filter's drop is silent for TCP: what remains "
         "is a cgroup program, a security module or seccomp"),
     SAYS("something on this host forbids the connection: a cgroup's filter or a sandbox; the "
          "unit's settings and the audit log would tell")},

    /* An ICMP error answered the SYN or the datagram: the error queue names its
     * type, code and sender (ip(7), IP_RECVERR). */

    {CAUSE(NEIGHBOUR_UNREACHABLE), PROOF, TEST(own_link_icmp_and_stuck),
     WHEN("this host itself says host unreachable, and retransmissions were due that never left"),
     WHY("when ARP or ND fails, the queued packet is answered by an ICMP error to ourselves "
         "(arp_error_report(), ndisc_error_report()); until then TCP holds its copies back"),
     SAYS("the gateway or neighbour on our own link does not answer ARP or ND")},

    {CAUSE(FIREWALL_REJECTED), INFERENCE, TEST(own_firewall_says_host),
     WHEN("this host itself says host unreachable, no retransmission is out though one was due, "
          "and its TCPRetransFail counter moved"),
     WHY("ARP holds retransmissions back, an output firewall lets them fail; but the counter is "
         "the whole host's"),
     SAYS("this host's own firewall rejects the connection; nft list ruleset would tell")},

    {CAUSE(NEIGHBOUR_UNREACHABLE), INFERENCE, TEST(own_link_icmp),
     WHEN("this host itself says host unreachable"),
     WHY("failing ARP or ND does that, and so does an own firewall told to reject with "
         "host-unreachable"),
     SAYS("the gateway or neighbour on our own link does not answer ARP or ND, unless our own "
          "firewall rejects in that way; ip neigh would tell")},

    {CAUSE(PORT_CLOSED), PROOF, TEST(udp_port_unreachable),
     WHEN("UDP: the target itself answered port unreachable"),
     WHY("RFC 1122, 4.1.3.1"),
     SAYS("the host answers and nothing listens on that port (its firewall could send the same)")},

    {CAUSE(FIREWALL_REJECTED), PROOF, TEST(rejected_here),
     WHEN("this host itself sent any other ICMP refusal"),
     WHY("it sends one to itself for failing ARP or ND and for its firewall's reject, and the "
         "first "
         "is host unreachable only"),
     SAYS("this host's own firewall rejects it")},

    {CAUSE(FIREWALL_REJECTED), PROOF, TEST(rejected_there),
     WHEN("the target itself sent an ICMP prohibition, a protocol unreachable, a port unreachable "
          "in answer to a SYN, or says that it cannot be reached"),
     WHY("a closed TCP port answers with an RST (RFC 9293, 3.10.7.1), no host lacks TCP or UDP, "
         "and "
         "only a rule makes a host say that it cannot be reached itself"),
     SAYS("the host is up, and its own firewall rejects it")},

    {CAUSE(FIREWALL_REJECTED), PROOF, TEST(rejected),
     WHEN("somebody on the way sent an ICMP prohibition, or a port or protocol unreachable"),
     WHY("ports and protocols are the target's affair: who answers in its place is a firewall; the "
         "prohibitions are ICMP 3/9, 3/10, 3/13 to 3/15, ICMPv6 1/1, 1/5 and 1/6"),
     SAYS("a firewall on the way rejects it, and named itself")},

    {CAUSE(ROUTER_UNREACHABLE), PROOF, TEST(router_gave_up),
     WHEN("a router says that host or network cannot be reached, or that the hops ran out"),
     WHY("ICMP type 3 or 11, ICMPv6 type 1 or 3, from an address that is neither ours nor the "
         "target's (RFC 792, RFC 4443)"),
     SAYS("that router cannot deliver to the target")},

    /* No connection yet, and no ICMP error. */

    {CAUSE(NO_LOCAL_ROUTE), PROOF, TEST(no_route),
     WHEN("the call itself failed with ENETUNREACH, EHOSTUNREACH, ENETDOWN or EINVAL"),
     WHY("no route or a throw route, an unreachable route, a link that is down, a blackhole "
         "route (fib_props[] in net/ipv4/fib_semantics.c); nothing was sent"),
     SAYS("this host's own routing table refuses; see ip route get")},

    {CAUSE(NO_LOCAL_ROUTE), INFERENCE, TEST(route_prohibits),
     WHEN("the call itself failed with EACCES"),
     WHY("a prohibit route does that (fib_props[]), and so does a security module; for UDP also a "
         "broadcast address"),
     SAYS("a prohibit route on this host, or a security module; ip route get would tell")},

    {CAUSE(PORT_CLOSED), PROOF, TEST(refused_by_rst),
     WHEN("TCP: ECONNREFUSED without an ICMP error: an RST answered the SYN"),
     WHY("tcp_reset() in net/ipv4/tcp_input.c"),
     SAYS("nothing listens on that port at that address (a firewall can send the same bytes)")},

    {CAUSE(PORT_CLOSED), INFERENCE, TEST(refused_datagram),
     WHEN("UDP: ECONNREFUSED, and who sent the port unreachable is not known"),
     WHY("udp(7); the error queue was empty"),
     SAYS("nothing listens on that port, or a firewall on the way rejects; the ICMP error's sender "
          "would decide")},

    {CAUSE(NEVER_LEFT_HOST), PROOF, TEST(datagrams_kept),
     WHEN("UDP: the send buffer stayed full"),
     WHY("a datagram counts against the buffer until it has left this host (sock_wfree())"),
     SAYS("the datagrams before are still in this host: its link, queue or neighbour table holds "
          "them")},

    {CAUSE(NEIGHBOUR_UNREACHABLE), PROOF, TEST(syn_stuck),
     WHEN("no answer to the SYN, and retransmissions were due that never left"),
     WHY("a route was found, and TCP holds its copies back while the first still waits for ARP or "
         "ND in this host (TCPSpuriousRtxHostQueues)"),
     SAYS("the SYN never left: the gateway or neighbour on our own link does not answer ARP or "
          "ND")},

    {CAUSE(LOCAL_FIREWALL), INFERENCE, TEST(syn_refused_here),
     WHEN("no answer to the SYN, no retransmission is out though one was due, and this host's "
          "TCPRetransFail counter moved"),
     WHY("a drop in the output path is silent for TCP, but the retransmission is counted as "
         "failed (__tcp_retransmit_skb()) and not as being out; the counter is the whole host's"),
     SAYS("this host's own firewall drops the SYN; nft list ruleset would tell")},

    {CAUSE(NO_ANSWER), INFERENCE, TEST(silent_datagram),
     WHEN("UDP: no answer to the datagram"),
     WHY("a host that is down, a filter that drops and a service that says nothing look the same "
         "from here"),
     SAYS("the host is down, a firewall drops, or the service does not answer; a TCP connect to "
          "that host would rule out the first")},

    {CAUSE(NO_ANSWER), INFERENCE, TEST(silent_start),
     WHEN("no answer to the SYN"),
     WHY("a host that is down, a filter that drops and a full accept queue look the same from "
         "here"),
     SAYS("the host is down, a firewall drops, or the accept queue is full; an answer from another "
          "port of that host would rule out the first")},

    {CAUSE(CONNECTION_ABORTED), INFERENCE, TEST(reset_at_once),
     WHEN("a reset while the connection was being made, yet not in answer to the SYN"),
     WHY("an RST to a SYN is ECONNREFUSED; ECONNRESET means that the handshake was over"),
     SAYS("the peer accepted the connection and aborted it at once: a full accept queue with "
          "tcp_abort_on_overflow, or a proxy without a server behind it")},

    /* An established connection: what this host sees of itself. */

    {CAUSE(PEER_NOT_READING), PROOF, TEST(zero_window),
     WHEN("data waits, the peer's window is closed, and it acknowledges the window probes"),
     WHY("an acknowledgement sets tcpi_probes back to 0; TCP_USER_TIMEOUT ends such a connection "
         "although the peer lives (tcp(7), measured)"),
     SAYS("the peer's kernel is alive and its application does not read")},

    {CAUSE(NEVER_LEFT_HOST), PROOF, .holds = ch_sign_never_left,
     WHEN("data waits, the peer's window is open, nothing is in flight and nothing was ever "
          "retransmitted"),
     WHY("TCP would have sent it: the local stack refuses each try, which only the probe timer "
         "counts (tcp_send_probe0())"),
     SAYS("nothing was transmitted: this host's own firewall, route, address or link stops it")},

    {CAUSE(PEER_NOT_READING), INFERENCE, TEST(slow_reader),
     WHEN("the send buffer stayed full while nothing had to be retransmitted or probed"),
     WHY("what was sent was acknowledged in time, so the path works"),
     SAYS("the peer reads too slowly, or the path is too slow for what is sent; the peer's receive "
          "queue (ss -tn) would tell")},

    {CAUSE(NO_LOCAL_ROUTE), PROOF, TEST(route_lost),
     WHEN("the connection ended with EINVAL, or with ENETUNREACH or EACCES while retransmissions "
          "were due that never left; or this host had no route for a new connection"),
     WHY("a retransmission looks the route up again and keeps its error (inet_sk_rebuild_header(), "
         "measured); no ICMP error becomes EINVAL or holds retransmissions back"),
     SAYS("this host lost its route to the target; see ip route get")},

    {CAUSE(NEIGHBOUR_UNREACHABLE), PROOF, TEST(neighbour_silent),
     WHEN("retransmissions were due that never left, though this host has a route: a new SYN was "
          "routed, or the errno is EHOSTUNREACH after some had left again"),
     WHY("TCP holds its copies back while the first still waits for ARP or ND "
         "(skb_still_in_host_queue() in net/ipv4/tcp_output.c)"),
     SAYS("the gateway or neighbour on our own link does not answer ARP or ND")},

    {CAUSE(NEIGHBOUR_UNREACHABLE), INFERENCE, TEST(neighbour_or_route),
     WHEN("retransmissions were due that never left; or this host itself says host unreachable to "
          "a new connection"),
     WHY("failing ARP or ND does that, and so does a route that is gone (measured)"),
     SAYS("nothing leaves this host: its neighbour does not answer ARP or ND, or the route is "
          "gone; ip neigh and ip route get would tell")},

    {CAUSE(APPLICATION_HUNG), PROOF, TEST(hung_for_sure),
     WHEN("the deadline passed and the whole request is acknowledged"),
     WHY("bytes_acked of tcp_info covers it: the peer's kernel has it (RFC 9293, 3.4)"),
     SAYS("the peer's kernel has the request, its application did not answer in time")},

    {CAUSE(APPLICATION_HUNG), INFERENCE, TEST(application_hung),
     WHEN("the deadline passed, the whole request is acknowledged, and a new connection was not "
          "answered"),
     WHY("an application that hangs fills its accept queue; but the host may also have gone after "
         "it acknowledged"),
     SAYS("the application hangs and its accept queue is full, or the host went away right after "
          "it acknowledged; an answer from another port of that host would decide")},

    {CAUSE(APPLICATION_HUNG), INFERENCE, TEST(no_greeting),
     WHEN("the connection was made, the server was to speak first, and nothing came"),
     WHY("the handshake is the kernel's work, the greeting the application's"),
     SAYS("the peer's kernel took the connection, its application says nothing; lost segments "
          "would look the same")},

    /* The peer's own word: a goodbye, or the ids of the native heartbeat before
     * the break and on the new connection. */

    {CAUSE(PEER_SHUTDOWN), PROOF, TEST(goodbye),
     WHEN("a goodbye came, then the connection ended"),
     WHY("the native heartbeat's goodbye is sent at a clean stop only"),
     SAYS("the service was stopped cleanly")},

    {CAUSE(HOST_REBOOTED), PROOF, TEST(new_boot),
     WHEN("the connection broke, and the peer's boot id is a new one"),
     WHY("/proc/sys/kernel/random/boot_id changes at a boot and only then (random(4))"),
     SAYS("the peer's host has booted anew")},

    {CAUSE(PEER_RESTARTED), PROOF, TEST(new_instance),
     WHEN("the connection broke, the boot id is the same and the instance id is a new one"),
     WHY("the responder draws its instance id at its start"),
     SAYS("the service was restarted, its host was not")},

    {CAUSE(CONNECTION_CLOSED), PROOF, TEST(same_and_closed),
     WHEN("the peer closed the connection, and both ids are the same"),
     WHY("the same process runs on and takes new connections"),
     SAYS("the service closed this connection and runs on")},

    {CAUSE(MIDDLEBOX_RESET), PROOF, TEST(same_and_reset),
     WHEN("a reset in answer to our segment, and both ids are the same"),
     WHY("the peer neither restarted nor rebooted, and would have known the connection"),
     SAYS("the service runs on unchanged: something between us reset the connection")},

    {CAUSE(FLOW_DROPPED), PROOF, TEST(same_and_silent),
     WHEN("our segments were not answered, a new connection was, and both ids are the same"),
     WHY("the peer neither restarted nor rebooted, and its host can be reached"),
     SAYS("the service runs on unchanged: something between us forgot this flow")},

    /* What a new connection met. */

    {CAUSE(PROCESS_GONE), PROOF, TEST(ended_and_refused),
     WHEN("the peer ended the connection, and an RST refuses a new one"),
     WHY("the host answers and nothing listens on the port any more"),
     SAYS("the process is gone or stopped listening, its host is up")},

    {CAUSE(STATE_LOST), INFERENCE, TEST(reset_in_answer),
     WHEN("a reset in answer to our data or our keepalive probe"),
     WHY("a host answers a segment of a connection that it does not know with an RST (RFC 9293, "
         "3.10.7.1)"),
     SAYS("the peer no longer knew the connection: it rebooted, was restarted, or a middlebox "
          "dropped the flow; the ids of a native heartbeat would decide")},

    {CAUSE(CONNECTION_ABORTED), PROOF, TEST(aborted),
     WHEN("a reset while nothing of ours was outstanding, and new connections are taken"),
     WHY("a rebooted host only answers (RFC 9293, 3.10.7.1): somebody ended this connection"),
     SAYS("the peer, or something between us, aborted this one connection; it was no reboot")},

    {CAUSE(CONNECTION_CLOSED), INFERENCE, TEST(closed_and_connected),
     WHEN("the peer closed the connection, and new ones are taken"),
     WHY("a FIN is the same from a deliberate close, an exit and a kill"),
     SAYS("the service closed this connection (an idle timeout or a limit) or was restarted at "
          "once; an instance id would decide")},

    {CAUSE(HOST_OR_PATH_LOST), INFERENCE, TEST(ended_and_gone),
     WHEN("the peer ended the connection, and a new one was not answered or met an ICMP error"),
     WHY("a host that shuts down ends its connections first; a filter put up now looks the same"),
     SAYS("the host is going down, or the path to it was cut; other hosts behind the same router "
          "would decide")},

    {CAUSE(FIREWALL_REJECTED), PROOF, TEST(confirm_rejected),
     WHEN("no answer on the connection, and an ICMP rejection met a new one"),
     WHY("as for a SYN; on an established connection the kernel keeps no ICMP error's sender"),
     SAYS("the firewall named rejects new connections now")},

    {CAUSE(ROUTER_UNREACHABLE), PROOF, TEST(confirm_met_router),
     WHEN("no answer on the connection, and a router says to a new one that host or network "
          "cannot be reached"),
     WHY("as for a SYN; on an established connection the kernel keeps no ICMP error's sender"),
     SAYS("that router cannot deliver to the target")},

    {CAUSE(FIREWALL_REJECTED), INFERENCE, TEST(told_rejected),
     WHEN("the errno of an ICMP prohibition, port or protocol unreachable; its message is not "
          "known"),
     WHY("the kernel keeps the last ICMP error's errno for when it gives up (sk_err_soft in "
         "tcp_write_err()), not who sent it; it may be old"),
     SAYS("a firewall on the way or at the peer rejects; a packet capture would name it")},

    {CAUSE(ROUTER_UNREACHABLE), INFERENCE, TEST(told_unreachable),
     WHEN("the errno of an ICMP unreachable; its message is not known"),
     WHY("the kernel keeps the last ICMP error's errno for when it gives up (sk_err_soft in "
         "tcp_write_err()), not who sent it; it may be old, and a prohibition has the same errno"),
     SAYS("a router on the way cannot deliver, or a firewall prohibits; a packet capture would "
          "name it")},

    {CAUSE(FLOW_DROPPED), INFERENCE, TEST(silent_and_connected),
     WHEN("our segments were not answered, and a new connection was made at once"),
     WHY("host, port and path work; a middlebox that forgot the flow drops it silently"),
     SAYS("a middlebox forgot this flow, or an outage has just ended; if it repeats at the same "
          "idle age it is a middlebox")},

    {CAUSE(PROCESS_GONE), INFERENCE, TEST(silent_and_refused),
     WHEN("no answer on the connection, and an RST refuses a new one"),
     WHY("that the port is closed now is certain, not what silenced the connection before"),
     SAYS("the host answers and nothing listens any more; the silence before points to an outage "
          "or a reboot, the host's uptime would decide")},

    {CAUSE(LOCAL_FIREWALL), INFERENCE, TEST(retransmissions_refused),
     WHEN("no answer on the connection, no retransmission is out though one was due, and this "
          "host's TCPRetransFail counter moved"),
     WHY("a drop in the output path is silent for TCP, but the retransmission is counted as "
         "failed (__tcp_retransmit_skb()) and not as being out; the counter is the whole host's"),
     SAYS("this host's own firewall drops what we send; nft list ruleset would tell")},

    {CAUSE(HOST_OR_PATH_LOST), INFERENCE, TEST(silent_and_silent),
     WHEN("no answer on the connection, nor to a new one"),
     WHY("a host that is gone and a path that is cut, in either direction, look the same from "
         "here"),
     SAYS("the host is down or the path to or from it is cut, one observer cannot say which; other "
          "hosts behind the same router would decide")},

    {CAUSE(UNKNOWN), INFERENCE, .holds = NULL,
     WHEN("none of the above"),
     WHY("the evidence does not decide between several causes, or is not known"),
     SAYS("the evidence does not tell the cause")},
    /* clang-format on */
};

#define RULE_COUNT (sizeof(rules) / sizeof(*rules))

unsigned ch_rule_match(const struct ch_evidence *evidence)
{
    unsigned i = 0;

    while (i + 1 < RULE_COUNT && !rules[i].holds(evidence))
        i++;
    return i;
}

unsigned ch_rule_count(void)
{
    return RULE_COUNT;
}

const struct ch_rule *ch_rule_at(unsigned index)
{
    return index < RULE_COUNT ? &rules[index].shown : NULL;
}
