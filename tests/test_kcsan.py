# SPDX-License-Identifier: GPL-2.0-only
"""What runs at once, on a kernel with KCSAN: a data race in our code, or through it, is a failure.

Those of the base kernel are counted and shown. All of it is part of `make test-all`.
"""

import subprocess
from collections import Counter

import pytest

from p2plib.lab import programs, races, runner, topology
from test_build import warnings

from conftest import print_through

SUITES = "p2pdma_[cp]*"  # concurrency, pages, peers, pool
RUNS = (
    ("same-switch", "unplug"),
    ("ram-provider", "unplug-2"),
    ("ram-provider", "pinned"),
    ("ram-provider", "fio"),
    ("ram-provider", "teardown"),
    ("same-switch", "mmap"),
    ("same-switch", "nvme-reset"),
)


@pytest.fixture(scope="module")
def kcsan(kernel):
    return kernel("kcsan")


def shown(run, pytestconfig):
    for title, times in Counter(run.elsewhere).most_common():
        print_through(pytestconfig, f"\n{run.name}: elsewhere in the kernel, {times} times: {title}")
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)


@pytest.mark.all
def test_kcsan_kernel_builds(kcsan):
    assert warnings(kcsan) == [], "the compiler has something to say"


@pytest.mark.all
def test_kcsan_watches_us(kcsan):
    """Each object of ours that touches memory tells KCSAN so."""
    deaf = [
        name
        for name in races.objects(kcsan)
        if "__tsan_" not in subprocess.run(["nm", "-u", name], capture_output=True, text=True, check=True).stdout
    ]
    assert deaf == []


@pytest.mark.all
def test_kcsan_suites(kcsan, pytestconfig):
    shown(runner.Run(topology.load("same-switch"), programs.suite_alone(SUITES), config="kcsan").go(), pytestconfig)


@pytest.mark.all
@pytest.mark.parametrize("where,what", RUNS)
def test_kcsan_run(where, what, kcsan, pytestconfig):
    shown(runner.run(where, what, config="kcsan"), pytestconfig)
