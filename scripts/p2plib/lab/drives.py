# SPDX-License-Identifier: GPL-2.0-only
"""The drives' files: what is in them before a run, and what is there afterwards."""

import hashlib
import os
from pathlib import Path

from p2plib.lab.sizes import DRIVE_MIB, MIB, RANDOM_MIB
from p2plib.lab.vm import Vm


def fill(vm: Vm, mib: int) -> dict[str, list[str]]:
    """Give each drive its file of random bytes; {drive: digest of each MIB of them}."""
    size = mib * MIB
    before = {}
    for drive in vm.topology.drives:
        with open(vm.drive_file(drive), "wb") as file:
            file.truncate(DRIVE_MIB * MIB)
            for _ in range(RANDOM_MIB):
                file.write(os.urandom(MIB))
            if vm.topology.drives[drive].pi:
                # All ones says that there is none yet, which nobody checks then.
                begin = vm.topology.drives[drive].data_end(DRIVE_MIB * MIB)
                file.seek(begin)
                file.write(b"\xff" * (DRIVE_MIB * MIB - begin))
        before[drive] = [digest(vm.drive_file(drive), at, size) for at in range(0, RANDOM_MIB * MIB, size)]
    return before


def digest(path: Path, offset: int, size: int) -> str:
    with open(path, "rb") as file:
        file.seek(offset)
        return hashlib.sha256(file.read(size)).hexdigest()
