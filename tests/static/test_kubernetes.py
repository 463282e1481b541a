# SPDX-License-Identifier: Apache-2.0
"""The DaemonSet and the image: as little allowed as the unit allows, and nothing that is misspelt."""

import os
import pathlib
import re
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CH_BUILD", ROOT / "build/release"))
DAEMON = BUILD / "daemon/connhealthd"
OBJECTS = list(yaml.safe_load_all((ROOT / "deploy/kubernetes/daemonset.yaml").read_text()))
DOCKERFILE = (ROOT / "deploy/container/Dockerfile").read_text()


def only(kind):
    (found,) = [one for one in OBJECTS if one["kind"] == kind]
    return found


POD = only("DaemonSet")["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


def test_objects_are_in_one_namespace_and_the_selector_finds_the_pods():
    namespace = only("Namespace")["metadata"]["name"]
    assert {one["metadata"].get("namespace", namespace) for one in OBJECTS} == {namespace}
    assert [one["apiVersion"] for one in OBJECTS] == ["v1", "v1", "apps/v1"]
    wanted = only("DaemonSet")["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= POD["metadata"]["labels"].items()


def test_the_pod_sees_the_nodes_network_and_may_do_nothing():
    assert POD["spec"]["hostNetwork"] is True
    assert POD["spec"]["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert POD["spec"]["automountServiceAccountToken"] is False
    assert POD["spec"]["securityContext"]["runAsNonRoot"] is True
    assert POD["spec"]["securityContext"]["runAsUser"] > 0
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_every_volume_is_there_and_read_only():
    volumes = {one["name"] for one in POD["spec"]["volumes"]}
    assert {one["name"] for one in CONTAINER["volumeMounts"]} == volumes
    assert all(one["readOnly"] is True for one in CONTAINER["volumeMounts"])
    configuration = next(one for one in POD["spec"]["volumes"] if one["name"] == "configuration")
    assert configuration["configMap"]["name"] == only("ConfigMap")["metadata"]["name"]


@pytest.mark.parametrize("probe,path", [("startupProbe", "/-/ready"), ("readinessProbe", "/-/ready"),
                                        ("livenessProbe", "/-/healthy")])
def test_the_probes_ask_the_daemon(probe, path):
    (port,) = CONTAINER["ports"]
    assert CONTAINER[probe]["httpGet"] == {"path": path, "port": port["name"]}
    assert port["containerPort"] == port["hostPort"] == 10337
    assert path in (ROOT / "README.md").read_text()


def test_the_daemon_takes_its_flags_and_its_configuration(tmp_path):
    data = only("ConfigMap")["data"]
    for name, text in data.items():
        (tmp_path / name).write_text(text)
    mount = next(one for one in CONTAINER["volumeMounts"] if one["name"] == "configuration")
    flags = [flag.replace(mount["mountPath"], str(tmp_path)) for flag in CONTAINER["args"]]
    result = subprocess.run([DAEMON, *flags, "--config.check"], capture_output=True, text=True,
                            check=False)
    assert (result.returncode, result.stdout) == (0, "OK: 1 group, 1 target\n"), result.stderr


def test_the_image_has_the_libraries_that_the_programs_need():
    """The packages of the libraries that the linker wrote down, of this Debian's own record."""
    installed = set(re.findall(r"\b(?:lib|zlib)[a-z0-9.-]+", DOCKERFILE.partition("--no-install")[2]
                               .partition("&& rm")[0]))
    needed = set()
    for program in ("connhealthd", "connhealthctl"):
        headers = subprocess.run(["readelf", "-d", BUILD / "daemon" / program], check=True,
                                 capture_output=True, text=True).stdout
        for library in re.findall(r"\(NEEDED\).*\[(.*)\]", headers):
            owner = subprocess.run(["dpkg-query", "-S", f"*/{library}"], check=True,
                                   capture_output=True, text=True).stdout
            needed.add(owner.partition(":")[0])
    assert needed - {"libc6"} <= installed


def test_the_image_is_made_of_sources_alone():
    """A build directory of the host cannot be continued in the image: cmake refuses it."""
    def entries(name):
        lines = (ROOT / name).read_text().splitlines()
        return {line.strip("/").removeprefix("**/") for line in lines if not line.startswith("#")}
    assert entries(".gitignore") | {".git"} <= entries(".dockerignore")
