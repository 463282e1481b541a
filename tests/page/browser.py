# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium as a test sees it: one page at a time, driven through browser.js."""

import json
import os
import pathlib
import select
import signal
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
OUTPUT = HERE.parent / "output"
MODULES = OUTPUT / "browser/node_modules"
SHOTS = OUTPUT / "page"


class BrowserError(AssertionError):
    """What a request to the browser failed with."""


class Browser:
    """Ends with close(), and with the test run: setpriv(1) kills it with its parent, and Chromium
    ends with the pipe to it."""

    def __init__(self):
        SHOTS.mkdir(parents=True, exist_ok=True)
        self._errors = open(SHOTS / "browser.log", "ab")
        self._node = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "node", HERE / "browser.js"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            stderr=self._errors,
            env={**os.environ, "NODE_PATH": str(MODULES)},
            start_new_session=True,
        )
        self._asked = 0
        self._rest = b""
        self.version = self._line(120)["version"]

    def close(self):
        self._node.stdin.close()
        try:
            self._node.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._node.pid, signal.SIGKILL)
            self._node.wait()
        self._node.stdout.close()
        self._errors.close()

    def _line(self, limit):
        """The next whole line of browser.js."""
        deadline = time.monotonic() + limit
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._node.stdout], [], [], left)[0]:
                raise BrowserError(f"the browser did not answer within {limit} s")
            part = os.read(self._node.stdout.fileno(), 65536)
            if not part:
                raise BrowserError(f"the browser has ended, see {SHOTS}/browser.log")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def ask(self, what, patience=90, **given):
        self._asked += 1
        request = {"number": self._asked, "what": what, **given}
        self._node.stdin.write(json.dumps(request).encode() + b"\n")
        self._node.stdin.flush()
        answer = self._line(patience)
        while answer["number"] != self._asked:  # of one that was given up
            answer = self._line(patience)
        if "error" in answer:
            raise BrowserError(answer["error"])
        return answer["value"]

    # --- what tests say

    def open(self, url, **options):
        """A fresh context: width, height, scheme=light|dark, script, motion, scale."""
        return self.ask("open", url=url, **options)

    def see(self, url, **options):
        """Opens the page and waits until it has heard from the daemon."""
        self.open(url, **options)
        self.wait("document.querySelector('#live.live') !== null")
        return self

    def evaluate(self, expression):
        return self.ask("evaluate", expression=expression)

    def wait(self, expression, limit=40):
        return self.ask("wait", patience=limit + 60, expression=expression, limit=limit)

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? null")

    def wait_text(self, selector, part, limit=40):
        return self.wait(
            f"(document.querySelector({json.dumps(selector)})?.innerText ?? '')"
            f".includes({json.dumps(part)})", limit)

    def click(self, selector):
        self.ask("click", selector=selector)

    def fill(self, selector, text):
        self.ask("fill", selector=selector, text=text)

    def choose(self, selector, value):
        self.ask("choose", selector=selector, value=value)

    def press(self, *keys):
        for key in keys:
            self.ask("press", key=key)

    def shot(self, name, **options):
        self.ask("shot", file=str(SHOTS / f"{name}.png"), **options)

    def problems(self):
        return self.ask("problems")

    def axe(self):
        return self.ask("axe")
