# SPDX-License-Identifier: GPL-2.0-only
"""What can be run in a guest: the command, on which topologies, and what the host checks afterwards."""

import fnmatch
import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Callable

from lab import ROOT, LabError, topology as topologies, trace

MIB = 1 << 20
DEMO_MIB = 16
NVMET_MIB = 2
HOSTS_KIB = 1536        # as nvmet-hosts.sh has it
FILE_BYTES = 64 << 10   # as p2p_file.c has it
FIO_BYTES = 2 * 2 * 2 * MIB     # two jobs of 2 MiB, each byte written and read
CPUS = 2
DRIVE_MIB = 64
RANDOM_MIB = 32         # at the start of each drive; the rest is a hole
SUITES = ROOT / "drivers" / "pci" / "p2pdma" / "tests"
TAINT_MODULE = 1 << 12      # one that was built outside the tree
TAINT_TEST = 1 << 18
STOCK_HAS_NONE = "the stock kernel has no such thing"


def nothing(_vm, _run):
    return []


@dataclass(frozen=True)
class Program:
    name: str
    about: str
    order: Callable         # topology -> guest's argv
    check: Callable = nothing       # (vm, run) -> reasons why it is no pass
    timeout: int = 120       # seconds under TCG with the lab kernel; a debug kernel gets several times that
    where: tuple | None = None      # topologies, None is all
    skip_on: tuple = ()     # configs that lack what it tests
    only_on: tuple = ()     # configs that have what it needs, if others do not
    extras: tuple = ()      # further binaries for the guest
    cmdline: str = ""       # for the kernel
    debug_cmdline: str = ""     # for a debug kernel, besides
    cpu: str = ""           # instead of the topology's
    possible_cpus: int = 0      # more than run: what the kernel makes one of for each of them
    taint: int = 0          # what it does to the kernel
    handlers: dict = field(default_factory=dict)    # verb of a "# lab:" line -> what the host then does with the VM
    events: tuple = ()      # of QEMU's trace, for check
    books: bool = True      # whether the host looks at the drives' DMA: to trace each access makes copies slow
    initiator: Callable | None = None   # topology -> what a second VM runs, which is on a wire to the first
    mib: Callable = lambda topology: topology.copy_mib     # what one copy moves


def outcome(topology, provider, source, target):
    """What a copy must come to: SOURCE writes the lent memory, TARGET reads it."""
    if topology.expect[provider][source].write == "none":
        return "fill"
    return "drain" if topology.expect[provider][target].read == "none" else "ok"


def copies(topology):
    return [(*pair, outcome(topology, *pair)) for pair in topology.pairs()]


def order_copy(topology):
    return ["copy.sh", str(topology.copy_mib), *(":".join(copy) for copy in copies(topology))]


def check_copy(vm, run):
    """Each byte of a copy goes into the BAR once and out of it once, and the drives' files say that it arrived."""
    reasons = []
    size = vm.topology.copy_mib * MIB
    for index, (provider, source, target, result) in enumerate(copies(vm.topology)):
        name = f"{provider}.{source}.{target}"
        phase = next((p for p in vm.phases if p.name == name), None)
        if not phase:
            reasons.append(f"{name}: no such phase")
            continue
        if result == "ok":
            reasons += moved(phase, {provider: 2 * size}, 0)
        elif phase.ram or phase.unknown:
            reasons.append(f"{name}: refused, but {phase.ram + phase.unknown} bytes went elsewhere")
        elif result == "fill" and phase.bar:
            reasons.append(f"{name}: refused, but {phase.bar} bytes went into the BAR")
        owner = source if result == "ok" else target
        if digest(vm.drive_file(target), index * size, size) != run.before[owner][index]:
            reasons.append(f"{name}: drive {target} holds something else than {owner} did")
    return reasons


def moved(phase, bars, ram):
    """Reasons why the drives did not move just this."""
    if dict(phase.bars) == bars and phase.ram == ram and not phase.unknown:
        return []
    return [f"{phase.name}: the drives moved {dict(phase.bars)} in BARs, {phase.ram} bytes in RAM, {phase.unknown} "
            f"at addresses unknown; expected {bars} and {ram}"]


def check_routes(vm, run):
    """The kernel's verdicts are the topology's."""
    said = {}
    for line in vm.lines:
        if found := re.fullmatch(r"# route (\S+) (\S+) (.*)", line):
            said[found[1], found[2]] = dict(re.findall(r"(\w+)=(\S+)", found[3]))
    reasons = []
    for provider, clients in vm.topology.expect.items():
        for client, want in clients.items():
            got = said.get((vm.bdfs.get(provider), vm.bdfs.get(client)))
            if got is None:
                reasons.append(f"routes: no verdict on {provider} and {client}")
                continue
            for key in ("read", "write", "distance", "reason"):
                value = getattr(want, key)
                if value is not None and got.get(key) != str(value):
                    reasons.append(f"routes: {provider} and {client}: {key}={got.get(key)}, expected {value}")
    return reasons


def suites():
    """The KUnit suites that our sources declare."""
    found = [name for path in sorted(SUITES.glob("*.c"))
             for name in re.findall(r'^\t\.name = "(p2pdma[-_]\w+)",$', path.read_text(), re.M)]
    if not found or len(set(found)) != len(found):
        raise LabError(f"{SUITES}: no suites, or two of one name: {found}")
    return found


def suite_verdicts(lines):
    """{suite: "ok" or "not ok", with what it says about its cases}."""
    totals, verdicts = "", {}
    for line in lines:
        if found := re.fullmatch(r"\s*# (p2pdma[-_]\w+): (pass:.*)", line):
            totals = found[2]
        elif found := re.fullmatch(r"((?:not )?ok) \d+ (p2pdma[-_]\w+)(.*)", line):
            verdicts[found[2]] = f"{found[1]}{found[3]} {totals}"
            totals = ""
    return verdicts


def check_suites(vm, names):
    """Reasons why the suites that ran are not these."""
    said = set(suite_verdicts(vm.lines))
    return [f"kunit: suite {name} did not run" for name in names if name not in said] + \
           [f"kunit: suite {name} is in no file of ours" for name in sorted(said - set(names))]


def check_kunit(vm, _run):
    """A suite that did not run is no pass, nor is one that nobody knows."""
    return check_suites(vm, suites())


def order_demo(topology):
    return ["demo.sh", str(DEMO_MIB), topology.providers[0], *topology.clients[:2]]


def check_demo(vm, run):
    """One copy in the BAR alone, the other in RAM alone."""
    phases = {phase.name: phase for phase in vm.phases}
    size = 2 * DEMO_MIB * MIB
    if set(phases) != {"bar", "ram"}:
        return [f"phases are {sorted(phases)}, expected bar and ram"]
    reasons = moved(phases["bar"], {vm.topology.providers[0]: size}, 0) + moved(phases["ram"], {}, size)
    source, target = vm.topology.clients[:2]
    for index, name in enumerate(("bar", "ram")):
        if digest(vm.drive_file(target), index * size // 2, size // 2) != run.before[source][index]:
            reasons.append(f"{name}: drive {target} does not hold what {source} did")
    return reasons


def check_nvmet(vm, run):
    """Data of a target: where its drives' DMA went. Loop passes them on; each TCP phase writes and reads once."""
    bar, ram = ({vm.topology.providers[0]: 2 * NVMET_MIB * MIB}, 0), ({}, 2 * NVMET_MIB * MIB)
    return all_moved(vm, {"loop": bar, "tcp-ram": ram, "tcp-bar": bar})


def check_nvmet_rdma(vm, run):
    bar, ram = ({vm.topology.providers[0]: 2 * NVMET_MIB * MIB}, 0), ({}, 2 * NVMET_MIB * MIB)
    return all_moved(vm, {"rxe-ram": ram, "rxe-bar": bar, "siw-ram": ram, "siw-bar": bar})


def check_hosts(vm, run):
    """In each round both drives' data are written once, and read once to verify them: at least that in the BAR."""
    least, phases = 2 * 2 * HOSTS_KIB << 10, {phase.name: phase for phase in vm.phases}
    if set(phases) != {"tcp", "rxe"}:
        return [f"phases are {sorted(phases)}, expected rxe and tcp"]
    # The initiator's kernel may yet be looking for partitions.
    return [reason for phase in phases.values()
            for reason in moved(phase, {vm.topology.providers[0]: max(least, phase.bar)}, 0)]


def all_moved(vm, expected):
    """Reasons why the phases are not these, each with just these books."""
    phases = {phase.name: phase for phase in vm.phases}
    if set(phases) != set(expected):
        return [f"phases are {sorted(phases)}, expected {sorted(expected)}"]
    return [reason for name, books in expected.items() for reason in moved(phases[name], *books)]


def check_paths(vm, run):
    """Bytes in the BAR alone, once told to the drives by PRPs and once by SGLs, as QEMU saw the commands."""
    topology, size = vm.topology, vm.topology.copy_mib * MIB
    phases = {phase.name: phase for phase in vm.phases}
    if list(phases) != ["prp", "sgl"]:
        return [f"phases are {list(phases)}, expected prp and sgl"]
    reasons = []
    source, target = topology.clients[:2]
    for index, (name, phase) in enumerate(phases.items()):
        reasons += moved(phase, {topology.providers[0]: 2 * size}, 0)
        for event in ("prp", "sgl"):
            seen = phase.events[f"pci_nvme_map_{event}"]
            if bool(seen) != (event == name):
                reasons.append(f"{name}: {seen} times QEMU looked into a {event}")
        if digest(vm.drive_file(target), index * size, size) != run.before[source][index]:
            reasons.append(f"{name}: drive {target} does not hold what {source} did")
    return reasons


def check_queues(vm, run):
    """Of the queues that the drives were told of, the lender's I/O queues (one a CPU) are in its BAR."""
    first, last = vm.bars[vm.topology.providers[0]]
    addresses = [int(found[1], 16) for line in trace.part_of(vm.folder / "trace.log", 0, None)
                 if (found := re.match(rb"pci_nvme_create_sq .*addr=0x([0-9a-f]+)", line))]
    inside = [a for a in addresses if first <= a <= last]
    if len(inside) != CPUS or len(set(inside)) != CPUS:
        return [f"submission queues at {[hex(a) for a in addresses]}: {len(inside)} of them in the BAR, {first:#x}-"
                f"{last:#x}; expected {CPUS}"]
    if f"# digest {run.before[vm.topology.providers[0]][0]}" not in vm.lines:
        return ["the guest read something else from the lender than there was"]
    return []


def with_env(program):
    """C programs find the lender by its serial number, and two drives."""
    return lambda topology: ["with-drives.sh", topology.providers[0], *topology.clients[:2], program]


def order_file(topology):
    """QEMU 7.2 drops what is no whole sector from DMA to memory that is no RAM, see dma_blk_cb(): a drive's CMB."""
    limits = ["P2P_NO_WORDS=1"] if topology.providers[0] in topology.drives else []
    return ["env", *limits, "with-files.sh", topology.providers[0], *topology.clients[:2], "p2p_file"]


def check_file(vm, _run):
    """Each way to do direct I/O reads and writes FILE_BYTES in the BAR, vectors half of it in RAM.

    Both drives have a file system with a journal in RAM, which is written when it likes.
    """
    ways = [(where, how) for where in ("drive", "ext4", "xfs") for how in ("sync", "vectors", "libaio", "io_uring")]
    ways += [("command", "ioctl"), ("command", "io_uring")]
    phases = {phase.name: phase for phase in vm.phases}
    if set(phases) != {".".join(way) for way in ways}:
        return [f"phases are {sorted(phases)}, expected {ways}"]
    reasons = []
    for where, how in ways:
        phase = phases[f"{where}.{how}"]
        ram = FILE_BYTES if how == "vectors" else 0
        reasons += moved(phase, {vm.topology.providers[0]: 2 * FILE_BYTES - ram},
                         min(max(phase.ram, ram), ram + FILE_BYTES // 4))
    return reasons


def unplug(vm, drive):
    vm.qmp.device_del(drive)


def replug(vm, drive):
    """The drive that was unplugged, or one that cannot be told from it."""
    lost = vm.topology.drives[drive]
    vm.replugged += 1
    node = f"file-{drive}-{vm.replugged}"
    vm.qmp.command("blockdev-add", driver="raw", **{"node-name": node},
                   file={"driver": "file", "filename": str(vm.drive_file(drive))})
    vm.qmp.device_add("nvme", id=drive, serial=drive, drive=node, bus=lost.bus, cmb_size_mb=lost.cmb_size_mb,
                      **({"addr": lost.addr} if lost.addr else {}))


def press(vm, drive):
    """Ask for it, and let the guest go on meanwhile."""
    vm.qmp.command("device_del", id=drive)


def plug(vm, name):
    """Put a lender back as soon as it is out, with new memory: QEMU 7.2 trips over what has been used before."""
    lender = vm.topology.lenders[name]
    vm.qmp.wait_event("DEVICE_DELETED", 30, device=name)
    vm.qmp.command("object-del", id=f"ram-{name}-{vm.replugged}" if vm.replugged else f"ram-{name}")
    vm.replugged += 1
    memory = f"ram-{name}-{vm.replugged}"
    vm.qmp.command("object-add", id=memory, size=lender.size_mb * MIB, share=True,
                   **{"qom-type": "memory-backend-memfd"})
    vm.qmp.device_add("ivshmem-plain", id=name, memdev=memory, bus=lender.bus,
                      **({"addr": lender.addr} if lender.addr else {}))


def hold(vm, drive):
    """I/O of the drive stays in flight from now on."""
    vm.qmp.throttle(f"file-{drive}", 1)


def release(vm, drive):
    vm.qmp.throttle(f"file-{drive}", 0)


def check_power_down(vm, _run):
    """The memory was in use when the machine was switched off, which came to its end all the same."""
    console = (vm.folder / "console.log").read_text(errors="replace")
    return [f"the console does not say '{line}'"
            for line in ("teardown.sh: switched off in the middle of it", "reboot: Power down") if line not in console]


WARM_UP = 4             # rounds in which caches fill that stay
# KiB a round. What is free wanders by megabytes; the struct pages alone of what is lent here are one.
KIB = {"MemFree": 256, "PageTables": 16, "Percpu": 16}
# In few rounds that is less than it wanders; still less than the struct pages of those.
WANDERS = {"MemFree": 6000}
# vfree() gives areas back when there are many; how many the pools have is counted apart.
LAZY = {"slab.vmap_area"}


def check_drift(vm, _run):
    """What is in use does not grow by as much as one object in two rounds, nor by what KIB says."""
    samples = [dict(re.findall(r"(\S+)=(\S+)", line)) for line in vm.lines if line.startswith("# sample ")]
    if len(samples) < 3 * WARM_UP:
        return [f"drift: {len(samples)} samples, which is too few to tell"]
    samples = samples[WARM_UP:]
    reasons = [f"drift: {name} was {samples[0][name]} and is {samples[-1][name]}" for name in ("iomem", "pools")
               if samples[0][name] != samples[-1][name]]
    part = len(samples) // 4
    for name in sorted(set().union(*samples) - {"iomem", "pools"} - LAZY):
        sign = -1 if name == "MemFree" else 1
        # The least of several: what is not given back yet is not lost.
        first, last = (min(sign * int(sample.get(name, 0)) for sample in some)
                       for some in (samples[:part], samples[-part:]))
        if last - first > max(KIB.get(name, 0.5) * (len(samples) - part), WANDERS.get(name, 0)):
            reasons.append(f"drift: {name} went from {sign * first} to {sign * last} in {len(samples) - part} rounds")
    return reasons


def check_fio(vm, run):
    """However fio does it, its data pass through the BAR and never through RAM."""
    phases = {phase.name: phase for phase in vm.phases}
    ways = ("sync", "vectors", "libaio", "io_uring", "pages", "async")
    if tuple(phases) != ways:
        return [f"phases are {list(phases)}, expected {list(ways)}"]
    return [reason for phase in phases.values() for reason in moved(phase, {vm.topology.providers[0]: FIO_BYTES}, 0)]


# Without sanity checks of the slabs, all objects of one that a CPU holds count as used: 256 of the smallest.
EXACT = "slab_debug=F"


def rounds(name, number, check=check_drift, **options):
    return Program(name, f"the lender is pulled out under load and put back, {number} times",
                   lambda t: ["unplug-rounds.sh", str(number), t.clients[0], t.providers[0]], check,
                   where=("ram-lender",), skip_on=("stock",), extras=("fio",), books=False,
                   handlers={"press": press, "plug": plug}, cmdline=EXACT, **options)


ALL = [
    Program("routes", "the kernel's verdict on each pair", lambda t: ["routes.sh", *t.drives, *t.lenders], check_routes,
            skip_on=("stock",)),
    Program("copy", "drive to drive through lent memory, each pair", order_copy, check_copy, timeout=180),
    Program("mmap", "the contract of p2pmem/allocate", with_env("p2p_mmap"),
            where=("same-switch", "two-root-ports-iommu"), skip_on=("stock",)),
    Program("mm", "what memory management does with a mapping of it", with_env("p2p_mm"),
            where=("same-switch", "ram-lender"), skip_on=("stock",)),
    Program("refuse", "peer memory into what did not consent", with_env("p2p_refuse"),
            where=("same-switch", "two-root-ports-iommu")),
    Program("unbind", "the lender's driver goes while a program maps its memory, or has pinned it",
            with_env("p2p_unbind"), where=("ram-lender",), skip_on=("stock",)),
    Program("fails", "each allocation fails in turn", with_env("p2p_fails"), where=("same-switch",),
            only_on=("debug",), timeout=180),
    Program("file", "files, pipes, sockets and commands with data in peer memory", order_file, check_file,
            where=("same-switch", "ram-lender"), skip_on=("stock",), extras=("mkfs.ext4", "mkfs.xfs")),
    Program("nvme-paths", "data described by PRPs, and by SGLs",
            lambda t: ["nvme-paths.sh", str(t.copy_mib), t.providers[0], *t.clients[:2]], check_paths, timeout=180,
            where=("same-switch", "two-root-ports-iommu"), events=("pci_nvme_map_prp", "pci_nvme_map_sgl")),
    Program("nvme-queues", "submission queues in a CMB",
            lambda t: ["nvme-queues.sh", str(t.copy_mib), t.providers[0]], check_queues,
            where=("two-root-ports", "two-root-ports-iommu"), events=("pci_nvme_create_sq",)),
    Program("nvme-reset", "controllers reset, and the lender's driver removed, during copies",
            lambda t: ["nvme-reset.sh", t.providers[0], *t.clients[:2]], timeout=300,
            where=("same-switch", "two-root-ports-iommu"), skip_on=("stock",), books=False),
    Program("nvme-suspend", "all devices suspended and resumed during copies",
            lambda t: ["nvme-reset.sh", t.providers[0], *t.clients[:2], "suspend"], timeout=180,
            where=("same-switch", "two-root-ports-iommu"), skip_on=("stock",), books=False),
    Program("nvme-cmb", "a CMB, and one that is too small for struct pages",
            lambda t: ["nvme-cmb.sh", t.providers[0], str(8 * MIB), "small"], where=("same-switch-identity",)),
    Program("policy", "what the administrator says of an unknown root complex",
            lambda t: ["policy.sh", t.providers[0], *t.clients[:2]], where=("unknown-root-complex",)),
    Program("unplug", "the lender is pulled out while its memory is mapped and used",
            lambda t: ["unplug.sh", *t.clients[:2], t.providers[0]],
            where=("same-switch",), handlers={"unplug": unplug}),
    Program("pinned", "the lender is taken away while a drive's DMA to it is held back",
            lambda t: ["pinned.sh", t.clients[0], t.providers[0]],
            where=("same-switch", "ram-lender"), skip_on=("stock",), books=False,
            handlers={"hold": hold, "release": release, "press": press}),
    Program("teardown", "all the ways in which lent memory ends, while it is mapped, used and just being lent",
            lambda t: ["teardown.sh", *t.clients[:2], t.providers[0]], check_power_down, timeout=240,
            where=("ram-lender",), skip_on=("stock",), books=False, handlers={"press": press, "plug": plug}),
    Program("shutdown", "the machine is switched off while memory is just being lent",
            lambda t: ["teardown.sh", *t.clients[:2], t.providers[0], "later"], check_power_down,
            where=("ram-lender",), skip_on=("stock",), books=False),
    rounds("unplug-2", 2, nothing, timeout=180),
    rounds("unplug-20", 20, timeout=900),
    rounds("unplug-100", 100, timeout=3600),
    Program("fio", "fio with its buffers in lent memory, verified", lambda t: ["fio.sh", t.providers[0], t.clients[0]],
            check_fio, timeout=240, where=("ram-lender",), skip_on=("stock",), extras=("fio",)),
    Program("lend", "the driver that lends any BAR", lambda t: ["lend.sh", t.providers[0], t.clients[0]],
            where=("ram-lender",), skip_on=("stock",)),
    Program("nvmet", "an NVMe-oF target that serves from lent memory, over loop and TCP",
            lambda t: ["nvmet.sh", str(NVMET_MIB), *t.clients[:2], t.providers[0]], check_nvmet, timeout=300,
            where=("same-switch",), skip_on=("stock",), extras=("fio",), handlers={"unplug": unplug},
            mib=lambda t: NVMET_MIB),
    Program("nvmet-apart", "a target whose drive does not reach the lender",
            lambda t: ["nvmet-apart.sh", str(NVMET_MIB), t.clients[0], t.providers[0]],
            lambda vm, run: all_moved(vm, {"apart": ({}, 2 * NVMET_MIB * MIB)}),
            where=("unknown-root-complex",), skip_on=("stock",), mib=lambda t: NVMET_MIB),
    Program("nvmet-rdma", "the same target over RDMA by software",
            lambda t: ["nvmet-rdma.sh", str(NVMET_MIB), t.clients[0], t.providers[0]], check_nvmet_rdma, timeout=300,
            where=("same-switch",), skip_on=("stock",), extras=("rdma",), mib=lambda t: NVMET_MIB),
    Program("nvmet-hosts", "a target and an initiator, each a machine of its own",
            lambda t: ["nvmet-hosts.sh", "target", *t.clients[:2], t.providers[0]], check_hosts, timeout=600,
            where=("same-switch",), skip_on=("stock",), extras=("fio", "rdma"), handlers={"unplug": unplug, "replug": replug},
            initiator=lambda t: ["nvmet-hosts.sh", "initiator"]),
    Program("demo", "one copy through the BAR and one through RAM", order_demo, check_demo, timeout=180,
            where=("same-switch",), mib=lambda t: DEMO_MIB),
]
# KUnit runs while the kernel boots: tests/test_kunit.py starts this one. Not on a CPU that stands for a root complex
# which routes everything: the suites have root complexes of their own. As many CPUs as the pool has regions at most.
KUNIT = Program("kunit", "the KUnit suites", lambda t: ["kunit.sh"], check_kunit, timeout=300, where=(),
                cmdline="kunit.enable=1", cpu="Haswell", possible_cpus=8, taint=TAINT_TEST,
                debug_cmdline="random_test.fabrics=2 scale_test.most=256")

# Needs the module: tests/test_lab.py builds it.
LEND_MODULE = Program("lend-module", "the driver that lends any BAR, as a module",
                      lambda t: ["lend-module.sh", *t.clients[:2], t.providers[0]], where=(), books=False,
                      cmdline="initcall_blacklist=lend_driver_init", taint=TAINT_MODULE)


def suite_alone(pattern):
    """As KUNIT, but only this suite, or those that match."""
    return replace(KUNIT, cmdline=f"{KUNIT.cmdline} kunit.filter_glob={pattern}",
                   check=lambda vm, _run: check_suites(vm, fnmatch.filter(suites(), pattern)))


# Not tests of the kernel: the lab's own, see tests/test_lab.py.
MISBEHAVIOURS = ("not", "failing", "skipped", "short", "status", "panic", "hang", "warn", "oops", "silent", "taint",
                 "fault", "lost")
BY_NAME = {p.name: p for p in (*ALL, KUNIT)} | {
    f"misbehave-{how}": Program(f"misbehave-{how}", "goes wrong on purpose",
                                lambda t, how=how: ["misbehave.sh", how], where=())
    for how in MISBEHAVIOURS}


def get(name):
    if name not in BY_NAME:
        raise LabError(f"no program '{name}': choose one of {', '.join(p.name for p in (*ALL, KUNIT))}")
    return BY_NAME[name]


def matrix(config="lab"):
    """Every (topology, program) that `make test` runs on the kernel CONFIG."""
    return [(t, p.name) for t in topologies.names() for p in ALL
            if (p.where is None or t in p.where) and (not p.only_on or config in p.only_on)]


def fill_drives(vm, mib):
    """Give each drive its file of random bytes; {drive: digest of each MIB of them}."""
    size = mib * MIB
    before = {}
    for drive in vm.topology.drives:
        with open(vm.drive_file(drive), "wb") as file:
            file.truncate(DRIVE_MIB * MIB)
            for _ in range(RANDOM_MIB):
                file.write(os.urandom(MIB))
        before[drive] = [digest(vm.drive_file(drive), at, size) for at in range(0, RANDOM_MIB * MIB, size)]
    return before


def digest(path, offset, size):
    with open(path, "rb") as file:
        file.seek(offset)
        return hashlib.sha256(file.read(size)).hexdigest()
