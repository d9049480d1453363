# SPDX-License-Identifier: GPL-2.0-only
"""The same on a kernel with KASAN, lockdep, page_table_check and DMA_API_DEBUG: slower, and it sees more."""

import pytest

from p2plib.lab import programs, runner
from test_build import warnings

# Such a kernel takes longer to build than the rest of `make test` together, so all of it is in `make test-all`.
pytestmark = pytest.mark.all

WHERE = "same-switch"
# Other mapping code, and DMA_API_DEBUG sees each of its addresses.
IOMMU = "two-root-ports-iommu"
# A BAR that the driver for any BAR registers, and what is only tried there.
ANY_BAR = tuple(("ram-provider", p) for p in ("fio", "stub", "shutdown", "teardown", "trace", "unbind", "unplug-2"))
# RDMA cards that do DMA
CARDS = tuple(
    ("rdma-cards", p) for p in ("nvmet-card-faults", "nvmet-card-outage", "nvmet-card-route", "nvmet-soak", "samples")
)


@pytest.fixture(scope="module")
def debug(kernel):
    return kernel("debug")


def test_debug_kernel_builds(debug):
    assert warnings(debug) == [], "the compiler has something to say"


def test_debug_suites(debug):
    run = runner.run(WHERE, "kunit", config="debug")
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)


# Each mapping of peer pages is also a test that page_table_check has no page_ext for them.
@pytest.mark.parametrize(
    "where, what",
    [
        pytest.param(*run, id=".".join(run))
        for run in programs.matrix("debug")
        if run[0] in (WHERE, IOMMU) or run in ANY_BAR + CARDS
    ],
)
def test_debug_run(where, what, debug, progress):
    if programs.get(what).modules:
        progress("lab-modules", "debug")
    if "p2ptopo" in programs.get(what).extras:
        progress("tools")
    run = runner.run(where, what, config="debug")
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)
