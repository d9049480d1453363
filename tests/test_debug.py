# SPDX-License-Identifier: GPL-2.0-only
"""The same on a kernel with KASAN, lockdep, page_table_check and DMA_API_DEBUG: slower, and it sees more."""

import pytest

from lab import programs, runner
from test_build import warnings

WHERE = "same-switch"
# Other mapping code, and DMA_API_DEBUG sees each of its addresses.
IOMMU = "two-root-ports-iommu"
# A BAR that the driver for any BAR lends, and what is only tried there.
ANY_BAR = tuple(("ram-lender", p) for p in ("fio", "lend", "shutdown", "teardown", "unbind", "unplug-2"))


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
QUICK = (*((WHERE, p) for p in ("copy", "fails", "mm", "refuse", "unplug")), (IOMMU, "copy"))


@pytest.mark.parametrize("where, what", [pytest.param(*run, marks=() if run in QUICK else pytest.mark.all,
                                                      id=".".join(run))
                                         for run in programs.matrix("debug") if run[0] in (WHERE, IOMMU) or run in ANY_BAR])
def test_debug_run(where, what, debug):
    run = runner.run(where, what, config="debug", kernel=debug / "arch/x86/boot/bzImage")
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)
