# SPDX-License-Identifier: Apache-2.0
"""Dependencies run downward only, and the build enforces it: a header of a higher floor is not
reachable from a lower one. Each check compiles a line with the very flags of a file of that floor,
first one that must compile, so that a broken command cannot pass for an enforced rule."""

import json
import os
import pathlib
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CH_BUILD", ROOT / "build/release"))

# floor: a directory whose files stand for it, headers it may reach, headers it may not
FLOORS = {
    "diagnosis": (
        "probes/diagnosis",
        ["connhealth/outcome.h"],
        ["record.h", "engine/record.h", "config.h", "state.h", "generation.h"],
    ),
    "probes": (
        "probes",
        ["connhealth/probe.h"],
        ["record.h", "engine/record.h", "config.h", "log.h", "state.h", "generation.h"],
    ),
    "engine": (
        "daemon/engine",
        ["connhealth/probe.h", "record.h"],
        ["surface/http.h", "http.h", "json.h", "exposition.h", "diagnosis/rules.h", "heap.h"],
    ),
    "surface": (
        "daemon/surface",
        ["connhealth/outcome.h", "state.h"],
        ["diagnosis/rules.h", "heap.h", "main.h"],
    ),
    "bus": (
        "daemon/bus",
        ["json.h", "prober.h"],
        ["diagnosis/rules.h", "heap.h", "service.h"],
    ),
}


def command_of(directory):
    """The compiler call of one source file that lies in directory, without the file and output."""
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if path.parent == ROOT / directory:
            words = shlex.split(entry["command"])
            words = words[: words.index("-o")]
            return words, entry["directory"]
    pytest.fail(f"no file of {directory} is in the build")


def compile_include(directory, header):
    words, cwd = command_of(directory)
    return subprocess.run(
        [*words, "-fsyntax-only", "-x", "c", "-"],
        input=f'#include "{header}"\nextern int nothing;\n',
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def pairs(column):
    return [
        pytest.param(floor[0], header, id=f"{name}-{header}")
        for name, floor in FLOORS.items()
        if (ROOT / floor[0]).is_dir()
        for header in floor[column]
    ]


@pytest.mark.parametrize("directory,header", pairs(1))
def test_own_and_lower_headers_compile(directory, header):
    result = compile_include(directory, header)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("directory,header", pairs(2))
def test_forbidden_headers_do_not_compile(directory, header):
    result = compile_include(directory, header)
    assert result.returncode != 0
    assert "No such file or directory" in result.stderr


@pytest.mark.parametrize(
    "header", sorted((ROOT / "include").rglob("*.h")), ids=lambda path: path.name
)
def test_each_contract_stands_alone(header):
    result = subprocess.run(
        ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
         f"-I{ROOT / 'include'}", "-x", "c", "-"],
        input=f'#include "{header.relative_to(ROOT / "include")}"\nextern int nothing;\n',
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
