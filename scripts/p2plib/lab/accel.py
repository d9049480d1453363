# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator. /dev/kvm is no proof of KVM: there are machines where it makes a vCPU that never gets anywhere."""

import os
import tempfile
from pathlib import Path

from p2plib import BUILD, Fail
from p2plib.arch import X86_64, Arch
from p2plib.lab.topology import Topology
from p2plib.lab.vm import Vm

PROBE_SECONDS = 6
BARE = Topology(name="probe", about="no devices", picture="", cpu="max", devices=(), drives={}, expect={})


def choose(kernel: Path, initrd: Path, arch: Arch = X86_64) -> str:
    wish = os.environ.get("ACCEL") or "auto"
    if wish not in ("tcg", "kvm", "auto"):
        raise Fail(f"ACCEL={wish} is unknown: choose tcg, kvm or auto")
    if arch.name != os.uname().machine:
        if wish == "kvm":
            raise Fail(f"ACCEL=kvm: this machine's processors are not {arch.name}: use ACCEL=tcg")
        return "tcg"
    if wish == "tcg" or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        if wish == "kvm":
            raise Fail("/dev/kvm cannot be opened: use ACCEL=tcg")
        return "tcg"
    works = probe(kernel, initrd)
    if wish == "kvm" and not works:
        raise Fail(f"no guest boots with KVM here within {PROBE_SECONDS} s: use ACCEL=tcg")
    return "kvm" if works else "tcg"


def probe(kernel: Path, initrd: Path) -> bool:
    """Boot a guest with KVM and see; the answer holds until this machine boots again."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    stamp = BUILD / "stamps" / f"kvm-{boot}"
    if not stamp.exists():
        stamp.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=stamp.parent) as folder:
            vm = Vm(BARE, kernel, initrd, ["true"], Path(folder), accel="kvm")
            vm.run(PROBE_SECONDS)
            works = vm.sentinel is not None
            new = Path(folder) / "stamp"
            new.write_text("yes\n" if works else "no\n")
            new.rename(stamp)
    return stamp.read_text().strip() == "yes"
