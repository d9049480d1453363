# SPDX-License-Identifier: GPL-2.0-only
"""Boot the kernel on a topology, run a program there, print the verdict. ARCH= names another architecture."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from p2plib import Fail
from p2plib.arch import chosen
from p2plib.lab import programs, runner, topology
from p2plib.lab.vm import Vm, ignore


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topology", metavar="TOPOLOGY", nargs="?")
    parser.add_argument("program", metavar="PROGRAM", nargs="?")
    parser.add_argument("--list", action="store_true", help="the runs of make test, one a line")
    parser.add_argument("--config", default="lab", help="which of build/out (default: lab)")
    parser.add_argument("--kernel", type=Path, help="an image from elsewhere")
    parser.add_argument("--tree", type=Path, help="its source, for kunit_parser.py and kselftest.h")
    parser.add_argument("--timeout", type=float, help="seconds")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the results as they come")
    return parser.parse_args(argv)


def show(_vm: Vm, line: str) -> None:
    print(line)


def main(argv: Sequence[str]) -> int:
    args = arguments(argv)
    if args.list:
        print("\n".join(f"{t}.{p}" for t, p in programs.matrix(args.config, chosen())))
        return 0
    if not args.topology or not args.program:
        raise Fail(
            f"which topology and program? run TOPOLOGY PROGRAM; topologies: "
            f"{', '.join(topology.names(chosen()))}; programs: {', '.join(p.name for p in programs.ALL)}"
        )
    if args.timeout is not None and args.timeout <= 0:
        raise Fail(f"--timeout {args.timeout:g}: say how many seconds, more than 0")
    where = programs.BY_NAME[args.program].where if args.program in programs.BY_NAME else None
    if where and args.topology not in where and args.topology in topology.names(chosen()):
        print(f"{args.program} is made for {', '.join(where)}: what it says on {args.topology} may mean nothing")
    run = runner.run(
        args.topology,
        args.program,
        config=args.config,
        kernel=args.kernel,
        tree=args.tree,
        timeout=args.timeout,
        watch=show if args.verbose else ignore,
    )
    for title, times in Counter(run.elsewhere).most_common():
        print(f"race elsewhere in the kernel, {times} times: {title}")
    if run.passed:
        print(
            f"PASS {run.name} in {run.seconds:.1f} s, {run.counts['passed']} passed, "
            f"{run.counts['skipped']} skipped"
        )
        return 0
    print(run.explain())
    print(f"FAIL {run.name} in {run.seconds:.1f} s")
    return 1
