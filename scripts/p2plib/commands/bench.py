# SPDX-License-Identifier: GPL-2.0-only
"""This implementation beside the one of the stock kernel: same work, same VM. CHECK=1: ours beside bench/BASELINE.json.

ACCEPT=1 makes the baseline anew. PROFILE=operation shows where the instructions of one operation go. Tables, JSON and
pictures go to build/bench/.
"""

import argparse
import datetime
import sys
from collections.abc import Sequence, Iterable
from typing import Any

from p2plib import ROOT, Fail
from p2plib.bench import OUT, machines, measure, picture, profile, rates, report, text


# Machines, and what is no machine: bytes of the kernel, and what drives move.
PARTS = (*machines.BY_NAME, "text", "drives")


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only ours; fail if a count is more than 3 %% worse")
    parser.add_argument("--accept", action="store_true", help="only ours; the counts become the baseline")
    parser.add_argument("--profile", metavar="OPERATION", help="where the instructions of this one go, by function")
    parser.add_argument("--stock", action="store_true", help="with --profile: in the stock kernel")
    parser.add_argument("parts", nargs="*", help="only these of " + ", ".join(PARTS))
    args = parser.parse_args(argv)
    for name in args.parts:
        if name not in PARTS:
            raise Fail(f"no part '{name}': choose from {', '.join(PARTS)}")
    return args


def about(kernels: Iterable[str]) -> dict[str, Any]:
    return {
        "date": datetime.date.today().isoformat(),
        "qemu": measure.qemu_version(),
        "gcc": measure.compiler(),
        "kernels": {which: measure.kernel_release(which) for which in kernels},
    }


def check() -> None:
    results = measure.measure("ours", [machines.BY_NAME[name] for name in machines.CHECKED])
    bad, good = report.compare(results)
    for line in good:
        measure.say(f"better: {line}")
    for line in bad:
        print(f"    {line}", file=sys.stderr)
    if bad:
        raise Fail(
            f"{len(bad)} counts are worse than in bench/BASELINE.json: see above; mend it, or accept it "
            "with 'make bench ACCEPT=1' and say why"
        )
    more = "; 'make bench ACCEPT=1' keeps what is better" if good else ""
    measure.say(f"no count is more than 3 % worse than in bench/BASELINE.json{more}")


def accept() -> None:
    results = measure.measure("ours", [machines.BY_NAME[name] for name in machines.CHECKED])
    report.accept(results, about(["ours"]))
    measure.say("bench/BASELINE.json is made anew: look at 'git diff'")


def compare(parts: Sequence[str]) -> None:
    chosen = [machine for machine in machines.ALL if machine.name in parts]
    results = {which: measure.measure(which, chosen) for which in ("stock", "ours")}
    facts = about(results)
    lines, more = report.table(results) if chosen else [], {}
    if "text" in parts:
        more["text"] = text.measure()
        lines += ["", *text.table(more["text"])]
    if "drives" in parts:
        found = rates.collect()
        more["drives"] = rates.as_dict(found)
        lines += ["", *rates.table(found)]
    (OUT / "result.json").write_text(report.as_json(results, facts, **more))
    (OUT / "table.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(["", *lines, ""]))
    print(
        f"{facts['date']}, stock {facts['kernels']['stock']}, ours {facts['kernels']['ours']}, gcc {facts['gcc']}, "
        f"QEMU {facts['qemu']}.\nInstructions of the guest's kernel, but for bytes, processors and drives; no PCIe "
        "hardware is timed. ! is a target that is missed."
    )
    made = picture.draw(results, more.get("drives"))
    print(f"kept in build/bench: result.json, table.txt{', ' + made if made else ''}")


def show_profile(wish: str, which: str) -> None:
    machine, operation = profile.choose(wish)
    lines = profile.table(which, operation, profile.profile(which, machine, operation))
    print("\n".join(lines))
    measure.say(f"kept in {profile.keep(which, operation, lines).relative_to(ROOT)}")


def main(argv: Sequence[str]) -> int:
    args = arguments(argv)
    OUT.mkdir(parents=True, exist_ok=True)
    if args.check:
        check()
    elif args.profile:
        show_profile(args.profile, "stock" if args.stock else "ours")
    elif args.accept:
        accept()
    else:
        compare(args.parts or PARTS)
    return 0
