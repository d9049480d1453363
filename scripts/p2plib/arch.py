# SPDX-License-Identifier: GPL-2.0-only
"""The architectures that the lab has, and all that is different between them: ARCH= names one."""

import os
from dataclasses import dataclass

from p2plib import Fail


@dataclass(frozen=True)
class Arch:
    name: str  # as ARCH= has it, and the kernel's make
    debian: str  # as Debian's packages have it
    cross: str  # what the names of its compiler and binutils begin with, "" if they are the host's
    target: str  # of the kernel's make: the image
    image: str  # where that is in the folder of a build
    qemu: str
    machine: str  # QEMU's, unless a topology says which
    cpu: str  # likewise; "" if each topology says which
    cpu_options: str  # of each of them
    console: str  # the guest's
    results: str  # the guest's port for them
    results_port: tuple[str, ...]  # QEMU's arguments for that, its other end being "results"
    translates: str  # QEMU's event when its IOMMU has translated an address, see lab/trace.py
    cmdline: str  # for the kernel
    foreign: tuple[str, ...] = ()  # QEMU's devices that a topology may have, and only other architectures know

    def folder(self, config: str) -> str:
        """Of a kernel in build/out, and of what is built beside it."""
        return config if self == X86_64 else f"{config}-{self.name}"

    @property
    def word(self) -> str:
        """For a command line that names it."""
        return "" if self == X86_64 else f" ARCH={self.name}"

    def tool(self, name: str) -> str:
        """Of its compiler and binutils."""
        return self.cross + name


X86_64 = Arch(
    name="x86_64",
    debian="amd64",
    cross="",
    target="bzImage",
    image="arch/x86/boot/bzImage",
    qemu="qemu-system-x86_64",
    machine="q35",
    cpu="",
    cpu_options=",check=off",
    console="ttyS0",
    results="ttyS1",
    results_port=("-serial", "chardev:results"),
    translates="vtd_dmar_translate",
    # On a busy host an emulated timer ticks late, which the kernel takes for a broken IO-APIC.
    cmdline="no_timer_check",
)
ARM64 = Arch(
    name="arm64",
    debian="arm64",
    cross="aarch64-linux-gnu-",
    target="Image",
    image="arch/arm64/boot/Image",
    qemu="qemu-system-aarch64",
    machine="virt,gic-version=3",
    cpu="neoverse-n1",
    cpu_options="",
    console="ttyAMA0",
    # The board has one serial port.
    results="ttyS0",
    results_port=("-device", "pci-serial,chardev=results"),
    translates="smmuv3_translate_success",
    cmdline="",
    foreign=("intel-iommu",),
)
ALL = {arch.name: arch for arch in (X86_64, ARM64)}


def chosen() -> Arch:
    """ARCH=, or the usual one."""
    name = os.environ.get("ARCH") or X86_64.name
    if name not in ALL:
        raise Fail(f"ARCH={name}: use one of {', '.join(ALL)}")
    return ALL[name]
