# SPDX-License-Identifier: GPL-2.0-only
"""Build packages of the kernel and of its tools for Debian 12, in build/deb.

CONFIG_FROM= says on what configuration: nothing is Debian's own, "running" that of this machine, "lab" a small one for
the lab, anything else a file. LOCALVERSION= is what the kernel's release ends with (-p2pdma).
"""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from p2plib import ROOT, Fail
from p2plib.common import say
from p2plib.kernel import debconfig, debtools
from p2plib.kernel.deb import SUFFIX, SUFFIX_FORM, Deb
from p2plib.kernel.debconfig import Start


def suffix(given: str) -> str:
    if not re.fullmatch(SUFFIX_FORM, given):
        raise Fail(f"LOCALVERSION={given}: use a - and small letters, digits, and . + - ~, such as {SUFFIX}")
    return given


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell what can be told before anything is installed")
    parser.add_argument("--configure", action="store_true", help="only make the configuration and check it")
    parser.add_argument("--from", dest="start", default=os.environ.get("CONFIG_FROM") or "", help="for CONFIG_FROM=")
    parser.add_argument("--suffix", default=os.environ.get("LOCALVERSION"), help="for LOCALVERSION=")
    args = parser.parse_args(argv)
    start, ending = Start.named(args.start), suffix(args.suffix or SUFFIX)
    if args.check:
        if start.given:
            start.text()
        return 0
    deb = Deb(start, ending)
    if args.configure:
        config = deb.configure_only()
        say(f"deb: {shown(config)}: on {start.name}, {debconfig.modules(config.read_text())} options are modules")
        return 0
    number = debconfig.modules(deb.text)
    if number > 500:
        say(f"deb: {number} modules and all that is built in: hours, and up to {deb.need() >> 10} GiB in build/out/deb")
    deb.run()
    packages = deb.collect(debtools.build(deb.package_version()))
    for package in packages:
        say(f"deb: {shown(package)}, {package.stat().st_size / 1e6:.1f} MB")
    say(f"deb: to install them: apt install ./{shown(deb.folder)}/*.deb")
    return 0
