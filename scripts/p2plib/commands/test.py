# SPDX-License-Identifier: GPL-2.0-only
"""Run the tests of tests/, fast ones first, and end with one line of counts.

T= selects by name (a pytest -k expression). Log and JUnit XML go to build/test/. ARCH= names another architecture,
whose tests are in a file of their own, and in `make test-all`.
"""

import argparse
import difflib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from p2plib import BUILD, ROOT, Fail
from p2plib.arch import X86_64, chosen

OUT = BUILD / "test"
PYTEST = [sys.executable, "-B", "-u", "-m", "pytest"]


def names(*argv: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The names that pytest would run, or its complaint."""
    run = subprocess.run(
        [*PYTEST, "-q", "--collect-only", *argv], cwd=ROOT, text=True, capture_output=True, check=False
    )
    found = [t.split("::")[-1] for t in run.stdout.splitlines() if "::" in t and " " not in t]
    return run, found


def scope() -> list[str]:
    """Where the tests of another architecture are, if they are meant."""
    return [] if chosen() == X86_64 else ["--all", "tests/test_arch.py"]


def check_selection(select: str) -> None:
    if not re.search(r"\w", select):  # pytest takes a lone bracket for a name
        raise Fail(f"T={select}: not a selection: use names joined by and, or, not")
    run, found = names("-k", select, *scope())
    if run.returncode == 4:
        raise Fail(f"T={select}: not a selection: use names joined by and, or, not")
    if found or "error" in run.stdout.lower():  # a file that does not import: let the run say so
        return
    known = {part for name in names("--all")[1] for part in re.findall(r"[\w.-]+", name.removeprefix("test_"))}
    topologies = sorted(path.stem for path in (ROOT / "lab/topologies").glob("*.toml"))
    near = difflib.get_close_matches(select, sorted(known.union(topologies)), 5, 0.5)
    raise Fail(
        f"T={select}: no test has that name: "
        + (
            f"use one of {', '.join(near)}"
            if near
            else f"use part of one, such as a topology ({', '.join(topologies)})"
        )
    )


def run(argv: Sequence[str | Path]) -> int:
    """Run pytest; what it says goes to stdout and to the log."""
    with (OUT / "log").open("w") as log, subprocess.Popen(
        argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace"
    ) as pytest:
        assert pytest.stdout
        try:
            for line in pytest.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                log.write(line)
        except KeyboardInterrupt:
            pytest.wait()
            raise
    return pytest.returncode


def main(argv: Sequence[str]) -> int:
    if not importlib.util.find_spec("pytest"):
        raise Fail("no pytest for /usr/bin/python3: apt-get install --reinstall python3-pytest")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="also what takes long")
    parser.add_argument("files", nargs="*", help="only these files of tests/")
    parser.add_argument("--check", action="store_true", help="only refuse a T= that selects nothing")
    args = parser.parse_args(argv)

    select = os.environ.get("T", "").strip()
    if select:
        check_selection(select)
    if args.check:
        return 0
    OUT.mkdir(parents=True, exist_ok=True)
    result = OUT / "result.json"
    result.unlink(missing_ok=True)
    status = run(
        [
            *PYTEST,
            "-v",
            "--tb=short",
            "--no-header",
            f"--result={result}",
            f"--junitxml={OUT / 'junit.xml'}",
            *(["--all"] if args.all else []),
            *(["-k", select] if select else []),
            *(args.files or scope()),
        ]
    )

    counts = {"passed": 0, "failed": 0, "skipped": 0}
    if result.exists():
        counts = json.loads(result.read_text())
    if not counts["passed"] + counts["failed"] or status and not counts["failed"]:
        print(f"p2p: test: pytest ended with {status} and no failed test: see build/test/log", file=sys.stderr)
        counts["failed"] += 1
    if counts["failed"]:
        print("p2p: test: something failed, see above or build/test/log", file=sys.stderr)
    sys.stderr.flush()
    print(", ".join(f"{counts[v]} {v}" for v in ("passed", "failed", "skipped")), flush=True)
    return 1 if counts["failed"] else 0
