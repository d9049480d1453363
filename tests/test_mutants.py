# SPDX-License-Identifier: GPL-2.0-only
"""The list of `make mutants` fits the sources. What the suites make of it takes more than an hour: run `make mutants`."""

import importlib.machinery
import importlib.util
import sys

import pytest

from lab import LabError

from conftest import ROOT

LOADER = importlib.machinery.SourceFileLoader("mutants", str(ROOT / "scripts" / "mutants"))


@pytest.fixture(scope="module")
def mutants():
    spec = importlib.util.spec_from_loader("mutants", LOADER)
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module                 # dataclass looks itself up there
    LOADER.exec_module(module)
    return module


def test_mutants_apply(mutants):
    """Each text stands in its file exactly once; load() says which one does not."""
    found = mutants.load()
    assert len(found) >= 40
    assert len({(m.file, m.fault) for m in found}) == len(found)


@pytest.mark.parametrize("old, words", [("nowhere to be found", "there 0 times"), ("e", "times, it must be once")])
def test_mutant_that_does_not_fit(mutants, old, words):
    mutant = mutants.Mutant("drivers/pci/p2pdma/pool.c", "fault", old, "new")
    with pytest.raises(LabError, match=words):
        mutant.apply((ROOT / mutant.file).read_text())
