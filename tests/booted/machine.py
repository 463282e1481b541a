# SPDX-License-Identifier: Apache-2.0
"""A Debian that systemd has booted, in a container with a network of its own.

The minimal system is made once by debootstrap and kept in CH_BOOTED (default
/var/tmp/connhealth-booted); each machine boots it with its writes kept apart, and is driven from
outside."""

import hashlib
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time

from process import Process

CACHE = pathlib.Path(os.environ.get("CH_BOOTED", "/var/tmp/connhealth-booted"))
# Of the minimal system, besides what the package depends on.
INCLUDE = ["systemd-sysv", "dbus", "curl", "man-db"]
UNUSED_SECONDS = 7 * 86400  # then a minimal system of other packages goes
CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21


class MachineError(Exception):
    """The machine is not what a test needs: no verdict on the product."""


# --- whether machines can be booted here


def _cgroup_roots():
    """Where systemd-nspawn makes the cgroups of what it boots."""
    roots = [pathlib.Path("/sys/fs/cgroup")]
    if not (roots[0] / "cgroup.procs").exists():
        roots = [roots[0] / "systemd", roots[0] / "unified"]
    return [root for root in roots if (root / "cgroup.procs").exists()]


def obstacle():
    """Why no machine can be booted here; None: they can."""
    if os.geteuid() != 0:
        return "booting a machine needs root"
    for tool in ("debootstrap", "systemd-nspawn", "nsenter"):
        if not shutil.which(tool):
            return f"there is no {tool}"
    status = pathlib.Path("/proc/self/status").read_text()
    held = int(re.search(r"^CapEff:\s+(\w+)", status, re.MULTILINE)[1], 16)
    if not (held >> CAP_SYS_ADMIN & 1 and held >> CAP_NET_ADMIN & 1):
        return "this root has no CAP_SYS_ADMIN or no CAP_NET_ADMIN, as in a container"
    roots = _cgroup_roots()
    if not roots or not all(os.access(root, os.W_OK) for root in roots):
        return "/sys/fs/cgroup is not writable, as in a container"
    return None


# --- the minimal system


def dependencies_of(package):
    """The names a package depends on, the first where it leaves a choice."""
    field = subprocess.run(
        ["dpkg-deb", "-f", str(package), "Depends"], check=True, capture_output=True, text=True
    ).stdout
    return [re.match(r"[^ |(]+", one.strip())[0] for one in field.split(",")]


def _mirror():
    """Where this host gets Debian 12 from."""
    result = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
         "Codename: bookworm"],
        check=True, capture_output=True, text=True,
    )
    return result.stdout.split()[:1]


def base_system(packages):
    """The tree of the minimal system with these packages. Made anew when they change."""
    include = ",".join(sorted({*INCLUDE, *packages}))
    base = CACHE / f"base-{hashlib.sha256(include.encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    if base.exists():
        os.utime(base)
        return base
    for stale in CACHE.glob("base-*"):
        if time.time() - stale.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(stale)
    new, log = CACHE / f"new-{os.getpid()}", CACHE / "debootstrap.log"
    with open(log, "wb") as output:
        result = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={include}", "bookworm", str(new),
             *_mirror()],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False,
        )
    if result.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        raise MachineError(f"debootstrap failed: {log.read_text()[-2000:]}")
    for unneeded in ("var/cache/apt/archives", "usr/share/locale", "usr/share/zoneinfo"):
        shutil.rmtree(new / unneeded, ignore_errors=True)
    (new / "var/cache/apt/archives/partial").mkdir(parents=True)
    new.rename(base)
    return base


# --- the machine


class Result:
    """What a command said."""

    def __init__(self, argv, completed):
        self.argv = argv
        self.status = completed.returncode
        self.out = completed.stdout.decode(errors="replace")
        self.err = completed.stderr.decode(errors="replace")

    def __repr__(self):
        return f"{' '.join(self.argv)}: status {self.status}\n{self.out}{self.err}"


class Machine:
    """Boots a tree, which stays as it is: what is written goes to memory. Ends, and leaves
    nothing, with the with-block."""

    def __init__(self, base):
        self.name = f"connhealth-{os.getpid()}-{time.monotonic_ns()}"
        self._base = base
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="machine-", dir=CACHE))
        self._groups = []
        self._nspawn = None
        self.leader = None

    def __enter__(self):
        try:
            self._boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _make_cgroups(self):
        """Of its own, so that machines booted at the same time do not share one. A host that
        systemd has booted gives each a scope."""
        if pathlib.Path("/run/systemd/system").exists():
            return []
        for root in _cgroup_roots():
            group = root / self.name
            group.mkdir()
            self._groups.append(group)
        join = "".join(f"echo 0 >{group}/cgroup.procs; " for group in self._groups)
        return ["sh", "-euc", f'{join}exec "$@"', "sh"]

    def _boot(self):
        """Returns when systemd-nspawn passes on that the machine's systemd is ready."""
        prefix = self._make_cgroups()
        path = self._directory / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            self._nspawn = Process(
                ["systemd-nspawn", "-q", "-D", self._base, "--volatile=overlay", "--boot", "--private-network",
                 "--register=no", *(["--keep-unit"] if prefix else []), "--console=pipe",
                 "--notify-ready=yes", "--resolv-conf=off", "--timezone=off",
                 f"--machine={self.name}"],
                prefix=prefix,
                environment={**os.environ, "NOTIFY_SOCKET": str(path)},
            )
            self._await_ready(notify)
        result = self.run("systemctl", "is-system-running", "--wait", timeout=180)
        if result.out.strip() != "running":
            raise MachineError(repr(self.run("systemctl", "list-units", "--failed")))

    def _await_ready(self, notify):
        deadline = time.monotonic() + 120
        ready = False
        while not (ready and self.leader):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([notify], [], [], min(left, 1))[0]:
                if left <= 0 or not self._nspawn.running():
                    raise MachineError(f"the machine does not boot: {self._nspawn.text}")
                continue
            said = notify.recv(4096).decode().splitlines()
            ready |= "READY=1" in said
            for line in said:
                if line.startswith("X_NSPAWN_LEADER_PID="):
                    self.leader = int(line.partition("=")[2])

    def close(self):
        if self._nspawn:
            self._nspawn.close()
            self._nspawn = None
        for group in self._groups:
            for path, _, _ in sorted(os.walk(group), reverse=True):
                _remove_cgroup(path)
        self._groups = []
        shutil.rmtree(self._directory, ignore_errors=True)

    # --- inside

    def argv(self, *command, network_only=False):
        """The command line that runs a command inside; or here, in the machine's network."""
        where = ["-n"] if network_only else ["-a"]
        return ["nsenter", "-t", str(self.leader), *where, "--", *map(str, command)]

    def run(self, *command, timeout=60, text=None):
        argv = self.argv(*command)
        completed = subprocess.run(
            argv,
            input=text.encode() if text else b"",
            capture_output=True,
            timeout=timeout,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "PAGER": "cat",
                 "HOME": "/root", "TERM": "dumb", "SYSTEMD_COLORS": "0",
                 "DEBIAN_FRONTEND": "noninteractive"},
        )
        return Result([str(word) for word in command], completed)

    def ok(self, *command, **more):
        """Runs a command that must succeed; its output."""
        result = self.run(*command, **more)
        assert result.status == 0, result
        return result.out

    @property
    def tree(self):
        return pathlib.Path(f"/proc/{self.leader}/root")

    def path(self, inside):
        return self.tree / str(inside).lstrip("/")

    def write(self, inside, text, mode=0o644):
        """A file, put in place whole."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        new.chmod(mode)
        new.rename(path)

    def show(self, unit, *properties):
        """Properties of a unit, as systemctl has them."""
        text = self.ok("systemctl", "show", unit, "--property", ",".join(properties))
        return dict(line.split("=", 1) for line in text.splitlines())

    def journal(self, *arguments):
        """All that was logged before the question: journald takes it up in its own time."""
        self.ok("journalctl", "--sync")
        return self.ok("journalctl", "--no-pager", "--boot", "-o", "cat", *arguments)


def _remove_cgroup(path):
    """The kernel may still be busy with the last process's exit."""
    deadline = time.monotonic() + 10
    while True:
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
