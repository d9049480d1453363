# SPDX-License-Identifier: GPL-2.0-only
"""The VMs to measure in: two NVMe drives as clients, RAM-backed BARs as providers. Sparse; nothing is transferred."""

from dataclasses import dataclass, replace
from collections.abc import Sequence
from typing import Any

from p2plib.lab.topology import Drive, Port, RamBar, Topology

SWITCH = """
            CPU, RAM
               |
          [ root port ]
               |
       [ switch upstream ]
        /      |        \\
    [down0] [down1]  [down2] ...
       |       |        |
    drive a drive b  provider (ivshmem)
"""
ROOT_PORTS = """
              CPU, RAM
         /       |        \\
    [ down0 ] [ down1 ] [ down2 ]
        |         |         |
     drive a   drive b   provider (ivshmem)
"""


@dataclass(frozen=True)
class Machine:
    """A VM, and what is measured in it."""

    name: str
    about: str
    topology: Topology
    operations: tuple
    accel: str = "icount"
    timeout: int = 120
    possible_cpus: int = 0  # for each of which the pool may have a region, up to eight
    stock_timeout: int = 900  # the stock pool looks at every bit
    stock: bool = True  # the stock kernel has what is measured
    extras: tuple[str, ...] = ()  # further binaries for the guest

    @property
    def exact(self) -> bool:
        return self.accel == "icount"


def switch(name: str, sizes: Sequence[int], **options: Any) -> Topology:
    """All below one switch; more than one provider share downstream ports as functions of one device."""
    ports = 2 + (len(sizes) + 7) // 8
    devices = ["pcie-root-port,id=root0,bus=pcie.0,chassis=1,slot=1", "x3130-upstream,id=up0,bus=root0"]
    devices += [f"xio3130-downstream,id=down{i},bus=up0,chassis=2,slot={i}" for i in range(ports)]
    return build(name, "one PCIe switch", SWITCH, devices, sizes, **options)


def many_clients(name: str, size: int) -> Topology:
    """As switch(), with four empty ports more, for functions that the driver makes: see functions.h there."""
    topology = switch(name, [size])
    ports = tuple(f"xio3130-downstream,id=empty{i},bus=up0,chassis=2,slot={3 + i}" for i in range(4))
    return replace(topology, about=f"{topology.about}, 1,024 clients", devices=topology.devices + ports)


def stacked(name: str) -> Topology:
    """As switch(), with a third drive that has two ports."""
    topology = switch(name, [64])
    ports = tuple(f"xio3130-downstream,id=port{i},bus=up0,chassis=2,slot={3 + i}" for i in range(2))
    return replace(
        topology,
        devices=topology.devices + ports,
        drives={**topology.drives, "c": Drive("c", "port0")},
        ports={"second": Port("second", "c", "port1")},
    )


def root_ports(name: str, sizes: Sequence[int], **options: Any) -> Topology:
    devices = [f"pcie-root-port,id=down{i},bus=pcie.0,chassis={i + 1},slot={i + 1}" for i in range(3)]
    return build(name, "three root ports", ROOT_PORTS, devices, sizes, **options)


def build(
    name: str,
    about: str,
    picture: str,
    devices: list[str],
    sizes: Sequence[int],
    iommu: bool = False,
    memory: str = "1G",
) -> Topology:
    """SIZES of the BARs are in MiB; none of it is there until it is touched."""
    providers = {}
    for i, size in enumerate(sizes):
        addr = f"0.{i % 8}" + (",multifunction=on" if len(sizes) > 1 and i % 8 == 0 else "")
        providers[f"m{i}"] = RamBar(f"m{i}", f"down{2 + i // 8}", size, addr)
    if iommu:
        devices.insert(0, "intel-iommu,intremap=off")
    return Topology(
        name=f"bench-{name}",
        about=about,
        picture=picture,
        cpu="EPYC",
        devices=tuple(devices),
        drives={d: Drive(d, f"down{i}") for i, d in enumerate("ab")},
        ram_bars=providers,
        expect={},
        machine="q35,kernel-irqchip=off" if iommu else "q35",
        iommu=iommu,
        memory=memory,
        # Lazy invalidation would leave its work to a timer.
        cmdline="intel_iommu=on iommu.strict=1" if iommu else "",
    )


MAPS = ("map-*", "unmap-*")
LISTS = ("sg-*", "rlist-*")
# What "user" stands for: see bench/user.c.
OF_PROGRAMS = ("mmap-", "munmap-", "direct-")
# Likewise "stacks"; of a bare drive, too, to tell what a layer costs
STACKS = ("drive", "multipath", "linear", "raid0", "raid1")
REGISTER_MIB = (64, 256, 1024, 4096, 16384, 65536)

ALL = [
    Machine(
        "switch",
        "one switch, a BAR of 8 GiB",
        switch("switch", [8192]),
        # What is scattered is kept from one operation to the next, as long as less and less is taken.
        (
            "clock",
            "register",
            "alloc-*-full*",
            "free-*-full*",
            *(f"{verb}-*-frag{full}" for full in (99, 90, 50) for verb in ("alloc", "free")),
            "distance-*",
            "find-1",
            *MAPS,
            "user",
        ),
    ),
    Machine(
        "failures",
        "one switch, a BAR of 512 MiB, a pool of eight regions",
        switch("failures", [512]),
        ("fail-*",),
        possible_cpus=8,
    ),
    Machine("providers", "one switch, 64 BARs of 2 MiB", switch("providers", [2] * 64), ("find-*",)),
    # A row for each number of clients: what one more costs those that are there
    Machine("clients", "one switch, 1,024 clients", many_clients("clients", 1024), ("turn-*",)),
    Machine("root-ports", "through the root complex", root_ports("root-ports", [1024]), ("distance-2", *MAPS)),
    Machine("switch-iommu", "one switch, an IOMMU that translates", switch("switch-iommu", [1024], iommu=True), MAPS),
    Machine(
        "root-ports-iommu", "through an IOMMU that translates", root_ports("root-ports-iommu", [1024], iommu=True), MAPS
    ),
    Machine(
        "stacks",
        "one switch, drives and what is made of them",
        stacked("stacks"),
        ("stacks",),
        extras=("dmsetup", "mdadm"),
    ),
    Machine("rlist", "one switch, range lists", switch("switch", [64]), LISTS, stock=False),
    Machine(
        "rlist-iommu",
        "range lists, through an IOMMU that translates",
        root_ports("root-ports-iommu", [64], iommu=True),
        LISTS,
        stock=False,
    ),
    *(
        Machine(
            f"register-{size}",
            f"registration of {size} MiB",
            switch(f"register-{size}", [size], memory="2G" if size > 16384 else "1G"),
            ("register",),
        )
        for size in REGISTER_MIB
    ),
    Machine("cpus", "two processors", switch("cpus", [8192]), ("cpus-*",), accel="tcg"),
]
BY_NAME = {m.name: m for m in ALL}
# Where drives do transfer: see rates.py.
RATES = switch("rates", [256])
# What bench/BASELINE.json holds.
CHECKED = [m.name for m in ALL if m.exact and not m.name.startswith(("register-", "stacks"))]
