# SPDX-License-Identifier: Apache-2.0
"""Rules that the compiler cannot hold: where a library may be used, how large a file may grow."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["include", "probes", "daemon", "tests"]
SOURCES = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.[ch]")
    if "output" not in path.parts
)
PRODUCT = [path for path in SOURCES if not path.is_relative_to(ROOT / "tests")]

# A library's header, and the files of the product that may include it.
PLACES = {
    r"microhttpd\.h": r"daemon/surface/http[^/]*",
    r"cjson/cJSON\.h": r"daemon/(surface|ctl)/json[^/]*|daemon/engine/target[^/]*",
    r"systemd/sd-bus[^.]*\.h": r"daemon/bus/[^/]*|daemon/ctl/reach_bus\.c",
    r"systemd/.*\.h": r"daemon/.*",
    r"yaml\.h": r"daemon/engine/[^/]*",
    r"ares[^.]*\.h": r"probes/resolve[^/]*",
    r"pcre2\.h": r"probes/expect\.c",
    r"libmnl/.*": r"probes/.*",
    r"zlib\.h": r"daemon/surface/[^/]*",
    r"gnutls/.*": r"daemon/surface/[^/]*",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.MULTILINE)


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("header,place", PLACES.items(), ids=list(PLACES))
def test_library_headers_only_in_their_places(header, place):
    wrong = [
        f"{name_of(path)} includes {included}"
        for path in PRODUCT
        for included in INCLUDE.findall(path.read_text())
        if re.fullmatch(header, included) and not re.fullmatch(place, name_of(path))
    ]
    assert not wrong


def test_no_include_climbs_out_of_its_folder():
    wrong = [
        f"{name_of(path)} includes {included}"
        for path in PRODUCT
        for included in INCLUDE.findall(path.read_text())
        if included.startswith("..")
    ]
    assert not wrong


def test_every_source_names_its_licence():
    wrong = [
        name_of(path)
        for path in SOURCES
        if "SPDX-License-Identifier: Apache-2.0" not in path.read_text().partition("\n")[0]
    ]
    assert not wrong


def test_no_file_grows_beyond_its_bound():
    long = {name_of(path): len(path.read_text().splitlines()) for path in PRODUCT}
    assert {name: lines for name, lines in long.items() if lines > 500} == {}
