# SPDX-License-Identifier: GPL-2.0-only
"""The same on a kernel with KASAN, lockdep, page_table_check and DMA_API_DEBUG: slower, and it sees more."""

import pytest

from lab import programs, runner
from test_build import warnings

WHERE = "same-switch"


@pytest.fixture(scope="module")
def debug(kernel):
    return kernel("debug")


def test_debug_kernel_builds(debug):
    assert warnings(debug) == [], "the compiler has something to say"


@pytest.mark.all                                    # takes eight minutes on such a kernel
def test_debug_suites(debug):
    run = runner.run(WHERE, "kunit", config="debug", kernel=debug / "arch/x86/boot/bzImage")
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)


# Each mapping of lent memory is also a test of fault 22: page_table_check, and no page_ext for its pages.
# The others take minutes on such a kernel: `make test-all`.
QUICK = ("copy", "fails", "mm", "refuse", "unplug")


@pytest.mark.parametrize("what", [pytest.param(p, marks=() if p in QUICK else pytest.mark.all)
                                  for t, p in programs.matrix("debug") if t == WHERE])
def test_debug_run(what, debug):
    run = runner.run(WHERE, what, config="debug", kernel=debug / "arch/x86/boot/bzImage")
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)
