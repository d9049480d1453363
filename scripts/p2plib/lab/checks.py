# SPDX-License-Identifier: GPL-2.0-only
"""What the host checks after a run: from QEMU's trace, the drives' files and what the guest said.

A check gets the VM, and the digests of each drive's content before the run; it returns the reasons why this is no pass.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from p2plib import ROOT, Fail
from p2plib.lab import trace
from p2plib.lab.drives import digest
from p2plib.lab.sizes import (
    CPUS,
    DEMO_MIB,
    DRIVE_MIB,
    FILE_BYTES,
    FIO_BUFFERS,
    FIO_BYTES,
    HOSTS_KIB,
    MIB,
    NVMET_MIB,
    STACK_MIB,
    WATCHED_KIB,
)
from p2plib.lab.topology import Topology
from p2plib.lab.trace import Phase
from p2plib.lab.vm import Vm

PEEK_MIB = 4  # what misbehave.sh copies when it peeks
COMMAND_KIB = 64  # what nvmet.sh writes at once over TCP while it is watched
SUITES = ROOT / "drivers" / "pci" / "p2pdma" / "tests"
SELFTESTS = ROOT / "tools" / "testing" / "selftests" / "pci-p2pdma"


# Of each drive: the digests of what was in it before the run
Before = Mapping[str, list[str]]
# Why this is no pass
Reasons = list[str]
# What drives moved: bytes in the BARs of providers, bytes in RAM
Moved = tuple[Mapping[str, int], int]
Check = Callable[[Vm, Before], Reasons]


def nothing(_vm: Vm, _before: Before) -> Reasons:
    return []


def outcome(topology: Topology, provider: str, source: str, target: str) -> str:
    """What a copy must come to: SOURCE writes the peer memory, TARGET reads it.

    Nor is there a way where the CPU would read the memory, as it does for protection information.
    """
    if topology.expect[provider][source].write == "none" or topology.drives[source].pi:
        return "fill"
    return "drain" if topology.expect[provider][target].read == "none" or topology.drives[target].pi else "ok"


def copies(topology: Topology) -> list[tuple[str, str, str, str]]:
    return [(*pair, outcome(topology, *pair)) for pair in topology.pairs()]


def check_copy(vm: Vm, before: Before) -> Reasons:
    """Each byte of a copy goes into the BAR once and out of it once, and the drives' files say that it arrived.

    The CPU has no part in it: QEMU has counted its instructions. The beginning of each is copied once more, with all
    accesses traced, which says the same.
    """
    reasons = []
    size = vm.topology.copy_mib * MIB
    for index, (provider, source, target, result) in enumerate(copies(vm.topology)):
        name = f"{provider}.{source}.{target}"
        phase = next((p for p in vm.phases if p.name == name), None)
        if not phase:
            reasons.append(f"{name}: no such phase")
            continue
        reasons += kept_out(phase)
        if result == "ok":
            reasons += moved(phase, {provider: 2 * size}, 0)
        elif phase.ram or phase.unknown:
            reasons.append(f"{name}: refused, but {phase.ram + phase.unknown} bytes went elsewhere")
        elif result == "fill" and phase.bar:
            reasons.append(f"{name}: refused, but {phase.bar} bytes went into the BAR")
        reasons += untouched(
            vm, f"{name}.watched", provider, {"ok": 2, "drain": 1, "fill": 0}[result] * WATCHED_KIB << 10
        )
        owner = source if result == "ok" else target
        if digest(vm.drive_file(target), index * size, size) != before[owner][index]:
            reasons.append(f"{name}: drive {target} holds something else than {owner} did")
    return reasons


def untouched(vm: Vm, name: str, provider: str, size: int, ram: int = 0) -> Reasons:
    """Reasons why not just SIZE bytes of the provider's BAR were moved in this watched phase, all of them by devices.

    There may be RAM bytes in RAM besides, such as metadata of a file system.
    """
    phase = next((p for p in vm.phases if p.name == name), None)
    if not phase or not phase.watched:
        return [f"{name}: no such phase, or nobody watched"]
    reasons = moved(phase, {provider: size} if size else {}, min(phase.ram, ram)) + kept_out(phase)
    # Only of a CMB can it be seen; and then the drives' accesses are seen as well, so nobody was blind.
    if provider in vm.topology.drives and phase.by_devices[provider] != size:
        reasons.append(f"{name}: QEMU shows {phase.by_devices[provider]} bytes of the BAR moved by devices, not {size}")
    if phase.cpu_read or phase.cpu_written:
        reasons.append(
            f"{name}: the CPU read {phase.cpu_read.total()} bytes of BARs, and wrote " f"{phase.cpu_written.total()}"
        )
    return reasons


def kept_out(phase: Phase) -> Reasons:
    """Reasons why CPUs have touched peer memory in a phase: not one byte, wherever in it and in whatever it is.

    Software cards do their DMA by a CPU, with an instruction of their own, which is not meant. Under KVM nobody sees.
    """
    if phase.touched is None:
        return []
    reasons = [
        f"{phase.name}: the CPU read {seen.read} and wrote {seen.written} bytes of {provider}'s memory, the last of "
        f"them at {seen.where:#x}, by the instruction at {seen.pc:#x}"
        for provider, seen in phase.touched.items()
        if seen.read or seen.written
    ]
    if phase.lost:
        reasons.append(f"{phase.name}: QEMU could not say where {phase.lost} accesses of CPUs went")
    return reasons


def by_card(phase: Phase, provider: str, size: int) -> Reasons:
    """Reasons why a software card has not moved this much each way in peer memory, or more, and CPUs nothing."""
    reasons = kept_out(phase)
    seen = phase.touched and phase.touched.get(provider)
    if seen and min(seen.card_read, seen.card_written) < size:
        reasons.append(
            f"{phase.name}: the card read {seen.card_read} and wrote {seen.card_written} bytes, expected {size} of both"
        )
    return reasons


def moved(phase: Phase, bars: Mapping[str, int], ram: int) -> Reasons:
    """Reasons why the drives did not move just this."""
    if dict(phase.bars) == bars and phase.ram == ram and not phase.unknown:
        return []
    return [
        f"{phase.name}: the drives moved {dict(phase.bars)} in BARs, {phase.ram} bytes in RAM, {phase.unknown} "
        f"at addresses unknown; expected {bars} and {ram}"
    ]


def check_integrity(vm: Vm, _before: Before, ram: int = 0) -> Reasons:
    """With checksums or the block layer's part in them switched off, the CPU keeps out."""
    names, size = [phase.name for phase in vm.phases], 2 * WATCHED_KIB << 10
    if names != ["write", "read"]:
        return [f"phases are {names}, expected write and read"]
    return [reason for name in names for reason in untouched(vm, name, vm.topology.providers[0], size, ram)]


def check_btrfs(vm: Vm, before: Before) -> Reasons:
    """The same of a file system, which has metadata to write, too."""
    return check_integrity(vm, before, ram=WATCHED_KIB << 8)


def check_btrfs_profiles(vm: Vm, before: Before) -> Reasons:
    """Copies of a MiB, each of which drives write into the BAR and read from there once, whichever mirror they take."""
    names = {phase.name for phase in vm.phases}
    if not {"raid1.1", "raid0.out", "raid0.in", "raid5.out"} <= names:
        return [f"phases are {sorted(names)}, expected those of raid1, raid0 and raid5"]
    bars = {vm.topology.providers[0]: 2 * MIB}
    return [reason for phase in vm.phases for reason in moved(phase, bars, min(phase.ram, STACK_RAM)) + kept_out(phase)]


# Superblocks and bitmaps of arrays, which are written when it is time
STACK_RAM = 256 << 10


def check_stack(vm: Vm, copies: Mapping[str, int]) -> Reasons:
    """Copies of a MiB or of STACK_MIB to and from stacked devices: {name: MiB in the BAR}, and those watched."""
    provider, phases = vm.topology.providers[0], {phase.name: phase for phase in vm.phases}
    if set(phases) != set(copies):
        return [f"phases are {sorted(phases)}, expected {sorted(copies)}"]
    reasons = []
    for name, mib in copies.items():
        if "watched" in name:
            reasons += untouched(vm, name, provider, mib * WATCHED_KIB << 10, STACK_RAM)
        else:
            reasons += kept_out(phases[name])
            reasons += moved(phases[name], {provider: mib * MIB}, min(phases[name].ram, STACK_RAM))
    return reasons


def through(name: str, legs: int = 1) -> dict[str, int]:
    """What a copy to a device of so many mirrors, one from it, and one that is watched move in the BAR."""
    return {
        f"{name}.in": (1 + legs) * STACK_MIB,
        f"{name}.out": 2 * STACK_MIB,
        f"{name}.watched": 1 + legs,
    }


def check_multipath(vm: Vm, _before: Before) -> Reasons:
    """Whatever port it takes, a copy is one read and one write of the BAR."""
    return check_stack(vm, {"watched": 2, **dict.fromkeys(("in", "out", "turns", "again"), 2 * STACK_MIB)})


def check_md(vm: Vm, _before: Before) -> Reasons:
    """Each member of a mirror that is there reads the BAR for itself."""
    two = 2 * STACK_MIB
    return check_stack(
        vm,
        {
            **through("raid0"),
            **through("linear"),
            **through("raid1", 2),
            **through("raid10", 2),
            **dict.fromkeys(("degraded", "far", "far2", "mixed", "mixed10"), two),
            **dict.fromkeys(("near", "mostly", "mostly2"), 3 * STACK_MIB),
            "alone": 2,
        },
    )


def check_dm(vm: Vm, _before: Before) -> Reasons:
    copies = {"back": 2 * STACK_MIB, "half": 2, "error": 2, "requests": 3 * STACK_MIB, **through("volume", 2)}
    for name in ("linear", "striped", "multipath", "delay", "origin"):
        copies |= through(name)
    return check_stack(vm, copies)


def check_nvmet_stack(vm: Vm, _before: Before) -> Reasons:
    """A mirror of two reads the BAR twice for a write; once more it is read, or written, by whom the data come from."""
    phases = [phase for phase in vm.phases if phase.name != "ram"]
    reasons = [
        f"{phase.name}: {phase.bar} bytes in the BAR" for phase in vm.phases if phase.name == "ram" and phase.bar
    ]
    if {phase.name for phase in phases} != {"tcp", "loop"} or len(phases) + 1 != len(vm.phases):
        return [f"phases are {[phase.name for phase in vm.phases]}, expected tcp, loop and ram"]
    provider = vm.topology.providers[0]
    reasons += [
        reason
        for phase in phases
        for reason in moved(phase, {provider: 3 * STACK_MIB * MIB}, min(phase.ram, STACK_RAM))
    ]
    # TCP has the CPU copy, which the administrator has asked for
    return reasons + [reason for phase in vm.phases if phase.name != "tcp" for reason in kept_out(phase)]


def check_merge(vm: Vm, _before: Before) -> Reasons:
    """Peer memory of one provider is merged as RAM is; the two are not merged with each other."""
    commands = {phase.name: phase.events["pci_nvme_read"] for phase in vm.phases}
    batches, pages = MIB // (16 * 4096), MIB // 4096
    if commands != {"ram": batches, "peer": batches, "both": pages}:
        return [f"the drive got {commands} commands for a MiB, expected {batches}, and {pages} for both"]
    provider = vm.topology.providers[0]
    return [
        reason
        for phase, size in zip(vm.phases, (0, MIB, MIB // 2))
        for reason in moved(phase, {provider: size} if size else {}, MIB - size)
    ]


def check_cpu(vm: Vm, before: Before) -> Reasons:
    """Of all the programs that go wrong on purpose, two have a phase, which the CPU has to keep out of."""
    provider = vm.topology.providers[0]
    return [
        reason
        for phase in vm.phases
        for reason in (
            untouched(vm, phase.name, provider, 2 * 4096)
            if phase.watched
            else moved(phase, {provider: 2 * PEEK_MIB * MIB}, 0) + kept_out(phase)
        )
    ]


def check_routes(vm: Vm, before: Before) -> Reasons:
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


def suites() -> list[str]:
    """The KUnit suites that our sources declare."""
    found = [
        name
        for path in sorted(SUITES.glob("*.c"))
        for name in re.findall(r'^\t\.name = "(p2pdma[-_]\w+)",$', path.read_text(), re.M)
    ]
    if not found or len(set(found)) != len(found):
        raise Fail(f"{SUITES}: no suites, or two of one name: {found}")
    return found


def suite_verdicts(lines: Iterable[str]) -> dict[str, str]:
    """{suite: "ok" or "not ok", with what it says about its cases}."""
    totals, verdicts = "", {}
    for line in lines:
        if found := re.fullmatch(r"\s*# (p2pdma[-_]\w+): (pass:.*)", line):
            totals = found[2]
        elif found := re.fullmatch(r"((?:not )?ok) \d+ (p2pdma[-_]\w+)(.*)", line):
            verdicts[found[2]] = f"{found[1]}{found[3]} {totals}"
            totals = ""
    return verdicts


def check_suites(vm: Vm, names: Sequence[str]) -> Reasons:
    """Reasons why the suites that ran are not these."""
    said = set(suite_verdicts(vm.lines))
    return [f"kunit: suite {name} did not run" for name in names if name not in said] + [
        f"kunit: suite {name} is in no file of ours" for name in sorted(said - set(names))
    ]


def check_kunit(vm: Vm, _before: Before) -> Reasons:
    """A suite that did not run is no pass, nor is one that nobody knows."""
    return check_suites(vm, suites())


def check_demo(vm: Vm, before: Before) -> Reasons:
    """One copy in the BAR alone, the other in RAM alone; a third one in the BAR, and no CPU touched that."""
    phases = {phase.name: phase for phase in vm.phases}
    size = 2 * DEMO_MIB * MIB
    if set(phases) != {"bar", "ram", "watched"}:
        return [f"phases are {sorted(phases)}, expected bar, ram and watched"]
    reasons = moved(phases["bar"], {vm.topology.providers[0]: size}, 0) + moved(phases["ram"], {}, size)
    reasons += kept_out(phases["bar"]) + kept_out(phases["ram"])
    reasons += untouched(vm, "watched", vm.topology.providers[0], 2 * WATCHED_KIB << 10)
    source, target = vm.topology.clients[:2]
    for index, name in enumerate(("bar", "ram")):
        if digest(vm.drive_file(target), index * size // 2, size // 2) != before[source][index]:
            reasons.append(f"{name}: drive {target} does not hold what {source} did")
    return reasons


def check_measure(vm: Vm, _before: Before) -> Reasons:
    """Half a drive into the BAR and out again; what it is held against, and the copy for comparison, in RAM."""
    if [phase.name for phase in vm.phases] != ["measure"]:
        return [f"phases are {[phase.name for phase in vm.phases]}, expected measure"]
    phase, provider = vm.phases[0], vm.topology.providers[0]
    there = outcome(vm.topology, provider, *vm.topology.clients[:2]) == "ok"
    return moved(phase, {provider: DRIVE_MIB * MIB} if there else {}, phase.ram)


def check_nvmet(vm: Vm, before: Before) -> Reasons:
    """Data of a target: where its drives' DMA went. Loop passes them on; each TCP phase writes and reads once.

    With loop no CPU touches them. With TCP one moves them from the socket, by consent: that and no more, but for a
    word of each command of COMMAND_KIB, which it reads so that its stores arrive.
    """
    provider, size = vm.topology.providers[0], WATCHED_KIB << 10
    bar: Moved = ({provider: 2 * NVMET_MIB * MIB}, 0)
    ram: Moved = ({}, 2 * NVMET_MIB * MIB)
    reasons = all_moved(
        vm,
        {
            "loop": bar,
            "loop-watched": ({provider: 2 * size}, 0),
            "tcp-ram": ram,
            "tcp-bar": bar,
            "tcp-watched": ({provider: size}, 0),
        },
    )
    if reasons:
        return reasons
    phases = {phase.name: phase for phase in vm.phases}
    reasons = kept_out(phases["loop"])
    return (
        reasons
        + untouched(vm, "loop-watched", provider, 2 * size)
        + by_cpu(vm, phases["tcp-watched"], 4 * WATCHED_KIB // COMMAND_KIB, size)
    )


def check_nvmet_rdma(vm: Vm, before: Before) -> Reasons:
    bar: Moved = ({vm.topology.providers[0]: 2 * NVMET_MIB * MIB}, 0)
    ram: Moved = ({}, 2 * NVMET_MIB * MIB)
    reasons = all_moved(vm, {"rxe-ram": ram, "rxe-bar": bar, "siw-ram": ram, "siw-bar": bar})
    # Cards without a DMA device have the CPU copy, which the administrator has asked for
    return reasons + [reason for phase in vm.phases if phase.name.endswith("-ram") for reason in kept_out(phase)]


def check_nvmet_card(vm: Vm, before: Before) -> Reasons:
    """Each card's data are written once and read once; the near one's DMA is all that touches the memory."""
    size, provider = NVMET_MIB * MIB, vm.topology.providers[0]
    reasons = all_moved(vm, {"near": ({provider: 2 * size}, 0), "far": ({}, 2 * size)})
    if reasons:
        return reasons
    phases = {phase.name: phase for phase in vm.phases}
    return by_card(phases["near"], provider, size) + kept_out(phases["far"])


def check_card_stack(vm: Vm, before: Before) -> Reasons:
    """Both drives of the mirror read what is written, one of them writes what is read."""
    size, provider = NVMET_MIB * MIB, vm.topology.providers[0]
    phases = {phase.name: phase for phase in vm.phases}
    if set(phases) != {"near", "degraded", "far"}:
        return [f"phases are {list(phases)}, expected near, degraded and far"]
    return [
        *moved(phases["near"], {provider: 3 * size}, min(phases["near"].ram, STACK_RAM)),
        *by_card(phases["near"], provider, size),
        *moved(phases["degraded"], {provider: 2 * size}, min(phases["degraded"].ram, STACK_RAM)),
        *by_card(phases["degraded"], provider, size),
        *kept_out(phases["far"]),
    ]


def check_nvmet_card_siw(vm: Vm, before: Before) -> Reasons:
    """The same; but siw has the socket copy from and to the memory, and that is a CPU's doing like any other.

    So that nobody else touches it cannot be told, but by how much: each byte is stored once, and loaded once or, where
    it is checked, twice.
    """
    size, provider = NVMET_MIB * MIB, vm.topology.providers[0]
    reasons = all_moved(vm, {"near": ({provider: 2 * size}, 0), "far": ({}, 2 * size)})
    if reasons:
        return reasons
    phases = {phase.name: phase for phase in vm.phases}
    return by_cpu(vm, phases["near"], size, size) + kept_out(phases["far"])


def check_card_regions(vm: Vm, before: Before) -> Reasons:
    size, provider = NVMET_MIB * MIB, vm.topology.providers[0]
    reasons = all_moved(vm, {"regions": ({provider: 2 * size}, 0)})
    return reasons or by_card(vm.phases[0], provider, size)


def check_card_client(vm: Vm, before: Before) -> Reasons:
    """Drive B has its data in the BAR; drive A, behind the target, has them in RAM but for the last phase."""
    bar, size = vm.topology.providers[0], NVMET_MIB * MIB
    one = ({bar: size}, size)
    reasons = all_moved(vm, {"read": one, "write": one, "inline": ({bar: 4096}, 4096), "both": ({bar: 2 * size}, 0)})
    return reasons or [reason for phase in vm.phases for reason in kept_out(phase)]


def check_hosts(vm: Vm, before: Before) -> Reasons:
    """In each round both drives' data are written once, and read once to verify them: at least that in the BAR."""
    least, phases = 2 * 2 * HOSTS_KIB << 10, {phase.name: phase for phase in vm.phases}
    if set(phases) != {"tcp", "rxe"}:
        return [f"phases are {sorted(phases)}, expected rxe and tcp"]
    # The initiator's kernel may yet be looking for partitions.
    return [
        reason
        for phase in phases.values()
        for reason in moved(phase, {vm.topology.providers[0]: max(least, phase.bar)}, 0)
    ]


def all_moved(vm: Vm, expected: Mapping[str, Moved]) -> Reasons:
    """Reasons why the phases are not these, in each of which just this was moved."""
    phases = {phase.name: phase for phase in vm.phases}
    if set(phases) != set(expected):
        return [f"phases are {sorted(phases)}, expected {sorted(expected)}"]
    return [reason for name, moves in expected.items() for reason in moved(phases[name], *moves)]


def check_paths(vm: Vm, before: Before) -> Reasons:
    """Bytes in the BAR alone, once told to the drives by PRPs and once by SGLs, as QEMU saw the commands."""
    topology, size = vm.topology, vm.topology.copy_mib * MIB
    phases = {phase.name: phase for phase in vm.phases}
    if list(phases) != ["prp", "prp.watched", "sgl", "sgl.watched"]:
        return [f"phases are {list(phases)}, expected prp and sgl, and each watched"]
    reasons = []
    source, target = topology.clients[:2]
    for index, name in enumerate(("prp", "sgl")):
        phase = phases[name]
        reasons += moved(phase, {topology.providers[0]: 2 * size}, 0) + kept_out(phase)
        reasons += untouched(vm, f"{name}.watched", topology.providers[0], 2 * WATCHED_KIB << 10)
        for event in ("prp", "sgl"):
            seen = phase.events[f"pci_nvme_map_{event}"]
            if bool(seen) != (event == name):
                reasons.append(f"{name}: {seen} times QEMU looked into a {event}")
        if digest(vm.drive_file(target), index * size, size) != before[source][index]:
            reasons.append(f"{name}: drive {target} does not hold what {source} did")
    return reasons


def check_queues(vm: Vm, before: Before) -> Reasons:
    """Of the queues that the drives were told of, the provider's I/O queues (one a CPU) are in its BAR, both times."""
    first, last = vm.bars[vm.topology.providers[0]]
    addresses = [
        int(found[1], 16)
        for line in trace.part_of(vm.folder / "trace.log", 0, None)
        if (found := re.match(rb"pci_nvme_create_sq .*addr=0x([0-9a-f]+)", line))
    ]
    inside = [a for a in addresses if first <= a <= last]
    if len(inside) != 2 * CPUS or any(len(set(bound)) != CPUS for bound in (inside[:CPUS], inside[CPUS:])):
        return [
            f"submission queues at {[hex(a) for a in addresses]}: {len(inside)} of them in the BAR, {first:#x}-"
            f"{last:#x}; expected {CPUS}, twice"
        ]
    if f"# digest {before[vm.topology.providers[0]][0]}" not in vm.lines:
        return ["the guest read something else from the provider than there was"]
    return []


def by_cpu(vm: Vm, phase: Phase, read: int, written: int) -> Reasons:
    """Reasons why the CPU did not read and write just so much of the provider's BAR. Under KVM only a CMB shows it.

    A copy looks at each page before it reads, and may do so in words that are not aligned, which are two accesses.
    """
    provider = vm.topology.providers[0]
    both = ((phase.cpu_read.total(), read), (phase.cpu_written.total(), written))
    if phase.touched:
        both = ((phase.touched[provider].read, read), (phase.touched[provider].written, written))
    elif provider not in vm.topology.drives:
        return []
    if all(size <= seen <= 2 * size for seen, size in both):
        return []
    return [
        f"{phase.name}: the CPU read {both[0][0]} bytes of the BAR and wrote {both[1][0]}, expected {read} and "
        f"{written}"
    ]


# Where programs ask for direct I/O or a command, or for neither, and the CPU copies all the same: whole, or half of it
COPIED = {f"{where}.buffered": FILE_BYTES for where in ("drive", "ext4", "xfs")} | {
    "ext4.hole": FILE_BYTES,
    "xfs.hole": FILE_BYTES,
    "ext4.fallback": FILE_BYTES,
    "command.copied": FILE_BYTES // 2,
}


def selftests() -> list[str]:
    """What run_tests runs, as its Makefile has it; what may not be there in the kernel's tree is here."""
    text = re.sub(r"\$\(basename \$\(wildcard (\w+)\.c\)\)", r"\1", (SELFTESTS / "Makefile").read_text())
    lines = re.findall(r"^TEST_(?:GEN_)?PROGS [:+]= (.*)$", text, re.M)
    return [name for line in lines for name in line.split()]


# In each run of lab/guest/selftests.sh: what may skip, as there is nothing for it. Faults are injected in the debug
# kernel, where "fails" is the same program.
SKIPPED = {
    "nothing": None,  # all
    "found": {"p2p_fails", "p2p_own", "p2p_unbind", "nvmet-loop.sh", "outage.sh"},
    "named": {"p2p_fails", "p2p_own"},
}


def check_selftests(vm: Vm, _before: Before) -> Reasons:
    """Each program says that it passed what it has tested, or why it has tested nothing."""
    reasons = []
    for run, may_skip in SKIPPED.items():
        said: dict[str, list[str]] = {}
        name = ""
        for line in vm.lines:
            if found := re.fullmatch(rf"# {run}: # selftests: {SELFTESTS.name}: (\S+)", line):
                name = found[1]
                said[name] = []
            elif line.startswith(f"# {run}: ") and name:
                said[name].append(line.removeprefix(f"# {run}: "))
        if sorted(said) != sorted(selftests()):
            reasons.append(f"{run}: ran {sorted(said)}, expected {sorted(selftests())}")
        for name, lines in said.items():
            skipped = may_skip is None or name in may_skip
            text = "\n".join(lines)
            if skipped != bool(re.search(r"^# 1\.\.0 # SKIP \S", text, re.M)):
                reasons.append(f"{run}: {name} {'skips without a reason, or runs' if skipped else 'skips'}")
            if skipped == bool(re.search(r"^# ok \d+ (?!.*# SKIP)", text, re.M)):
                reasons.append(f"{run}: {name} {'runs' if skipped else 'has passed no test'}")
            if not re.search(rf"^ok \d+ selftests: \S+ {re.escape(name)}{' # SKIP' if skipped else ''}$", text, re.M):
                reasons.append(f"{run}: {name} ends with '{lines[-1] if lines else ''}'")
    return reasons


def check_file(vm: Vm, _before: Before) -> Reasons:
    """Each way to do direct I/O reads and writes FILE_BYTES in the BAR, vectors half of it in RAM; no byte by the CPU.

    One drive has two file systems with a journal in RAM, which is written when it likes. Of the data of commands that
    programs make, and that are in the BAR, the drives know the length.
    """
    ways = [f"{where}.{how}" for where in ("drive", "ext4", "xfs") for how in ("sync", "vectors", "libaio", "io_uring")]
    ways += ["command.ioctl", "command.page", "command.io_uring"]
    expected = {f"{way}.{verb}" for way in ways for verb in ("read", "write")} | {"ext4.overwrite.write"}
    expected |= {f"{way}.{verb}" for way in COPIED for verb in ("read", "write")}
    expected -= {"ext4.hole.write", "xfs.hole.write", "ext4.fallback.read"}
    phases = {phase.name: phase for phase in vm.phases}
    if set(phases) != expected:
        return [f"phases are {sorted(phases)}, expected {sorted(expected)}"]
    reasons = []
    for name, phase in phases.items():
        way, verb = name.rsplit(".", 1)
        if way in COPIED:
            size = COPIED[way]
            reasons += by_cpu(vm, phase, *((0, size) if verb == "read" else (size, 0)))
            if phase.bar:
                reasons.append(f"{name}: the drives moved {phase.bar} bytes in the BAR")
            continue
        if way.startswith("command.") and (seen := phase.events["pci_nvme_map_prp"]):
            reasons.append(f"{name}: {seen} times the drive was told of data by PRPs, which have no length")
        size = trace.PAGE if way == "command.page" else FILE_BYTES
        ram = size // 2 if "vectors" in way else 0
        reasons += moved(phase, {vm.topology.providers[0]: size - ram}, min(max(phase.ram, ram), ram + size // 4))
        reasons += by_cpu(vm, phase, 0, 0)
    return reasons


def check_power_down(vm: Vm, _before: Before) -> Reasons:
    """The memory was in use when the machine was switched off, which came to its end all the same."""
    console = vm.console()
    return [
        f"the console does not say '{line}'"
        for line in ("teardown.sh: switched off in the middle of it", "reboot: Power down")
        if line not in console
    ]


WARM_UP = 4  # rounds in which caches fill that stay
# KiB a round. What is free wanders by megabytes; the struct pages alone of what is registered here are one.
KIB = {"MemFree": 256, "PageTables": 16, "Percpu": 16}
# In few rounds that is less than it wanders; still less than the struct pages of those.
WANDERS = {"MemFree": 6000}
# vfree() gives areas back when there are many; how many the pools have is counted separately.
LAZY = {"slab.vmap_area"}


def check_drift(vm: Vm, _before: Before) -> Reasons:
    """What is in use does not grow by as much as one object in two rounds, nor by what KIB says."""
    samples = [dict(re.findall(r"(\S+)=(\S+)", line)) for line in vm.lines if line.startswith("# sample ")]
    if len(samples) < 3 * WARM_UP:
        return [f"drift: {len(samples)} samples, which is too few to tell"]
    samples = samples[WARM_UP:]
    reasons = [
        f"drift: {name} was {samples[0][name]} and is {samples[-1][name]}"
        for name in ("iomem", "pools")
        if samples[0][name] != samples[-1][name]
    ]
    part = len(samples) // 4
    for name in sorted(set().union(*samples) - {"iomem", "pools"} - LAZY):
        sign = -1 if name == "MemFree" else 1
        # The least of several: what is not given back yet is not lost.
        first, last = (
            min(sign * int(sample.get(name, 0)) for sample in some) for some in (samples[:part], samples[-part:])
        )
        if last - first > max(KIB.get(name, 0.5) * (len(samples) - part), WANDERS.get(name, 0)):
            reasons.append(f"drift: {name} went from {sign * first} to {sign * last} in {len(samples) - part} rounds")
    return reasons


def check_fio(vm: Vm, before: Before) -> Reasons:
    """However fio does it, its data pass through the BAR and never through RAM."""
    phases = {phase.name: phase for phase in vm.phases}
    ways = ("sync", "vectors", "libaio", "io_uring", "pages", "async")
    if tuple(phases) != ways:
        return [f"phases are {list(phases)}, expected {list(ways)}"]
    return [reason for phase in phases.values() for reason in moved(phase, {vm.topology.providers[0]: FIO_BYTES}, 0)]


def check_fio_watched(vm: Vm, _before: Before) -> Reasons:
    """No CPU reads of the buffers, but a word after they were cleared, so that the stores arrive.

    And none writes to them but to clear them, and to fill them once.
    """
    names = [f"{engine}.{how}" for engine in ("psync", "libaio", "io_uring") for how in ("read", "write")]
    if [phase.name for phase in vm.phases] != names:
        return [f"phases are {[phase.name for phase in vm.phases]}, expected {names}"]
    reasons = []
    for phase in vm.phases:
        reasons += moved(phase, {vm.topology.providers[0]: WATCHED_KIB << 10}, 0)
        if (phase.by_devices.total(), phase.cpu_read.total()) != (
            WATCHED_KIB << 10,
            4,
        ) or phase.cpu_written.total() > FIO_BUFFERS:
            reasons.append(
                f"{phase.name}: devices moved {phase.by_devices.total()} bytes of the BAR, CPUs read "
                f"{phase.cpu_read.total()} and wrote {phase.cpu_written.total()}"
            )
    return reasons
