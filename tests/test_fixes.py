# SPDX-License-Identifier: GPL-2.0-only
"""What `make series FIXES=1` writes: each fault of the stock kernel is seen without its fix, and not with it.

A kernel of the stock base with only the KUnit tests that come last, then one with all. Part of `make test-all`.
"""

import re

import pytest

from p2plib import BUILD
from p2plib.compose.export import exported
from p2plib.compose.git import lay_out
from p2plib.compose.tree import Tree
from p2plib.lab import programs, runner, topology

pytestmark = pytest.mark.all

WHERE = "same-switch"
SOMEONE = {
    f"GIT_{role}_{part}": text
    for role in ("AUTHOR", "COMMITTER")
    for part, text in (("NAME", "Someone"), ("EMAIL", "someone@localhost"))
}
# QEMU's drives keep CMBMSC over a reset: it is only seen that the fix does no harm.
UNSEEN = ("fix-cmb",)


class Kernels:
    """One kernel after the other in one folder: only what differs is built again."""

    def __init__(self, progress):
        self.progress, self.export = progress, exported(Tree())
        self.folder, self.index = BUILD / "fixes-tree", BUILD / ".fixes-tree.index"

    def build(self, mended):
        patches = self.export.stock_fixes()
        if not mended:
            patches = [(name, patch) for name, patch in patches if "Add KUnit tests" in patch.subject]
        commit = self.export.on_stock(patches, SOMEONE)
        if not self.folder.exists():
            self.index.unlink(missing_ok=True)
        lay_out(self.export.git, commit, self.folder, self.index)
        # Not once a session: the folder has another kernel each time.
        self.progress.done.pop(("build", "fixes", "--tree", str(self.folder)), None)
        self.progress("build", "fixes", "--tree", str(self.folder))


def results(mended):
    """program: whether it passed, and the KUnit cases that did not."""
    found = {}
    for program in programs.FIXES:
        run = runner.Run(topology.load(WHERE), program, config="fixes").go()
        text = (run.folder / "ktap.log").read_text(errors="replace") if not run.passed else ""
        found[program.name] = run, set(re.findall(r"not ok \d+ (p2pdma_\w+)", text))
    return found


@pytest.fixture(scope="module")
def kernels(tree, progress):
    return Kernels(progress)


def test_seen_without_fixes(kernels):
    kernels.build(mended=False)
    found = results(mended=False)
    assert [name for name, (run, _) in found.items() if run.passed] == list(UNSEEN)
    suite = (kernels.folder / "drivers/pci/p2pdma_test.c").read_text()
    assert found["fix-kunit"][1] == set(re.findall(r"KUNIT_CASE\((p2pdma_\w+)\)", suite))


def test_not_seen_with_fixes(kernels):
    kernels.build(mended=True)
    for run, _ in results(mended=True).values():
        if not run.passed:
            pytest.fail(run.explain(), pytrace=False)
