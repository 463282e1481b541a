# SPDX-License-Identifier: Apache-2.0
"""deploy/connhealthd.schema.json against what the daemon itself says: the same keys, ranges and
defaults as its tables, and the same verdict on the examples of the unit tests."""

import json
import re
import subprocess

import jsonschema
import pytest
import yaml

from daemon import BUILD, ROOT

EXAMPLES = ROOT / "tests/unit/data/config"
SCHEMA = json.loads((ROOT / "deploy/connhealthd.schema.json").read_text())
KEYS = json.loads(
    subprocess.run([BUILD / "tests/unit/config-keys"], check=True, capture_output=True).stdout
)

# What the schema lets pass and the daemon refuses, and why it cannot be said there.
BEYOND_A_SCHEMA = {
    "alias-key": "aliases are gone when YAML has become data",
    "anchors": "anchors and aliases are gone when YAML has become data",
    "ascending": "a comparison of neighbours",
    "group-names-repeated": "a comparison between elements of a list",
    "listen-overlap": "a comparison between elements of a list",
    "listen-scope": "the interfaces of this host",
    "peers-networks": "what the bits of an address say",
    "range-of-durations": "a range over a text",
    "regex": "whether a regular expression is one",
    "repeated-key": "repeated keys are gone when YAML has become data",
    "timeout": "a comparison of two values",
}
# What a YAML reader refuses already, so that no schema comes to see it.
NOT_YAML = {
    "complex-key",
    "control",
    "not-utf8",
    "syntax",
    "syntax-tab",
    "syntax-unclosed",
    "tags",
    "two-documents",
}


class CoreLoader(yaml.SafeLoader):
    """Scalars as in YAML 1.2's core schema, as editors read them (PyYAML's are those of 1.1, where
    `yes` is a boolean and `5:30` a number)."""

    yaml_implicit_resolvers = {}


for tag, pattern, first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$", list("-+.0123456789")),
):
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)


def examples(folder):
    paths = sorted((EXAMPLES / folder).glob("*.yml"))
    assert len(paths) > 10
    return [pytest.param(path, id=path.stem) for path in paths]


def refusal(text):
    """What the schema has against it; None: nothing."""
    validator = jsonschema.Draft7Validator(SCHEMA)
    errors = validator.iter_errors(yaml.load(text, CoreLoader))
    return "\n".join(f"{list(error.absolute_path)}: {error.message}" for error in errors) or None


def test_the_schema_is_one():
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", examples("valid"))
def test_valid_examples_are_accepted(path):
    assert refusal(path.read_text()) is None


@pytest.mark.parametrize("name", ["connhealthd.yml", "quickstart.yml"])
def test_what_is_shipped_is_accepted(name):
    assert refusal((ROOT / "deploy" / name).read_text()) is None


@pytest.mark.parametrize("path", examples("invalid"))
def test_invalid_examples_are_refused_but_for_those_listed(path):
    if path.stem in NOT_YAML:
        with pytest.raises((yaml.YAMLError, UnicodeDecodeError, TypeError)):
            refusal(path.read_bytes())
    elif path.stem in BEYOND_A_SCHEMA:
        assert refusal(path.read_text()) is None
    else:
        assert refusal(path.read_text()) is not None


def test_the_lists_name_examples():
    stems = {path.stem for path in (EXAMPLES / "invalid").glob("*.yml")}
    assert set(BEYOND_A_SCHEMA) | NOT_YAML <= stems


# --- the tables


def schema_keys(node, prefix=""):
    """Path to subschema, paths written as config-keys writes them."""
    found = {}
    for key, below in node.get("properties", {}).items():
        path = f"{prefix}.{key}" if prefix else key
        found[path] = below
        found.update(schema_keys(below, path))
        if "properties" in below.get("items", {}):
            found.update(schema_keys(below["items"], path + "[]"))
    return found


def test_the_keys_are_the_tables_keys():
    assert set(schema_keys(SCHEMA)) == set(KEYS)


@pytest.mark.parametrize("path", KEYS)
def test_a_key_is_described_as_in_its_table(path):
    row, below = KEYS[path], schema_keys(SCHEMA)[path]
    assert below["description"] == row["help"]
    default = row.get("default")
    if row["type"] in ("uint", "bool") and default is not None:
        default = json.loads(default)
    assert below.get("default") == default
    if row["type"] == "uint":
        assert (below["type"], below["minimum"], below["maximum"]) == (
            "integer",
            row["min"],
            row["max"],
        )
    elif row["type"] == "bool":
        assert below["type"] == "boolean"
    elif row["type"] == "choice":
        assert below["enum"] == row["choices"]
    elif row["type"] in ("duration", "hex"):
        assert below["allOf"] == [{"$ref": f"#/definitions/{row['type']}"}]
    elif row["type"] == "durations":
        assert below["items"] == {"$ref": "#/definitions/duration"}
    elif row["type"] == "text":
        assert (below["minLength"], below["maxLength"]) == (row["min"], row["max"])
    elif row["type"] == "list":
        assert "array" in below["type"]


def test_the_commented_examples_of_the_shipped_configuration_are_valid(tmp_path):
    """Each commented key of deploy/connhealthd.yml, with its # taken away."""
    text = (ROOT / "deploy/connhealthd.yml").read_text()
    head, body = text.split("\nglobal:", 1)
    body = re.sub(r"^( *)# (?=( *)(- )?([a-z_]+:|\[))", r"\1", "global:" + body, flags=re.MULTILINE)
    data = yaml.load(body, CoreLoader)
    assert [group["name"] for group in data["groups"]] == ["redis", "ssh", "dns", "hosts"]
    assert data["responder"]["listen"] and data["sockets"]["peers"] and data["web"]
    assert refusal(body) is None
