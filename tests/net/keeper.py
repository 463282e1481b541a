# SPDX-License-Identifier: Apache-2.0
"""The one process that is a network namespace of the tests.

Started by net.Namespace. It makes a network, a mount and a process namespace,
is process 1 of the latter, and forks on request what shall run inside. The
namespaces have no name anywhere: when this process goes (told so, killed, or
because the test process is gone and its end of the control socket with it), the
kernel ends every process in here, and with the last one the interfaces, routes
and rules. Nothing is left to be cleaned up.

Requests and answers are JSON on a SOCK_SEQPACKET socket, with descriptors
beside them.
"""

import importlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
import traceback

import linux


def _fork(work, control, keep):
    """Forks work(); everything of the keeper's own is closed in the child."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        linux.die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        status = work(*keep) or 0
    except BaseException:  # whatever it is, this process must not go on as a second keeper
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


class Keeper:
    def __init__(self, control):
        self.control = control
        self.statuses = {}

    def ask_spawn(self, fds, function, arguments):
        """Forks a Python function of this directory; fds[0] is its end of its own channel."""
        module, _, name = function.partition(":")
        run = getattr(importlib.import_module(module), name)

        def work(channel):
            return run(socket.socket(fileno=channel), **arguments)

        return self._started(_fork(work, self.control, fds[:1]))

    def ask_execute(self, fds, argv, environment):
        """fds: standard output and standard error of the program."""
        def work(out, err):
            os.dup2(out, 1)
            os.dup2(err, 2)
            os.execvpe(argv[0], argv, {**os.environ, **environment})

        return self._started(_fork(work, self.control, fds[:2]))

    def _started(self, pid):
        return {"pid": pid}, [os.pidfd_open(pid)]

    def ask_namespace(self, fds):
        return {}, [os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)]

    def ask_write(self, fds, path, text):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return {}, []

    def ask_bind(self, fds, source, target):
        linux.mount(source, target, None, linux.MS_BIND)
        return {}, []

    def ask_limit(self, fds, pid, descriptors):
        _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors, most))
        return {}, []

    def ask_status(self, fds, pid):
        self.reap()
        return {"status": self.statuses.get(pid)}, []

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.statuses[pid] = os.waitstatus_to_exitcode(status)

    def serve(self):
        wake_read, wake_write = socket.socketpair()
        wake_read.setblocking(False)
        wake_write.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        selector = selectors.DefaultSelector()
        selector.register(self.control, selectors.EVENT_READ)
        selector.register(wake_read, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is wake_read:
                    wake_read.recv(4096)
                    self.reap()
                elif not self.answer():
                    return

    def answer(self):
        message, fds, _, _ = socket.recv_fds(self.control, 1 << 16, 8)
        if not message:
            return False
        request = json.loads(message)
        back = []
        try:
            reply, back = getattr(self, "ask_" + request.pop("ask"))(fds, **request)
        except Exception as error:
            reply = {"error": "".join(traceback.format_exception(error))}
        for fd in fds:
            os.close(fd)
        try:
            socket.send_fds(self.control, [json.dumps(reply).encode()], back)
        finally:
            for fd in back:
                os.close(fd)
        return True


def main():
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    linux.unshare(linux.CLONE_NEWNET | linux.CLONE_NEWNS | linux.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        control.close()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.waitpid(pid, 0)
        return
    linux.die_with_parent()
    os.setsid()  # a ^C at the terminal is for the tests, which then end us in order
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("proc", "/proc", "proc")
    linux.mount("sysfs", "/sys", "sysfs")
    for module in sys.argv[2:]:
        importlib.import_module(module)  # once here, not in each child
    Keeper(control).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
