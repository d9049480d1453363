# SPDX-License-Identifier: GPL-2.0-only
"""What an operation costs, in instructions, is not more than it was; and a count that is worse is noticed."""

import fnmatch
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from bench import BenchError, machines, measure, report

ROOT = Path(__file__).resolve().parent.parent
LINES = ["# bench map-peer-1 n=2 per=1 sum=400 median=200 min=200 max=200 clock=41",
         "# bench register n=1 per=1 sum=5000 bar=4096 memory=64", "not ok 3 map-peer-4", "# bench odd"]


def test_counts(kernel, progress):
    """Ours beside bench/BASELINE.json."""
    kernel("lab")
    progress("bench", "--check")


def test_figures():
    found = measure.figures(LINES)
    assert set(found) == {"map-peer-1", "register"}
    assert report.count(found["map-peer-1"]) == 159
    assert report.count(found["register"]) == 5000


@pytest.mark.parametrize("old,bad,good", [
    (159, 0, 0), (155, 0, 0), (154, 1, 0), (163, 0, 0), (164, 0, 1), (None, 1, 0)])
def test_worse_count_is_noticed(old, bad, good, tmp_path, monkeypatch):
    """The limit is three per cent; an operation that the baseline lacks is no pass either."""
    counts = {"register": 5000} | ({} if old is None else {"map-peer-1": old})
    baseline = tmp_path / "BASELINE.json"
    baseline.write_text(json.dumps({"counts": {"switch": counts}}))
    monkeypatch.setattr(report, "BASELINE", baseline)
    found = report.compare({"switch": measure.figures(LINES)})
    assert [len(lines) for lines in found] == [bad, good]


def test_lost_operation_is_noticed(tmp_path, monkeypatch):
    baseline = tmp_path / "BASELINE.json"
    monkeypatch.setattr(report, "BASELINE", baseline)
    baseline.write_text(json.dumps({"counts": {"switch": {"map-peer-1": 159, "register": 5000, "gone": 1}}}))
    bad, good = report.compare({"switch": measure.figures(LINES)})
    assert bad == ["switch gone: not measured"] and not good


@pytest.mark.parametrize("text", [None, "", "{}", "[]"])
def test_no_baseline_is_an_error(text, tmp_path, monkeypatch):
    baseline = tmp_path / "BASELINE.json"
    if text is not None:
        baseline.write_text(text)
    monkeypatch.setattr(report, "BASELINE", baseline)
    with pytest.raises(BenchError):
        report.compare({})


def test_every_row_is_measured():
    """A row of the table whose operation is not run would stay empty, and look like a short table."""
    for row in report.table_rows():
        wanted = machines.BY_NAME[row.machine].operations
        if row.operation.startswith(("mmap-", "munmap-")):
            assert "user" in wanted
        else:
            assert any(fnmatch.fnmatchcase(row.operation, pattern) for pattern in wanted), row


@pytest.mark.parametrize("argv", [("nosuch",), ("--profile", "nosuch"), ("--profile", "nosuch:map-peer-1")], ids=" ".join)
def test_bad_input_is_one_line(argv):
    run = subprocess.run([ROOT / "scripts/bench", *argv], env=os.environ, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert re.fullmatch(r"p2p: .+: .+\n", run.stderr), run.stderr
