/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be seen on a socket, read in the order that loses nothing: the
 * error, TCP_INFO, what was never acknowledged, the error queue; all of it
 * before close. (Draining the error queue first would erase the error of a
 * failed connect; SO_ERROR on a live connection eats its soft error.)
 */
#ifndef CH_PROBES_SIGHT_H
#define CH_PROBES_SIGHT_H

#include <stdbool.h>

#include "connhealth/evidence.h"

/* TCP states as the kernel numbers them (net/tcp_states.h, netinet/tcp.h; the
 * latter cannot be included beside linux/tcp.h). */
#define CH_TCP_ESTABLISHED 1
#define CH_TCP_SYN_SENT    2
#define CH_TCP_CLOSE       7

/* False if the socket has no TCP_INFO (it is not TCP). */
bool ch_sight_tcp(int fd, struct ch_tcp_facts *ret);

/* Takes the pending error, which clears it; 0 if there was none. */
int ch_sight_error(int fd);

/* Drains the error queue. True if an ICMP error was in it: the last one is in
 * *ret, its sender seen from local and destination; *ret_error (may be NULL) is
 * its errno. A local entry (ENOBUFS of our own queue) is no ICMP: false, with
 * *ret_error set. */
bool ch_sight_icmp(int fd, const struct ch_addr *destination, struct ch_icmp *ret, int *ret_error);

/* The local address the socket has, AF_UNSPEC if none. */
struct ch_addr ch_sight_local(int fd);

/* A dead or failing TCP connection, all at once: fills tcp, outstanding, icmp,
 * local, and error unless the caller has one already (from recv or send, which
 * took it off the socket). SO_ERROR is only taken when the connection is dead. */
void ch_sight_autopsy(int fd, struct ch_evidence *evidence);

/* How long ago the last segment of the peer came, at most age_ns. */
int64_t ch_sight_silence(const struct ch_tcp_facts *tcp, int64_t age_ns);

#endif
