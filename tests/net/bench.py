# SPDX-License-Identifier: Apache-2.0
"""One connhealthd, its name server, and the trials that run against it."""

import collections
import contextlib
import json
import pathlib
import signal
import threading
import time

import faults
import matrix
import net as network
from inside import Findings, InsideDaemon, Verdict, verdict_of

SETTLE = 3.5  # after the first failure: what else is said of it, in at least one more attempt
WATCH = 6.0  # how long a target that shall stay healthy is watched


class Result:
    def __init__(self, case, problem=None, told=(), evidence=()):
        self.case = case
        self.problem = problem
        self.told = list(told)
        self.evidence = list(evidence)

    def explain(self):
        first = {}  # the first of each verdict
        for event in self.evidence:
            first.setdefault(verdict_of(event), event)
        return "\n".join(
            [f"{self.case.name}: {self.problem}",
             *(f"  expected  {said(verdict)}" for verdict in self.case.expect or [None]),
             *(f"  then only {said(verdict)}" for verdict in self.case.then),
             *(f"  told      {said(verdict)}" for verdict in self.told),
             *(f"  {json.dumps(event)}" for event in first.values())])


def said(verdict):
    if verdict is None:
        return "nothing"
    return " ".join(map(str, verdict[:-1])) + (", proof" if verdict.certain else ", inference")


class Bench:
    def __init__(self, net, directory, **options):
        self.net = net
        self.directory = pathlib.Path(directory)
        self.stack = contextlib.ExitStack()
        self._lock = threading.Lock()
        try:
            self._set_up(options)
        except BaseException:
            self.stack.close()
            raise

    def _set_up(self, options):
        (self.directory / "targets").mkdir(parents=True)
        resolv = self.directory / "resolv.conf"
        resolv.write_text(f"nameserver {network.ROUTER[4]}\noptions timeout:1 attempts:1\n")
        self.net.client.ask("bind", source=str(resolv), target="/etc/resolv.conf")
        self.name_server = self.stack.enter_context(
            self.net.router.spawn("names:serve", address=network.ROUTER[4]))
        self.net.forger = self.stack.enter_context(faults.forger(self.net))
        self.daemon = InsideDaemon(self.net, self.directory,
                                   matrix.configuration(self.directory / "targets"), **options)
        self.stack.callback(self.daemon.close)
        self.daemon.start()
        self.findings = Findings(self.daemon)
        self.stack.callback(self.findings.close)

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- what trials ask for

    def names(self, **entry):
        with self._lock:
            self.name_server.do("name", **entry)

    @contextlib.contextmanager
    def stopped(self):
        """The daemon stands still for a moment."""
        with self._lock:
            self.daemon.process.signal(signal.SIGSTOP)
            try:
                self.daemon.process.task.until_stopped()
                yield
            finally:
                self.daemon.process.signal(signal.SIGCONT)

    def add(self, trial):
        path = self.directory / "targets" / f"{trial.group}@{trial.case.name}-{self.net.number()}.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps([{"targets": [trial.target]}]))
        fresh.rename(path)
        trial.key = (trial.group, trial.target, trial.probe)
        trial.stack.callback(path.unlink)

    # -- the steps of a trial

    def prepare(self, case):
        trial = matrix.Trial(self.net, case, self.names)
        trial.bench = self
        try:
            trial.steps = case.function(trial, **case.arguments)
            next(trial.steps)
            if not case.late:
                self.add(trial)
        except BaseException:
            trial.stack.close()
            raise
        return trial

    def until_healthy(self, trial):
        if not trial.case.late:
            self.findings.wait(lambda: (self.findings.target(trial.key) or {}).get("success"), 60,
                               lambda: f"healthy; now {self.findings.target(trial.key)}")

    def strike(self, trial):
        trial.struck = time.time()
        next(trial.steps, None)
        if trial.case.late:
            self.add(trial)

    def observe(self, trial):
        case, find = trial.case, self.findings
        if not case.expect:
            find.wait(lambda: find.target(trial.key), 60, lambda: "the target is known")
            attempts = find.target(trial.key)["attempts"]
            end = time.monotonic() + WATCH
            find.wait(lambda: find.failures(trial.key) or (
                time.monotonic() > end and find.target(trial.key)["attempts"] >= attempts + 2),
                60, lambda: f"more attempts; now {find.target(trial.key)}")
        else:
            find.wait(lambda: find.failures(trial.key), case.seconds,
                      lambda: f"a failure; now {find.target(trial.key)}")
            end = time.monotonic() + SETTLE
            with contextlib.suppress(AssertionError):
                find.wait(lambda: time.monotonic() > end, SETTLE + 2, lambda: "")
        return self.judge(trial)

    def judge(self, trial):
        case = trial.case
        told = self.findings.told_verdicts(trial.key)
        evidence = self.findings.failures(trial.key)
        early = [event for event in evidence if event["time"] < trial.struck]
        problem = None
        if early:
            problem = "it failed before the fault"
        elif not case.expect:
            problem = "it failed" if told else None
        elif not told:
            problem = "it did not fail"
        elif told[0] not in case.expect:
            problem = "another verdict"
        elif not set(told) <= {*case.expect, *case.then}:
            problem = "more was said than is so"
        problem = problem or self._miscounted(trial)
        return Result(case, problem, told, evidence)

    def _miscounted(self, trial):
        """The counters hold the same categories as the events."""
        def counted():
            target = self.findings.target(trial.key) or {"failures": {}}
            return {category for category, count in target["failures"].items() if count}

        def seen():
            return {event["category"] for event in self.findings.failures(trial.key)}

        with contextlib.suppress(AssertionError):  # one is read a moment after the other
            self.findings.wait(lambda: counted() == seen(), 30, lambda: "")
        return None if counted() == seen() else f"counted {counted()}, events tell {seen()}"

    def run(self, case):
        """A whole trial; everything that goes wrong is its result."""
        try:
            trial = self.prepare(case)
        except Exception as error:
            return Result(case, f"could not be prepared: {error!r}")
        with trial.stack:
            try:
                self.until_healthy(trial)
                self.strike(trial)
                return self.observe(trial)
            except Exception as error:
                evidence = self.findings.failures(trial.key) if trial.key else ()
                return Result(case, f"{type(error).__name__}: {error}",
                              self.findings.told_verdicts(trial.key) if trial.key else (), evidence)


    def run_together(self, cases, pool):
        """All trials in force at the same time. The targets are there from the start, or come
        with their fault, as their cases say; none goes before the last was judged."""
        prepared = [(case, pool.submit(self.prepare, case)) for case in cases]
        results, trials = [], []
        with contextlib.ExitStack() as stack:
            for case, future in prepared:
                try:
                    trials.append(future.result())
                    stack.enter_context(trials[-1].stack)
                except Exception as error:
                    results.append(Result(case, f"could not be prepared: {error!r}"))
            for step in (self.until_healthy, self.strike):
                failed = dict(pool.map(lambda trial: (trial, self._attempt(step, trial)), trials))
                results += [Result(trial.case, problem, self.findings.told_verdicts(trial.key),
                                   self.findings.failures(trial.key))
                            for trial, problem in failed.items() if problem]
                trials = [trial for trial, problem in failed.items() if not problem]
            self._observe_together(trials)
            results += [self.judge(trial) for trial in trials]
        return results

    @staticmethod
    def _attempt(step, trial):
        try:
            step(trial)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None

    def _observe_together(self, trials):
        find, end = self.findings, time.monotonic() + max(WATCH, SETTLE)

        def all_failed():
            return time.monotonic() > end and all(
                find.failures(trial.key) for trial in trials if trial.case.expect)

        with contextlib.suppress(AssertionError):
            find.wait(all_failed, 60, lambda: "")


def confusion(results):
    """Lines of text: each cause that was produced, and what was said of it."""
    def short(verdict):
        if verdict is None:
            return "(healthy)"
        return f"{verdict.cause}{'' if verdict.certain else '?'}"

    table = collections.defaultdict(collections.Counter)
    for result in results:
        got = result.told[0] if result.told else None
        wanted = got if got in result.case.expect else next(iter(result.case.expect), None)
        table[short(wanted)][short(got)] += 1
    lines = ["produced (? is an inference)      said, and how often"]
    for wanted in sorted(table):
        told = "  ".join(f"{got} {count}{'' if got == wanted else '  <-- WRONG'}"
                         for got, count in table[wanted].most_common())
        lines.append(f"{wanted:32}  {told}")
    return lines
