# SPDX-License-Identifier: Apache-2.0
"""A name with external linkage has one definition. The linker says so only if it takes both files
in; of two members of static libraries it silently takes whichever it meets first."""

import collections
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CH_BUILD", ROOT / "build/release"))
PROGRAMS = ("daemon/CMakeFiles/connhealthd.dir", "daemon/ctl/CMakeFiles/connhealthctl.dir")
DEFINITIONS = "BDRT"  # of nm(1): data, code and constants; weak ones may be repeated


def definitions(path):
    """(symbol, file) of each external definition in an object or a library."""
    listing = subprocess.run(["nm", "-A", "-P", "--extern-only", "--defined-only", path],
                             capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        where, symbol, kind = line.split()[:3]
        if kind in DEFINITIONS:
            yield symbol, where.rstrip(":")


def test_nothing_is_defined_twice_in_a_program():
    libraries = [path for floor in ("daemon", "probes") for path in (BUILD / floor).rglob("*.a")]
    assert libraries, f"no libraries in {BUILD}"
    for program in PROGRAMS:
        objects = list((BUILD / program).rglob("*.o"))
        assert objects, f"{program} has no objects"
        found = collections.defaultdict(set)
        for path in libraries + objects:
            for symbol, where in definitions(path):
                found[symbol].add(where)
        assert "main" in found and len(found) > 100, "nm did not see the program"
        twice = {symbol: sorted(files) for symbol, files in found.items() if len(files) > 1}
        assert not twice, f"{program}: {twice}"
