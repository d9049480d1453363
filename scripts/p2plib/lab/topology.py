# SPDX-License-Identifier: GPL-2.0-only
"""Topologies are data: lab/topologies/NAME.toml, checked here before anything is started."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

from p2plib import ROOT, Fail, arch as arches
from p2plib.arch import X86_64, Arch
from p2plib.lab.sizes import RANDOM_MIB
from p2plib.schema import complaint

FOLDER = ROOT / "lab" / "topologies"
MAP_TYPES = ("bus-addr", "host-bridge", "none")


@dataclass(frozen=True)
class Drive:
    """An NVMe drive; its id is also its serial number, by which the guest finds it."""

    id: str
    bus: str
    cmb_size_mb: int = 0
    addr: str = ""
    pi: int = 0  # type of protection information, 0 is none

    BLOCK: ClassVar = 512
    METADATA: ClassVar = 8  # bytes of it for each block, which QEMU keeps behind all of them

    def data_end(self, size: int) -> int:
        """Where in a file of SIZE bytes the protection information begins."""
        return size // (self.BLOCK + self.METADATA) * self.BLOCK if self.pi else size


@dataclass(frozen=True)
class Port:
    """A further controller of a drive, which has the same namespace; by its id the host unplugs it."""

    id: str
    drive: str
    bus: str
    addr: str = ""


@dataclass(frozen=True)
class RamBar:
    """A device without driver (ivshmem) whose BAR 2 is RAM of the host: fast, sparse, of any size (a power of two)."""

    id: str
    bus: str
    size_mb: int
    addr: str = ""


@dataclass(frozen=True)
class Route:
    """What the kernel must say of one (provider, client)."""

    read: str
    write: str
    distance: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Variant:
    """The topology on another architecture than x86_64: a table of that name, with what is different there."""

    machine: str | None = None
    cmdline: str = ""  # where the host bridge is on no list, the administrator's word on it


@dataclass(frozen=True)
class Topology:
    name: str
    about: str
    picture: str
    cpu: str
    devices: tuple[str, ...]  # in QEMU's words
    drives: dict[str, Drive]
    expect: dict[str, dict[str, Route]]  # provider id -> client id -> Route
    ram_bars: dict[str, RamBar] = field(default_factory=dict)
    ports: dict[str, Port] = field(default_factory=dict)
    machine: str = ""  # of QEMU, if not the usual one
    memory: str = "1G"
    cmdline: str = ""
    iommu: bool = False  # a translating one: what a drive's DMA shows is an IOVA
    copy_mib: int = 16  # what a copy moves; the emulation of some machines is slow
    arch: Arch = X86_64

    @property
    def providers(self) -> list[str]:
        return [*(d.id for d in self.drives.values() if d.cmb_size_mb), *self.ram_bars]

    @property
    def clients(self) -> list[str]:
        return [d.id for d in self.drives.values() if not d.cmb_size_mb]

    def has_ports(self, drive: str) -> bool:
        return any(port.drive == drive for port in self.ports.values())

    def pairs(self) -> list[tuple[str, str, str]]:
        """(provider, from, to) of every copy between two drives that are no providers."""
        return [(p, a, b) for p in self.providers for a in self.clients for b in self.clients if a != b]


def names(arch: Arch = X86_64) -> list[str]:
    """Of those that an architecture has."""
    found = sorted(path.stem for path in FOLDER.glob("*.toml"))
    return [name for name in found if arch == X86_64 or arch.name in read(name)]


def read(name: str) -> dict[str, Any]:
    path = FOLDER / f"{name}.toml"
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise Fail(f"{path.name}: {error}: correct it") from error


def load(name: str, arch: Arch | None = None) -> Topology:
    """On the architecture that ARCH= names, unless told."""
    arch = arch or arches.chosen()
    if name not in names():
        raise Fail(f"no topology '{name}': choose one of {', '.join(names(arch))}")
    if name not in names(arch):
        raise Fail(f"topology {name} is not there on {arch.name}: choose one of {', '.join(names(arch))}")
    return parse(name, read(name), arch)


def parse(name: str, data: Mapping[str, Any], arch: Arch = X86_64) -> Topology:
    """A Topology from what the file holds, or a Fail that names the key at fault."""
    variants = {other: data[other] for other in arches.ALL if other in data}
    data = {key: value for key, value in data.items() if key not in variants}
    for other, keys in variants.items():
        check(f"{name}: {other}", keys, Variant)
    check(name, data, Topology, "name", "arch")
    for device in data["devices"]:
        if not isinstance(device, str):
            fault(name, f"devices: {device!r} is not a string")
    buses = {"pcie.0"} | {m[1] for d in data["devices"] if (m := re.search(r"(?:^|,)id=([\w.-]+)", d))}

    drives = {i: Drive(id=i, **keys) for i, keys in functions(name, "drives", data["drives"], Drive, buses)}
    given = data.get("ram_bars", {})
    ram_bars = {i: RamBar(id=i, **keys) for i, keys in functions(name, "ram_bars", given, RamBar, buses)}
    for bar in ram_bars.values():
        if bar.id in drives:
            fault(f"{name}: ram_bars.{bar.id}", "is a drive's id already")
        if bar.size_mb < 2 or bar.size_mb & (bar.size_mb - 1):
            fault(f"{name}: ram_bars.{bar.id}", f"size_mb = {bar.size_mb} is not a power of two from 2")
    ports = {i: Port(id=i, **keys) for i, keys in functions(name, "ports", data.get("ports", {}), Port, buses)}
    for port in ports.values():
        where = f"{name}: ports.{port.id}"
        if port.id in drives or port.id in ram_bars:
            fault(where, "is the id of something else already")
        if port.drive not in drives or drives[port.drive].pi:
            fault(where, f"drive = '{port.drive}' is no drive without protection information")
    fields: dict[str, Any] = {
        "devices": tuple(data["devices"]),
        "drives": drives,
        "ram_bars": ram_bars,
        "ports": ports,
        "expect": parse_expect(name, data["expect"], drives, ram_bars),
    }
    if arch != X86_64:
        variant = Variant(**variants[arch.name])
        fields |= {
            "devices": tuple(d for d in data["devices"] if not d.startswith(arch.foreign)),
            "machine": variant.machine or "",
            "cmdline": variant.cmdline,
            "cpu": arch.cpu,
            # It may name a processor of x86.
            "picture": re.sub(r"CPU \(\w+\)", "CPU", data["picture"]),
        }
    topology = Topology(name=name, arch=arch, **{**data, **fields})
    if len(topology.clients) < 2 or not topology.providers:
        fault(name, "drives: two that are no providers, and one with cmb_size_mb or a RAM BAR, are the least")
    if (pairs := len(topology.pairs())) * topology.copy_mib > RANDOM_MIB:
        fault(
            f"{name}: copy_mib",
            f"{pairs} copies of {topology.copy_mib} MiB are more than the {RANDOM_MIB} MiB of data that a drive holds: "
            f"use {RANDOM_MIB // pairs or 'fewer drives, or providers'}",
        )
    return topology


def functions(
    name: str, table: str, data: Mapping[str, Any], kind: type, buses: set[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(id, its keys) of each device in a table, checked."""
    for i, keys in data.items():
        where = f"{name}: {table}.{i}"
        if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", i):
            fault(where, "an id is a lower-case letter, then up to 15 letters and digits")
        check(where, keys, kind, "id")
        if keys["bus"] not in buses:
            fault(where, f"bus '{keys['bus']}' is no device's id")
        yield i, keys


def parse_expect(
    name: str, expect: Mapping[str, Any], drives: Mapping[str, Drive], ram_bars: Mapping[str, RamBar]
) -> dict[str, dict[str, Route]]:
    """The verdict matrix, which must be complete: each provider, each other drive."""
    providers = {d.id for d in drives.values() if d.cmb_size_mb} | set(ram_bars)
    if set(expect) != providers:
        fault(f"{name}: expect", f"must hold the providers {sorted(providers)}, holds {sorted(expect)}")
    matrix: dict[str, dict[str, Route]] = {}
    for provider, clients in expect.items():
        where = f"{name}: expect.{provider}"
        if not isinstance(clients, dict) or set(clients) != set(drives) - {provider}:
            fault(where, f"must hold the clients {sorted(set(drives) - {provider})}")
        matrix[provider] = {}
        for client, keys in clients.items():
            check(f"{where}.{client}", keys, Route)
            for way in ("read", "write"):
                if keys[way] not in MAP_TYPES:
                    fault(f"{where}.{client}", f"{way} = '{keys[way]}' is none of {', '.join(MAP_TYPES)}")
            matrix[provider][client] = Route(**keys)
    return matrix


def check(where: str, data: Any, kind: type, *given: str) -> None:
    if what := complaint(data, kind, *given):
        fault(where, what)


def fault(where: str, what: str) -> NoReturn:
    raise Fail(f"topology {where}: {what}: correct lab/topologies/{where.split(':')[0]}.toml")
