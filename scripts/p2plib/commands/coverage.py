# SPDX-License-Identifier: GPL-2.0-only
"""Which lines and branches of our files run: under the KUnit suites alone, and with the lab's programs as well.

HTML goes to build/coverage/.
"""

import argparse
import base64
import dataclasses
import re
import shutil
import subprocess
from collections.abc import Sequence, Iterable
from pathlib import Path

from p2plib import BUILD, ROOT, Fail
from p2plib.lab import programs, runner, topology

CONFIG = "coverage"
OUT = BUILD / "out" / CONFIG / "drivers"
RESULT = BUILD / "coverage"
CORE = ["pci/p2pdma.c", *(f"pci/p2pdma/{path.name}" for path in sorted((ROOT / "drivers/pci/p2pdma").glob("*.c")))]
# A module, which is there when a program of the target has run.
TARGET = [f"nvme/target/{path.name}" for path in sorted((ROOT / "drivers/nvme/target").glob("p2pmem*.c"))]
OBJECTS = [*CORE, *TARGET]
# With what is compiled as a part of one
FILES = [*CORE, "pci/p2pdma/region.h", *TARGET]
# What a file should come to; see README.md.
WANT = {"lines": 95, "branches": 90}
# Runs of the lab that reach what no suite can: mappings of user space, what is read in sysfs and debugfs, the target.
OTHERS = (
    ("same-switch", "routes"),
    ("same-switch", "mmap"),
    ("same-switch", "refuse"),
    ("ram-provider", "stub"),
    ("ram-provider", "pinned"),
    ("unknown-root-complex", "policy"),
    ("same-switch", "nvmet"),
    ("same-switch", "nvmet-outage"),
    ("same-switch", "nvmet-save"),
    ("unknown-root-complex", "nvmet-withdraw"),
    ("protected", "nvmet-own-cmb"),
    ("protected", "integrity"),
)
# Of a file: of its "lines" and "branches", how many were hit of how many
Table = dict[str, dict[str, tuple[int, int]]]
LCOV = ["--quiet", "--rc", "lcov_branch_coverage=1", "--rc", "geninfo_auto_base=1"]


def call(*argv: str | Path) -> None:
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fail(f"coverage: {argv[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}: see {RESULT}")


def build() -> None:
    objects = [Path(file).with_suffix(".o").name for file in OBJECTS]
    # Others have a memory.o, too, one of which cannot do with counters.
    ours = "$(if $(filter drivers/pci drivers/pci/p2pdma drivers/nvme/target,$(obj)),y)"
    variables = [word for name in sorted(set(objects)) for word in ("--make", f"GCOV_PROFILE_{name}={ours}")]
    if subprocess.run([ROOT / "scripts/build", CONFIG, *variables], check=False).returncode:
        raise Fail("coverage: no kernel to run: correct what scripts/build says")


def measure(where: str, what: str) -> Path:
    """Run a program; the counters that the guest then has go beside the objects, and from there into WHAT.info."""
    program = programs.get(what)
    order = program.order
    program = dataclasses.replace(program, order=lambda t: ["coverage.sh", *order(t)], timeout=3 * program.timeout)
    run = runner.Run(topology.load(where), program, config=CONFIG).go()
    if not run.passed:
        raise Fail(f"coverage: {run.explain()}")
    for old in OUT.rglob("*.gcda"):
        old.unlink()
    counters = [m.groups() for line in run.vm.lines if (m := re.fullmatch(r"# gcda (\S+) (\S+)", line))]
    objects = OBJECTS if program.target else CORE
    if len(counters) != len(objects):
        raise Fail(
            f"coverage: {where}.{what}: counters of {len(counters)} files, there are {len(objects)}: "
            f"see {run.folder}"
        )
    for name, data in counters:
        (OUT / name).write_bytes(base64.b64decode(data))
    info = RESULT / f"{where}.{what}.info"
    call("lcov", *LCOV, "--capture", "--directory", OUT, "--output-file", info)
    call("lcov", *LCOV, "--extract", info, *(f"*/drivers/{file}" for file in FILES), "--output-file", info)
    print(f"p2p: coverage: {where}.{what} in {run.seconds:.0f} s", flush=True)
    return info


def merge(infos: Iterable[Path], name: str) -> Path:
    total = RESULT / f"{name}.info"
    call("lcov", *LCOV, *(f"--add-tracefile={info}" for info in infos), "--output-file", total)
    return total


def read(info: Path) -> Table:
    """{file: {"lines": (hit, found), "branches": (hit, found)}}"""
    files = {}
    for record in info.read_text().split("end_of_record\n"):
        if not (path := re.search(r"^SF:.*/drivers/(\S+)$", record, re.M)):
            continue
        number = {key: int(value) for key, value in re.findall(r"^(LF|LH|BRF|BRH):(\d+)$", record, re.M)}
        files[path[1]] = {
            "lines": (number["LH"], number["LF"]),
            "branches": (number.get("BRH", 0), number.get("BRF", 0)),
        }
    return files


def cell(hit: int, found: int) -> str:
    return f"{100 * hit / found:6.1f} % of {found:4}" if found else f"{'-':>16}"


def table(suites: Table, everything: Table) -> None:
    print(f"\n{'':28}{'KUnit suites':^36}  {'with the lab':^36}")
    print(f"{'file':28}" + "  ".join(f"{'lines':>16}{'branches':>20}" for _ in range(2)))
    below = []
    total: dict[tuple[int, str], tuple[int, int]] = {}
    for file in FILES:
        cells = []
        for column, files in enumerate((suites, everything)):
            for what, (hit, found) in files.get(file, {"lines": (0, 0), "branches": (0, 0)}).items():
                cells.append(f"{cell(hit, found):>{16 if what == 'lines' else 20}}")
                old = total.get((column, what), (0, 0))
                total[column, what] = (old[0] + hit, old[1] + found)
                # The target has no suites.
                if column == (file in TARGET) and 100 * hit < WANT[what] * found:
                    below.append(f"{file} {what}")
        print(f"{file:28}" + "".join(cells[:2]) + "  " + "".join(cells[2:]))
    cells = [
        f"{cell(*total[column, what]):>{width}}"
        for column in (0, 1)
        for what, width in (("lines", 16), ("branches", 20))
    ]
    print(f"{'all':28}" + "".join(cells[:2]) + "  " + "".join(cells[2:]))
    if below:
        print(
            f"\nbelow {WANT['lines']} % of lines or {WANT['branches']} % of branches with the suites alone, "
            "or the target's with the lab: " + ", ".join(below)
        )


def main(argv: Sequence[str]) -> int:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    if not shutil.which("lcov"):
        raise Fail("coverage: no lcov: run scripts/setup coverage")
    build()
    shutil.rmtree(RESULT, ignore_errors=True)
    RESULT.mkdir(parents=True)
    suites = measure("same-switch", "kunit")
    others = [measure(where, what) for where, what in OTHERS]
    everything = merge([suites, *others], "all")
    call("genhtml", "--quiet", "--branch-coverage", "--output-directory", RESULT / "html", everything)
    call("genhtml", "--quiet", "--branch-coverage", "--output-directory", RESULT / "html-kunit", suites)
    table(read(suites), read(everything))
    print("\nHTML: build/coverage/html-kunit/index.html (suites), build/coverage/html/index.html (all)")
    return 0
