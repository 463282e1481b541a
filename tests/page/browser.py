# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium as a test sees it: one page at a time, driven through browser.js."""

import json
import os
import pathlib
import select
import signal
import subprocess

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
            stderr=self._errors,
            env={**os.environ, "NODE_PATH": str(MODULES)},
            start_new_session=True,
        )
        self.version = self._answer(120)

    def close(self):
        self._node.stdin.close()
        try:
            self._node.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._node.pid, signal.SIGKILL)
            self._node.wait()
        self._node.stdout.close()
        self._errors.close()

    def _answer(self, limit):
        # one line answers one request, so nothing waits in the buffer beyond it
        if not select.select([self._node.stdout], [], [], limit)[0]:
            raise BrowserError(f"the browser did not answer within {limit} s, see {SHOTS}/browser.log")
        line = self._node.stdout.readline()
        if not line:
            raise BrowserError(f"the browser has ended, see {SHOTS}/browser.log")
        answer = json.loads(line)
        if "error" in answer:
            raise BrowserError(answer["error"])
        return answer["value"]

    def ask(self, what, limit=90, **given):
        self._node.stdin.write(json.dumps({"what": what, **given}).encode() + b"\n")
        self._node.stdin.flush()
        return self._answer(limit)

    # --- what tests say

    def open(self, url, **options):
        """A fresh context: width, height, scheme=light|dark, script, motion, scale."""
        return self.ask("open", url=url, **options)

    def see(self, url, **options):
        """Opens the page and waits until it has heard from the daemon."""
        self.open(url, **options)
        self.wait("document.documentElement.dataset.turns > 0")
        return self

    def evaluate(self, expression):
        return self.ask("evaluate", expression=expression)

    def wait(self, expression, limit=40):
        return self.ask("wait", expression=expression, limit=limit)

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
