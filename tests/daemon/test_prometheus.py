# SPDX-License-Identifier: Apache-2.0
"""What Prometheus itself makes of /metrics."""

import subprocess

import pytest

from daemon import unused_port
from process import poll_until
from real_servers import Prometheus, Redis, program
from test_servers import ALL, PING, tcp_group


TYPES = ("gauge", "counter", "histogram", "summary", "info")


def promtool(text):
    return subprocess.run([program("promtool"), "check", "metrics"], input=text,
                          capture_output=True, check=False, timeout=60)


def test_promtool_finds_nothing_to_say(daemon, redis):
    watcher = daemon(tcp_group(redis, PING))
    for probe in ALL:
        watcher.wait_success(probe)
    redis.kill()
    for probe in ALL:
        watcher.wait_failure(probe, category="refused")
    checked = promtool(watcher.get("/metrics").body)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.fixture
def scraped(daemon, server):
    """A daemon that watches a redis, and the Prometheus that scrapes it."""
    service = server(Redis)
    address = f"127.0.0.1:{unused_port()}"
    watcher = daemon(tcp_group(service, PING), listen=address)
    for probe in ALL:
        watcher.wait_success(probe)
    return service, server(Prometheus, [address]), watcher


def test_prometheus_scrapes_and_sees_a_failure(scraped):
    service, prometheus, _ = scraped
    series = f'{{group="service",target="{service.address}",%s}}'

    def value(expression):
        found = prometheus.query(expression)
        return found[0][1] if found else None

    def wait(expression, wanted, what):
        poll_until(lambda: value(expression) == wanted, 60, what, every=0.2)

    wait("up", 1, "the scrape succeeds")
    wait('count(connhealth_probe_success{group="service"} == 1)', 3, "three probes succeed")
    # a scrape that a busy machine makes late fails, and tells nothing: the next one does
    wait("scrape_samples_post_metric_relabeling > bool 50", 1, "there are many samples")
    # every category that the kind can meet is there at 0, so that the first failure is an increase
    wait("min(connhealth_probe_failures_total)", 0, "nothing has failed in some category")
    refused = "connhealth_probe_failures_total" + series % 'probe="connect",category="refused"'
    wait(refused, 0, "nothing was refused")

    service.kill()
    wait("count(connhealth_probe_success == 0)", 3, "three probes fail")
    poll_until(lambda: value(f"increase({refused}[30s])"), 60, "the failures increase", every=0.2)
    causes = "connhealth_probe_causes_total" + series % 'probe="heartbeat",category="eof"'
    found = poll_until(lambda: prometheus.query(causes), 60, "the cause is counted", every=0.2)
    labels = found[0][0]
    assert (labels["wire"], labels["cause"]) == ("fin", "process_gone")
    quantile = "histogram_quantile(0.99, sum by (le) (rate(connhealth_probe_duration_seconds_bucket[1m])))"
    poll_until(lambda: value(quantile), 60, "durations make a quantile", every=0.2)


def test_prometheus_knows_every_type_and_help(scraped):
    _, prometheus, watcher = scraped
    poll_until(lambda: prometheus.query("up == 1"), 60, "the scrape succeeds", every=0.2)
    known = {row["metric"]: row for row in prometheus.get("/api/v1/targets/metadata")}
    ours = {name for name in known if name.startswith("connhealth_")}
    assert "connhealth_probe_success" in ours
    for name in ours:
        assert known[name]["help"] and known[name]["type"] in TYPES
    assert watcher.process.running()
