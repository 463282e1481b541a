# SPDX-License-Identifier: Apache-2.0
"""The whole daemon against every fault: each is named rightly, and nothing else is said."""

import concurrent.futures
import os
import random
import time

import pytest

import bench
import matrix

SEED = int(os.environ.get("CH_SEED", random.randrange(1 << 31)))
WIDTH = 24  # trials at a time
NAMES = [case.name for case in matrix.CASES]


def chosen():
    wanted = os.environ.get("CH_CASES")  # a part of their names: only those
    return [case for case in matrix.CASES if not wanted or wanted in case.name]


def strike_again(network, directory, results, say):
    """A packet that overtakes another on a loaded machine makes a fault another one. What was
    named wrongly is struck once more, alone; what is wrong twice is wrong."""
    wrong = [result for result in results if result.problem]
    if not wrong:
        return results
    for result in wrong:
        say("struck again: " + result.explain().splitlines()[0])
    with bench.Bench(network, directory) as runner:
        again = {result.case.name: runner.run(result.case) for result in wrong}
    return [again.get(result.case.name, result) for result in results]


def tell(say, results, begun):
    say(f"{len(results)} cases in {time.monotonic() - begun:.0f} s")
    for line in bench.confusion(results):
        say(line)


@pytest.fixture(scope="module")
def one_by_one(network, tmp_path_factory, say):
    """Every case, in random order, some at a time on their own addresses."""
    cases = chosen()
    random.Random(SEED).shuffle(cases)
    say()
    say(f"CH_SEED={SEED}: {len(cases)} cases in random order")
    begun = time.monotonic()
    with bench.Bench(network, tmp_path_factory.mktemp("one") / "daemon") as runner:
        with concurrent.futures.ThreadPoolExecutor(WIDTH) as pool:
            results = list(pool.map(runner.run, cases))
    tell(say, results, begun)
    results = strike_again(network, tmp_path_factory.mktemp("again") / "daemon", results, say)
    return {result.case.name: result for result in results}


def test_names_of_cases_are_unique():
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", [case.name for case in chosen()])
def test_named_rightly(one_by_one, name):
    result = one_by_one[name]
    if result.problem:
        pytest.fail(result.explain(), pytrace=False)


def test_overlapping_faults_stay_apart(network, tmp_path, say):
    """Every fault at the same time, each on a target of its own: none bleeds into another."""
    cases = chosen()
    random.Random(SEED + 1).shuffle(cases)
    say(f"\n{len(cases)} faults at the same time")
    begun = time.monotonic()
    with bench.Bench(network, tmp_path / "daemon") as runner, \
            concurrent.futures.ThreadPoolExecutor(32) as pool:
        results = runner.run_together(cases, pool)
    tell(say, results, begun)
    results = strike_again(network, tmp_path / "again", results, say)
    wrong = [result.explain() for result in results if result.problem]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
