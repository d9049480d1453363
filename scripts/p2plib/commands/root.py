# SPDX-License-Identifier: GPL-2.0-only
"""Unpack what the guests of ARCH= may be given of its Debian, or what is compiled for them: build/root/ARCH-WHAT."""

import argparse
from collections.abc import Sequence

from p2plib import Fail
from p2plib.arch import X86_64, chosen
from p2plib.lab import foreign


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", metavar="WHAT", choices=foreign.PACKAGES, help=", ".join(foreign.PACKAGES))
    args = parser.parse_args(argv)
    if chosen() == X86_64:
        raise Fail("ARCH=x86_64: its guests have this machine's programs: name another architecture")
    foreign.root(chosen(), args.what)
    return 0
