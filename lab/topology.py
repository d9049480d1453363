# SPDX-License-Identifier: GPL-2.0-only
"""Topologies are data: lab/topologies/NAME.toml, checked here before anything is started."""

import re
import tomllib
from dataclasses import dataclass, field

from lab import ROOT, LabError

FOLDER = ROOT / "lab" / "topologies"
MAP_TYPES = ("bus-addr", "host-bridge", "none")

# key: (type, must it be there)
TOP = {"about": (str, True), "picture": (str, True), "machine": (str, False), "cpu": (str, True),
       "memory": (str, False), "cmdline": (str, False), "iommu": (bool, False), "copy_mib": (int, False),
       "devices": (list, True), "drives": (dict, True), "lenders": (dict, False), "expect": (dict, True)}
DRIVE = {"bus": (str, True), "cmb_size_mb": (int, False), "addr": (str, False)}
LENDER = {"bus": (str, True), "size_mb": (int, True), "addr": (str, False)}
ROUTE = {"read": (str, True), "write": (str, True), "distance": (int, False), "reason": (str, False)}


@dataclass(frozen=True)
class Drive:
    """An NVMe drive; its id is also its serial number, by which the guest finds it."""
    id: str
    bus: str
    cmb_size_mb: int = 0
    addr: str = ""


@dataclass(frozen=True)
class Lender:
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
class Topology:
    name: str
    about: str
    picture: str
    cpu: str
    devices: tuple
    drives: dict
    expect: dict            # provider id -> client id -> Route
    lenders: dict = field(default_factory=dict)
    machine: str = "q35"
    memory: str = "1G"
    cmdline: str = ""
    iommu: bool = False     # a translating one: what a drive's DMA shows is an IOVA
    copy_mib: int = 16      # what a copy moves; the emulation of some machines is slow

    @property
    def providers(self):
        return [*(d.id for d in self.drives.values() if d.cmb_size_mb), *self.lenders]

    @property
    def clients(self):
        return [d.id for d in self.drives.values() if not d.cmb_size_mb]

    def pairs(self):
        """(provider, from, to) of every copy between two drives that lend nothing themselves."""
        return [(p, a, b) for p in self.providers for a in self.clients for b in self.clients if a != b]


def names():
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name):
    path = FOLDER / f"{name}.toml"
    if name not in names():
        raise LabError(f"no topology '{name}': choose one of {', '.join(names())}")
    try:
        data = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"{path.name}: {error}: correct it") from error
    return parse(name, data)


def parse(name, data):
    """A Topology from what the file holds, or a LabError that names the key at fault."""
    check(name, data, TOP)
    for device in data["devices"]:
        if not isinstance(device, str):
            fault(name, f"devices: {device!r} is not a string")
    buses = {"pcie.0"} | {m[1] for d in data["devices"] if (m := re.search(r"(?:^|,)id=([\w.-]+)", d))}

    drives = {i: Drive(id=i, **keys) for i, keys in functions(name, "drives", data["drives"], DRIVE, buses)}
    lenders = {i: Lender(id=i, **keys)
               for i, keys in functions(name, "lenders", data.get("lenders", {}), LENDER, buses)}
    for lender in lenders.values():
        if lender.id in drives:
            fault(f"{name}: lenders.{lender.id}", "is a drive's id already")
        if lender.size_mb < 2 or lender.size_mb & (lender.size_mb - 1):
            fault(f"{name}: lenders.{lender.id}", f"size_mb = {lender.size_mb} is not a power of two from 2")
    rest = {k: v for k, v in data.items() if k not in ("drives", "lenders", "expect", "devices")}
    topology = Topology(name=name, **rest, devices=tuple(data["devices"]), drives=drives, lenders=lenders,
                        expect=parse_expect(name, data["expect"], drives, lenders))
    if len(topology.clients) < 2 or not topology.providers:
        fault(name, "drives: two that lend nothing, and one with cmb_size_mb or a lender, are the least")
    return topology


def functions(name, table, data, schema, buses):
    """(id, its keys) of each device in a table, checked."""
    for i, keys in data.items():
        where = f"{name}: {table}.{i}"
        if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", i):
            fault(where, "an id is a lower-case letter, then up to 15 letters and digits")
        check(where, keys, schema)
        if keys["bus"] not in buses:
            fault(where, f"bus '{keys['bus']}' is no device's id")
        yield i, keys


def parse_expect(name, expect, drives, lenders):
    """The verdict matrix, which must be complete: each provider, each other drive."""
    providers = {d.id for d in drives.values() if d.cmb_size_mb} | set(lenders)
    if set(expect) != providers:
        fault(f"{name}: expect", f"must hold the providers {sorted(providers)}, holds {sorted(expect)}")
    matrix = {}
    for provider, clients in expect.items():
        where = f"{name}: expect.{provider}"
        if not isinstance(clients, dict) or set(clients) != set(drives) - {provider}:
            fault(where, f"must hold the clients {sorted(set(drives) - {provider})}")
        matrix[provider] = {}
        for client, keys in clients.items():
            check(f"{where}.{client}", keys, ROUTE)
            for way in ("read", "write"):
                if keys[way] not in MAP_TYPES:
                    fault(f"{where}.{client}", f"{way} = '{keys[way]}' is none of {', '.join(MAP_TYPES)}")
            matrix[provider][client] = Route(**keys)
    return matrix


def check(where, data, schema):
    """Every key known and of its type, every required key there."""
    if not isinstance(data, dict):
        fault(where, "is not a table")
    for key, value in data.items():
        if key not in schema:
            fault(where, f"unknown key '{key}', known are {', '.join(schema)}")
        if type(value) is not schema[key][0]:
            fault(where, f"{key} must be of type {schema[key][0].__name__}")
    for key, (_, required) in schema.items():
        if required and key not in data:
            fault(where, f"key '{key}' is missing")


def fault(where, what):
    raise LabError(f"topology {where}: {what}: correct lab/topologies/{where.split(':')[0]}.toml")
