# SPDX-License-Identifier: Apache-2.0
"""The pictures of README.md, made from what really happens; tests/page/pictures renews them."""

import contextlib
import html
import os
import pathlib
import pty
import re
import socket
import subprocess

import pytest

from browser import SHOTS
from daemon import CTL, Daemon, unused_port
from fleet import Server, answering, ending, group, hung

PLACE = pathlib.Path(os.environ.get("CH_PICTURES", SHOTS)).absolute()
REDIS = {"send": "PING\r\n", "expect": "^\\+PONG"}


def usual_port():
    """The daemon's own, if nobody has it."""
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", 10337))
            return 10337
        except OSError:
            return unused_port()


@pytest.fixture
def incident(tmp_path):
    """(daemon, url) some seconds into an incident: a node of the cache flaps, another loads, two
    nodes of billing are gone, one of the queue hangs and one closes what it accepts."""
    with contextlib.ExitStack() as ends:
        port = usual_port()

        def serve(serves, address, port):
            server = Server(serves, port, address)
            ends.callback(server.close)
            return server

        pong = answering(b"+PONG\r\n")
        serve(pong, "127.0.10.11", 6379)
        flapping = serve(pong, "127.0.10.12", 6379)
        serve(answering(b"-LOADING Redis is loading the dataset in memory\r\n"), "127.0.10.13", 6379)
        billing = [serve(pong, f"127.0.20.{i}", 8443) for i in (11, 12, 13)]
        serve(hung, "127.0.30.11", 5672)
        serve(pong, "127.0.30.12", 5672)
        serve(ending, "127.0.30.13", 5672)
        daemon = Daemon(tmp_path, {"groups": [
            group("cache", [f"127.0.10.{i}:6379" for i in (11, 12, 13)], "1s",
                  {"team": "storage"}, heartbeat=dict(REDIS)),
            group("billing", [f"127.0.20.{i}:8443" for i in (11, 12, 13)], "1s",
                  {"team": "payments"}, connect={}),
            group("queue", [f"127.0.30.{i}:5672" for i in (11, 12, 13)], "1s",
                  heartbeat=dict(REDIS)),
        ]}, listen=f"127.0.0.1:{port}")
        ends.callback(daemon.close)
        daemon.start()

        def running_for(seconds):
            daemon.wait(lambda: daemon.json("/api/v1/status")["uptime_seconds"] > seconds, 30)

        for begin, end in ((3, 4.5), (7, 7.5), (11, 13)):
            running_for(begin)
            flapping.close()
            daemon.wait_failure("heartbeat", target="127.0.10.12:6379", category="refused")
            running_for(end)
            flapping = serve(pong, "127.0.10.12", 6379)
            daemon.wait_success("heartbeat", target="127.0.10.12:6379")
        for server in billing[1:]:
            server.close()
        daemon.wait_failure("connect", target="127.0.20.13:8443")
        running_for(16)
        flapping.close()
        daemon.wait_failure("heartbeat", target="127.0.10.12:6379", category="refused")
        running_for(19)
        yield daemon, f"http://127.0.0.1:{port}/"


def test_picture_of_the_status_page(incident, browser):  # the daemon outlives the page
    _, url = incident
    browser.see(url, width=1280, height=860)
    browser.wait_text("#headline", "6 of 9 probes fail")
    PLACE.mkdir(parents=True, exist_ok=True)
    browser.ask("shot", file=str(PLACE / "status-page.png"))
    assert (PLACE / "status-page.png").stat().st_size < 300_000


# --- a terminal

COLOURS = {31: "#ff8f80", 32: "#74cdb2", 33: "#e9b650", 34: "#8bb8f5", 35: "#d3a6f0", 36: "#6fc7d8",
           90: "#98a1ae"}


def terminal(*command):
    """What a person sees who runs it in a terminal of 88 columns."""
    control, screen = pty.openpty()
    process = subprocess.Popen(
        list(map(str, command)), stdin=screen, stdout=screen, stderr=screen,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "88"})
    os.close(screen)
    text = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed (pty(7))
        while part := os.read(control, 65536):
            text += part
    os.close(control)
    process.wait(30)
    return text.decode().replace("\r\n", "\n")


def as_html(text):
    """Escaped, and with the colours that it has (ECMA-48, SGR)."""
    parts, style = [], ""
    for piece in re.split(r"(\x1b\[[0-9;]*m)", text):
        found = re.fullmatch(r"\x1b\[([0-9;]*)m", piece)
        if not found:
            parts.append(f'<span style="{style}">{html.escape(piece)}</span>')
            continue
        for code in [int(code or 0) for code in found[1].split(";")]:
            if code == 0:
                style = ""
            elif code == 1:
                style += "font-weight:700;"
            elif code in (2, 90):
                style += "color:#98a1ae;"
            elif code in COLOURS:
                style += f"color:{COLOURS[code]};"
    return "".join(parts)


TERMINAL = """<!DOCTYPE html><style>
body {{ margin: 0; background: #fff; }}
#shot {{ display: inline-block; padding: 0 26px 22px; border-radius: 10px; background: #12161d; color: #dfe4ea; }}
p {{ margin: 0 -26px 18px; padding: 9px 16px; border-bottom: 1px solid #262c36; color: #98a1ae;
     font: 13px Inter, sans-serif; text-align: center; }}
pre {{ margin: 0; font: 14px/1.45 "DejaVu Sans Mono", monospace; }}
b {{ color: #74cdb2; }}
</style><div id="shot"><p>{title}</p><pre>{text}</pre></div>"""


def test_picture_of_a_terminal(browser):
    server = Server(hung, address="127.0.30.11", port=5672)
    try:
        arguments = ["probe", server.address, "--probe=heartbeat", "--timeout=1s",
                     "--send=PING\\r\\n", "--expect=^\\+PONG"]
        text = terminal(CTL, *arguments)
    finally:
        server.close()
    assert "application_hung" in text and "proof" in text
    shown = " ".join(f"'{word}'" if "\\" in word else word for word in arguments)
    page = TERMINAL.format(title="connhealthctl", text=f"<b>$</b> connhealthctl {html.escape(shown)}\n{as_html(text)}")
    PLACE.mkdir(parents=True, exist_ok=True)
    browser.ask("content", html=page, width=1100, height=900, file=str(PLACE / "terminal.png"))
    assert (PLACE / "terminal.png").stat().st_size < 300_000
