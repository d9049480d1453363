# SPDX-License-Identifier: GPL-2.0-only
"""The faults of tests/mutants/ fit the sources. What the suites make of them takes hours: run `make mutants`."""

import re
import tomllib

import pytest

from p2plib import ROOT, Fail
from p2plib.commands import mutants


def test_mutants_apply(tree):
    """Each text stands in its file exactly once; load() says which one does not."""
    found = mutants.load()
    assert len(found) >= 40
    assert len({(m.file, m.fault) for m in found}) == len(found)


def test_each_hunk_has_a_mutant(tree):
    """What the series changes in files of the base: each hunk that could be wrong has a fault planted in it."""
    assert len(list(mutants.hunks())) > 300
    assert not mutants.bare(mutants.load())


def test_hunk_without_a_mutant(tree):
    """Without those of a file its hunks are found."""
    most = [m for m in mutants.load() if m.file != "mm/gup.c"]
    assert len(bare := mutants.bare(most)) > 3 and all(line.startswith("mm/gup.c:") for line in bare)


@pytest.mark.parametrize("old, words", [("nowhere to be found", "there 0 times"), ("e", "times, it must be once")])
def test_mutant_that_does_not_fit(old, words):
    mutant = mutants.Mutant("drivers/pci/p2pdma/pool.c", "fault", old, "new")
    with pytest.raises(Fail, match=words):
        mutant.apply((ROOT / mutant.file).read_text())


GOOD = {"fault": "f", "old": "o", "new": "n"}


@pytest.mark.parametrize(
    "data, words",
    [
        ({"suites": ["p2pdma_nosuch"], "mutant": [GOOD]}, "suites: no p2pdma_nosuch"),
        ({"mutant": [GOOD | {"file": "x.c"}]}, "x.c.toml: f: unknown key 'file'"),
        ({"mutant": [GOOD | {"run": "ram-provider.fio"}]}, "run must be of type list"),
        ({"mutant": [{"fault": "f", "old": "o"}]}, "key 'new' is missing"),
    ],
)
def test_file_at_fault(data, words):
    with pytest.raises(Fail, match=words):
        mutants.of_file("drivers/pci/p2pdma/x.c", data)


def test_faults_name_tests():
    """faults.toml says of tests what each is to notice: they are there."""
    folder = ROOT / "drivers/pci/p2pdma/tests"
    lost = [
        f"{name}: {test}"
        for name, tests in tomllib.loads((ROOT / "tests/faults.toml").read_text()).items()
        for test in tests
        if not re.search(rf"\b{test}\(struct ", (folder / name).read_text())
    ]
    assert not lost
