/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration with every kind of probe and with labels that need care. */
#ifndef CH_TEST_SYNTHETIC_YAML_H
#define CH_TEST_SYNTHETIC_YAML_H

static const char synthetic_golden_yaml[] =
    "global: {interval: 15s, timeout: 2500ms}\n"
    "groups:\n"
    "  - name: redis\n"
    "    connect: {}\n"
    "    heartbeat: {send: \"PING\\r\\n\", expect: \"^\\\\+PONG\", interval: 3s}\n"
    "    keepalive: {}\n"
    "    static_configs:\n"
    "      - targets: [\"10.0.0.1:6379\"]\n"
    "        labels: {team: storage}\n"
    "  - name: \"it's \\\"quoted\\\" \\\\ <b>\\u2603</b>\"\n"
    "    transport: udp\n"
    "    heartbeat: {}\n"
    "    static_configs:\n"
    "      - targets: [\"[2001:db8::7]:10338\", \"cache.example.net:10338\"]\n"
    "        labels: {city: \"Z\\u00fcrich\", path: \"C:\\\\dir\\nnew \\\"line\\\"\"}\n";

#endif
