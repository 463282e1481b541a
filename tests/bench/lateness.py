#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How late the prober serves its deadlines while the host's sockets are swept, and while not.

lateness.py PROGRAM SERVER TARGETS SECONDS: to be run where the sockets are (sweep SOCKETS run …).
Takes turns, with sweeps each second and without any, and prints one line of JSON: for each the part
of the deadlines that were served within each bound."""

import collections
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scale  # noqa: E402  (beside this file)

TURNS = 3
SETTINGS = {"without": "{enabled: false}", "with": "{interval: 1s}"}


def served(program, port, targets, seconds, sockets):
    """{bound: how many deadlines were served within it}"""
    with tempfile.TemporaryDirectory() as directory, \
            scale.Daemon(program, scale.addresses(targets, port), directory, sockets) as daemon:
        time.sleep(scale.INTERVAL_SECONDS)  # each target had its first turn
        before = scale.Scrape(daemon).lag
        time.sleep(seconds)
        after = scale.Scrape(daemon).lag
        if scale.failing(daemon):
            raise scale.Failed("targets failed")
    return {bound: after[bound] - before[bound] for bound in after}


def main():
    program, server, targets, seconds = *sys.argv[1:3], *map(int, sys.argv[3:5])
    port = scale.free_port()
    found = {name: collections.Counter() for name in SETTINGS}
    with subprocess.Popen([server, str(port)], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            for _ in range(TURNS):
                for name, sockets in SETTINGS.items():
                    found[name].update(served(program, port, targets, seconds, sockets))
        finally:
            process.terminate()
    print(json.dumps({name: {bound: counts[bound] / counts["count"] for bound in counts
                             if bound != "count"} for name, counts in found.items()}))


if __name__ == "__main__":
    try:
        main()
    except (scale.Failed, OSError) as reason:
        sys.exit(f"lateness: {reason}")
