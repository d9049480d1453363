# SPDX-License-Identifier: GPL-2.0-only
"""What can be run in a guest: the command, on which topologies, and what the host checks afterwards."""

import fnmatch
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from p2plib import Fail
from p2plib.arch import X86_64, Arch
from p2plib.lab import checks, hotplug, topology as topologies
from p2plib.lab.checks import all_moved, nothing
from p2plib.lab.sizes import DEMO_MIB, FIO_MIB, HOSTS_KIB, MIB, NVMET_MIB, STACK_MIB, WATCHED_KIB
from p2plib.lab.topology import Topology
from p2plib.lab.vm import Handler

SOAK = int(os.environ.get("SOAK") or 1000)  # resets in the soak
FAULT_SEED = os.environ.get("SEED") or "1"  # of faults that come at random
TAINT_MODULE = 1 << 12  # one that was built outside the tree
TAINT_UNSIGNED = 1 << 13  # a module without signature, as those of the lab are
TAINT_TEST = 1 << 18
# The NVMe target's modules, in the order in which they are loaded
TARGET = ("nvmet", "nvme-loop", "nvmet-tcp", "nvmet-rdma", "nvmet-fc", "nvme-fcloop")

NEEDS_TARGET = ("integrity", "rates", "selftests", "p2ptopo-measure", "fix-namespace", "fix-config-sem")

# What a guest program is told of sizes
WATCHED = {"P2P_WATCHED_KIB": WATCHED_KIB}
FIO = {"P2P_FIO_MIB": FIO_MIB}
HOSTS = {"P2P_HOSTS_KIB": HOSTS_KIB}

# Of a topology: the guest's argv
Order = Callable[[Topology], list[str]]


@dataclass(frozen=True)
class Program:
    name: str
    about: str
    order: Order
    check: checks.Check = nothing
    timeout: int = 120  # seconds under TCG with the lab kernel; a debug kernel gets several times that
    where: tuple[str, ...] | None = None  # topologies, None is all
    skip_on: tuple[str, ...] = ()  # configs that lack what it tests
    only_on: tuple[str, ...] = ()  # configs that have what it needs, if others do not
    extras: tuple[str, ...] = ()  # further binaries for the guest
    modules: tuple[str, ...] = ()  # of build/modules, for the guest's /lib
    kernel_modules: tuple[str, ...] = ()  # of the kernel's own, by their paths there, likewise
    installed: bool = False  # whether the guest has the selftests as they are installed
    env: Mapping[str, int] = field(default_factory=dict)  # numbers that its check counts with
    cmdline: str = ""  # for the kernel
    debug_cmdline: str = ""  # for a debug kernel, besides
    cpu: str = ""  # instead of the topology's
    possible_cpus: int = 0  # more than run: what the kernel makes one of for each of them
    taint: int = 0  # what it does to the kernel
    handlers: Mapping[str, Handler] = field(default_factory=dict)  # verb of a "# lab:" line -> what the host then does
    events: tuple[str, ...] = ()  # of QEMU's trace, for check
    trace_dma: bool = True  # whether the host looks at the drives' DMA: to trace each access makes copies slow
    initiator: Order | None = None  # what a second VM runs, which is on a wire to the first
    mib: Callable[[Topology], int] = lambda topology: topology.copy_mib  # what one copy moves

    @property
    def words(self) -> str:
        """For the kernel's command line. Each connection to a target is a drive of its own, not another path to it."""
        return " ".join(filter(None, [self.cmdline, "nvme_core.multipath=N" if self.name.startswith("nvmet") else ""]))

    @property
    def target(self) -> bool:
        """Whether it needs the NVMe target."""
        return self.name.startswith("nvmet") or self.name in NEEDS_TARGET


def order_copy(topology: Topology) -> list[str]:
    return ["copy.sh", str(topology.copy_mib), *(":".join(copy) for copy in checks.copies(topology))]


def order_integrity(topology: Topology) -> list[str]:
    plain, protected = sorted(topology.clients, key=lambda drive: topology.drives[drive].pi)
    return ["integrity.sh", topology.providers[0], plain, protected]


def order_demo(topology: Topology) -> list[str]:
    return ["demo.sh", str(DEMO_MIB), topology.providers[0], *topology.clients[:2]]


def order_measure(topology: Topology) -> list[str]:
    ends = (topology.providers[0], *topology.clients[:2])
    return ["p2ptopo-measure.sh", checks.outcome(topology, *ends), *ends]


def with_drives(*program: str) -> Order:
    """A selftest, told where the provider and two drives are, which it may overwrite."""
    return lambda topology: ["with-drives.sh", topology.providers[0], *topology.clients[:2], *program]


def order_file(topology: Topology) -> list[str]:
    """QEMU 7.2 drops what is no whole sector from DMA to memory that is no RAM, see dma_blk_cb(): a drive's CMB."""
    limits = ["P2P_NO_WORDS=1"] if topology.providers[0] in topology.drives else []
    return ["env", *limits, "with-files.sh", topology.providers[0], *topology.clients[:2], "p2p_file"]


# Without sanity checks of the slabs, all objects of one that a CPU holds count as used: 256 of the smallest.
EXACT = "slab_debug=F"
LOCKDOWN = "lockdown=integrity"


def rounds(name: str, number: int, check: checks.Check = checks.check_drift, **options: Any) -> Program:
    return Program(
        name,
        f"the provider is pulled out under load and put back, {number} times",
        lambda t: ["unplug-rounds.sh", str(number), t.clients[0], t.providers[0]],
        check,
        where=("ram-provider",),
        skip_on=("stock",),
        extras=("fio",),
        trace_dma=False,
        handlers={"attention": hotplug.press_attention, "plug": hotplug.plug},
        cmdline=EXACT,
        **options,
    )


# Both have other names as modules, with a card: see lab/modules/.
NO_RDMA = "initcall_blacklist=rxe_module_init,siw_init_module"


def on_cards(
    name: str,
    about: str,
    check: checks.Check,
    script: str = "",
    more: Sequence[str] = (),
    say: str = "",
    order: Order | None = None,
    timeout: int = 300,
    extras: Sequence[str] = ("rdma",),
    **options: Any,
) -> Program:
    """SCRIPT gets MORE arguments after the usual ones, or ORDER's; SAY is for the kernel's command line."""
    arguments = order or (lambda t: [str(NVMET_MIB), t.clients[0], t.providers[0], *more])
    return Program(
        name,
        about,
        lambda t: [f"{script or name}.sh", *arguments(t)],
        check,
        timeout=timeout,
        where=("rdma-cards",),
        only_on=("lab", "debug"),
        extras=tuple(extras),
        cmdline=f"{NO_RDMA} {say}",
        modules=("dma_card", "lab_rxe", "lab_siw", "wire"),
        taint=TAINT_MODULE,
        **options,
    )


def soak(name: str, number: int, check: checks.Check = checks.check_drift, **options: Any) -> Program:
    return on_cards(
        name,
        f"provider and drive of targets over loop, TCP and RDMA are reset under load, {number} times",
        check,
        script="nvmet-soak",
        order=lambda t: [str(number), t.clients[0], t.providers[0], t.clients[1]],
        trace_dma=False,
        **options,
    )


def stack_faults(name: str, number: int, **options: Any) -> Program:
    return Program(
        name,
        f"faults at random over mirrors that are written from peer memory, {number} rounds",
        lambda t: ["stack-faults.sh", str(number), FAULT_SEED, t.providers[0], *t.clients],
        where=("one-far-ram",),
        skip_on=("stock",),
        extras=("mdadm",),
        trace_dma=False,
        handlers={"attention": hotplug.press_attention, "replug_gone": hotplug.replug_gone},
        **options,
    )


ALL = [
    Program(
        "routes",
        "the kernel's verdict on each pair",
        lambda t: ["all-routes.sh", *t.drives, *t.ram_bars],
        checks.check_routes,
        skip_on=("stock",),
    ),
    Program(
        "p2ptopo",
        "the tool says what the kernel says",
        lambda t: ["p2ptopo.sh"],
        skip_on=("stock",),
        extras=("p2ptopo", "lspci"),
        trace_dma=False,
    ),
    Program(
        "p2ptopo-measure",
        "the tool copies from drive to drive, and refuses what is in use",
        order_measure,
        checks.check_measure,
        timeout=240,
        where=("ram-provider", "unknown-root-complex"),
        skip_on=("stock",),
        extras=("p2ptopo", "mkfs.ext4"),
    ),
    Program(
        "copy", "drive to drive through peer memory, each pair", order_copy, checks.check_copy, timeout=180, env=WATCHED
    ),
    Program(
        "integrity",
        "protection information that the CPU would compute",
        order_integrity,
        checks.check_integrity,
        where=("protected",),
        skip_on=("stock",),
        env=WATCHED,
    ),
    Program(
        "multipath",
        "a drive with three ports that come and go, one of which does not reach the provider",
        lambda t: ["multipath.sh", str(STACK_MIB), t.providers[0], *t.clients],
        checks.check_multipath,
        timeout=400,
        where=("two-ports",),
        skip_on=("stock",),
        extras=("fio", "mdadm", "p2ptopo"),
        env=WATCHED,
        handlers={"unplug": hotplug.unplug, "replug_port": hotplug.replug_port},
    ),
    Program(
        "md-half-way",
        "mirrors whose slow member refuses what the other has",
        lambda t: ["md-half-way.sh", t.providers[0], *t.clients[:3]],
        where=("one-far",),
        skip_on=("stock",),
        extras=("dmsetup", "mdadm"),
        trace_dma=False,
        timeout=300,
    ),
    Program(
        "md",
        "arrays: members go, come back, do not reach the provider",
        lambda t: ["md.sh", str(STACK_MIB), t.providers[0], *t.clients],
        checks.check_md,
        timeout=600,
        where=("one-far",),
        skip_on=("stock",),
        extras=("fio", "mdadm"),
        env=WATCHED,
    ),
    Program(
        "dm",
        "device-mapper tables that pass peer memory on, and such that refuse it",
        lambda t: ["dm.sh", str(STACK_MIB), t.providers[0], *t.clients],
        checks.check_dm,
        timeout=400,
        where=("one-far",),
        skip_on=("stock",),
        extras=("dmsetup", "fio", "mdadm"),
        env=WATCHED,
    ),
    Program(
        "md-replace",
        "members are replaced under load, other layouts of raid10, ways to submit I/O",
        lambda t: ["md-replace.sh", t.providers[0], *t.clients],
        timeout=400,
        where=("one-far-ram",),
        skip_on=("stock",),
        extras=("fio", "mdadm"),
        trace_dma=False,
    ),
    Program(
        "stack-refuse",
        "layers that do not pass peer memory on refuse it, and keep what they hold",
        lambda t: ["stack-refuse.sh", t.providers[0], *t.clients],
        timeout=300,
        where=("one-far-ram",),
        skip_on=("stock",),
        extras=("dmsetup", "losetup", "mdadm"),
        trace_dma=False,
    ),
    Program(
        "stack-change",
        "layers change while a write waits in them, or below where it is asked for",
        lambda t: ["stack-change.sh", t.providers[0], *t.clients[:3]],
        timeout=200,
        where=("one-far-ram",),
        skip_on=("stock",),
        extras=("dmsetup", "losetup", "mdadm"),
        trace_dma=False,
    ),
    stack_faults("stack-faults", 10, timeout=300),
    stack_faults("stack-soak", 200, timeout=120 + 200 * 8),
    Program(
        "btrfs",
        "checksums that the CPU would compute",
        lambda t: ["btrfs.sh", t.providers[0], *t.clients[:2]],
        checks.check_btrfs,
        where=("same-switch",),
        skip_on=("stock",),
        extras=("mkfs.btrfs",),
        env=WATCHED,
    ),
    Program(
        "btrfs-profiles",
        "file systems on several devices, one of which does not reach the provider, or is missing",
        lambda t: ["btrfs-profiles.sh", t.providers[0], *t.clients],
        checks.check_btrfs_profiles,
        where=("one-far",),
        skip_on=("stock",),
        extras=("dmsetup", "mkfs.btrfs"),
    ),
    Program(
        "merge",
        "small reads that follow each other",
        lambda t: ["merge.sh", t.providers[0], t.clients[0]],
        checks.check_merge,
        where=("same-switch",),
        skip_on=("stock",),
        events=("pci_nvme_read",),
    ),
    Program(
        "mmap",
        "the contract of p2pmem/allocate",
        with_drives("p2p_mmap"),
        where=("same-switch", "two-root-ports-iommu"),
        skip_on=("stock",),
    ),
    Program(
        "mm",
        "what memory management does with a mapping of it",
        with_drives("p2p_mm"),
        where=("same-switch", "ram-provider"),
        skip_on=("stock",),
    ),
    Program(
        "refuse",
        "peer memory into what did not consent",
        with_drives("p2p_refuse"),
        where=("same-switch", "two-root-ports-iommu"),
    ),
    Program(
        "netlink",
        "what programs ask and hear of by netlink is what debugfs and sysfs say",
        with_drives("p2p_netlink", "-T", "root_of_own_users", "-T", "root_of_own_networks"),
        where=("ram-provider", "same-switch", "two-host-bridges", "two-root-ports-iommu"),
        skip_on=("stock",),
        trace_dma=False,
    ),
    Program(
        "netlink-containers",
        "what those are told by netlink who have users or networks of their own",
        with_drives("p2p_netlink", "-t", "root_of_own_users", "-t", "root_of_own_networks"),
        where=("ram-provider",),
        only_on=("debug",),
        trace_dma=False,
    ),
    Program(
        "unbind",
        "the provider's driver goes while a program maps its memory, or has pinned it",
        with_drives("p2p_unbind"),
        where=("ram-provider",),
        skip_on=("stock",),
    ),
    Program(
        "fails",
        "each allocation fails in turn",
        with_drives("p2p_fails"),
        where=("same-switch",),
        only_on=("debug",),
        timeout=180,
    ),
    Program(
        "file",
        "files, pipes, sockets and commands with data in peer memory",
        order_file,
        checks.check_file,
        where=("same-switch", "ram-provider"),
        events=("pci_nvme_map_prp",),
        skip_on=("stock",),
        extras=("mkfs.ext4", "mkfs.xfs"),
    ),
    Program(
        "selftests",
        "the selftests as a distributor installs and runs them: on a machine without, and with what they need",
        lambda t: ["selftests.sh", t.providers[0], *t.clients[:2]],
        checks.check_selftests,
        timeout=300,
        where=("ram-provider",),
        only_on=("lab",),
        extras=("mkfs.ext4",),
        installed=True,
        trace_dma=False,
    ),
    Program(
        "nvme-paths",
        "data described by PRPs, and by SGLs",
        lambda t: ["nvme-paths.sh", str(t.copy_mib), t.providers[0], *t.clients[:2]],
        checks.check_paths,
        timeout=180,
        where=("same-switch", "two-root-ports-iommu"),
        events=("pci_nvme_map_prp", "pci_nvme_map_sgl"),
        env=WATCHED,
    ),
    Program(
        "nvme-queues",
        "submission queues in a CMB",
        lambda t: ["nvme-queues.sh", str(t.copy_mib), t.providers[0]],
        checks.check_queues,
        where=("two-root-ports", "two-root-ports-iommu"),
        events=("pci_nvme_create_sq",),
    ),
    Program(
        "outage",
        "direct I/O while the function that provides the memory is reset",
        with_drives("outage.sh"),
        timeout=240,
        where=("ram-provider", "same-switch"),
        skip_on=("stock",),
        trace_dma=False,
    ),
    Program(
        "nvme-reset",
        "controllers reset, and the provider's driver removed, during copies",
        lambda t: ["nvme-reset.sh", t.providers[0], *t.clients[:2]],
        handlers={"slow": hotplug.slow, "release": hotplug.release},
        timeout=300,
        where=("same-switch", "two-root-ports-iommu"),
        skip_on=("stock",),
        trace_dma=False,
    ),
    Program(
        "nvme-suspend",
        "all devices suspended and resumed during copies",
        lambda t: ["nvme-reset.sh", t.providers[0], *t.clients[:2], "suspend"],
        handlers={"slow": hotplug.slow, "release": hotplug.release},
        timeout=180,
        where=("same-switch", "two-root-ports-iommu"),
        skip_on=("stock",),
        trace_dma=False,
    ),
    Program(
        "nvme-cmb",
        "a CMB, and one that is too small for struct pages",
        lambda t: ["nvme-cmb.sh", t.providers[0], str(8 * MIB), "small"],
        where=("same-switch-identity",),
    ),
    Program(
        "own",
        "a drive's own CMB, mixed with RAM",
        lambda t: ["with-drives.sh", t.providers[0], t.clients[0], t.providers[0], "p2p_own"],
        where=("same-switch", "two-root-ports-iommu"),
        skip_on=("stock",),
    ),
    Program(
        "policy",
        "what the administrator says of an unknown root complex",
        lambda t: ["policy.sh", t.providers[0], *t.clients[:2]],
        where=("unknown-root-complex",),
    ),
    Program(
        "policy-boot",
        "what the administrator says at boot, with slips",
        lambda t: ["policy-boot.sh", t.providers[0], t.clients[0]],
        where=("unknown-root-complex",),
        skip_on=("stock",),
        cmdline="pci_p2pdma.host_bridges=8086:29c0=nome,8086:2f00=reads+writes,8086:2f00=reads,8086:,1022:1480=none",
    ),
    Program(
        "policy-boot-long",
        "what the administrator says at boot, more than there is room for",
        lambda t: ["policy-boot-long.sh", t.providers[0], t.clients[0]],
        where=("unknown-root-complex",),
        skip_on=("stock",),
        cmdline="pci_p2pdma.host_bridges="
        + ",".join([*(f"10de:{i:04x}=reads+writes+between" for i in range(16)), "8086:29c0=none"]),
    ),
    Program(
        "config-storm",
        "buses are reset by config writes while their ports are removed and found again",
        lambda t: ["config-storm.sh", t.providers[0], t.clients[0]],
        where=("ram-provider",),
        skip_on=("stock",),
        trace_dma=False,
    ),
    Program(
        "unplug",
        "the provider is pulled out while its memory is mapped and used",
        lambda t: ["unplug.sh", *t.clients[:2], t.providers[0]],
        where=("same-switch",),
        handlers={"unplug": hotplug.unplug},
    ),
    Program(
        "pinned",
        "the provider is taken away while a drive's DMA to it is held back",
        lambda t: ["pinned.sh", t.clients[0], t.providers[0]],
        where=("same-switch", "ram-provider"),
        skip_on=("stock",),
        trace_dma=False,
        handlers={"hold": hotplug.hold, "release": hotplug.release, "attention": hotplug.press_attention},
    ),
    Program(
        "teardown",
        "all the ways in which peer memory ends, while it is mapped, used and just being registered",
        lambda t: ["teardown.sh", *t.clients[:2], t.providers[0]],
        checks.check_power_down,
        timeout=240,
        where=("ram-provider",),
        skip_on=("stock",),
        trace_dma=False,
        handlers={"attention": hotplug.press_attention, "plug": hotplug.plug},
    ),
    Program(
        "shutdown",
        "the machine is switched off while memory is just being registered",
        lambda t: ["teardown.sh", *t.clients[:2], t.providers[0], "later"],
        checks.check_power_down,
        where=("ram-provider",),
        skip_on=("stock",),
        trace_dma=False,
    ),
    rounds("unplug-2", 2, nothing, timeout=180),
    rounds("unplug-20", 20, timeout=900),
    rounds("unplug-100", 100, timeout=3600),
    Program(
        "fio",
        "fio with its buffers in peer memory, verified",
        lambda t: ["fio.sh", t.providers[0], t.clients[0]],
        checks.check_fio,
        timeout=240,
        where=("ram-provider",),
        skip_on=("stock",),
        extras=("fio",),
        env=FIO,
    ),
    Program(
        "fio-watched",
        "fio, with all accesses to its buffers traced",
        lambda t: ["fio.sh", t.providers[0], t.clients[0], "watched"],
        checks.check_fio_watched,
        where=("same-switch",),
        skip_on=("stock",),
        extras=("fio",),
        env=WATCHED,
    ),
    Program(
        "stub",
        "the driver that registers any BAR",
        lambda t: ["stub.sh", t.providers[0], t.clients[0]],
        where=("ram-provider",),
        skip_on=("stock",),
    ),
    Program(
        "samples",
        "the smallest provider, and the smallest client of it",
        lambda t: ["samples.sh", t.providers[0], "near", "far"],
        where=("rdma-cards",),
        only_on=("lab", "debug"),
        kernel_modules=tuple(f"samples/pci-p2pdma/p2pdma-{name}" for name in ("provider", "client", "range")),
        trace_dma=False,
        handlers={"holds": hotplug.holds},
    ),
    Program(
        "trace",
        "what tracepoints say of a provider's life",
        lambda t: ["trace.sh", t.providers[0], *t.clients[:2]],
        where=("ram-provider",),
        only_on=("debug",),
        trace_dma=False,
    ),
    Program(
        "lockdown",
        "no BAR is registered on the administrator's word in a kernel that is locked down",
        lambda t: ["lockdown.sh", t.providers[0]],
        where=("ram-provider",),
        skip_on=("stock",),
        cmdline=LOCKDOWN,
    ),
    Program(
        "lockdown-raised",
        "lockdown is raised when such memory is registered and mapped",
        lambda t: ["lockdown.sh", t.providers[0], "raise"],
        where=("ram-provider",),
        skip_on=("stock",),
    ),
    Program(
        "copy-locked-down",
        "drive to drive through a CMB, which its driver knows, when the kernel is locked down",
        order_copy,
        checks.check_copy,
        timeout=180,
        where=("same-switch",),
        cmdline=LOCKDOWN,
        env=WATCHED,
    ),
    Program(
        "nvmet",
        "an NVMe-oF target that serves from peer memory, over loop and TCP",
        lambda t: ["nvmet.sh", str(NVMET_MIB), *t.clients[:2], t.providers[0]],
        checks.check_nvmet,
        timeout=300,
        where=("same-switch",),
        skip_on=("stock",),
        extras=("fio",),
        handlers={"unplug": hotplug.unplug},
        mib=lambda t: NVMET_MIB,
        env=WATCHED,
    ),
    Program(
        "nvmet-unreachable",
        "a target whose drive does not reach the provider",
        lambda t: ["nvmet-unreachable.sh", str(NVMET_MIB), t.clients[0], t.providers[0]],
        lambda vm, _before: all_moved(vm, {"unreachable": ({}, 2 * NVMET_MIB * MIB)}),
        where=("unknown-root-complex",),
        skip_on=("stock",),
        mib=lambda t: NVMET_MIB,
    ),
    Program(
        "nvmet-stack",
        "a target on a volume on a mirror",
        lambda t: ["nvmet-stack.sh", str(STACK_MIB), t.providers[0], *t.clients],
        checks.check_nvmet_stack,
        timeout=300,
        where=("one-far",),
        skip_on=("stock",),
        extras=("dmsetup", "mdadm", "p2ptopo"),
        mib=lambda t: STACK_MIB,
    ),
    Program(
        "nvmet-outage",
        "a target whose provider is reset again and again",
        lambda t: ["nvmet-outage.sh", "12", t.clients[0], t.providers[0]],
        timeout=300,
        where=("same-switch",),
        skip_on=("stock",),
        trace_dma=False,
    ),
    Program(
        "nvmet-withdraw",
        "a target's route is withdrawn under load",
        lambda t: ["nvmet-withdraw.sh", str(NVMET_MIB), *t.clients[:2], t.providers[0]],
        timeout=300,
        where=("unknown-root-complex",),
        skip_on=("stock",),
        extras=("dmsetup", "fio"),
        trace_dma=False,
    ),
    Program(
        "nvmet-save",
        "a target's whole configuration, saved and restored",
        lambda t: ["nvmet-save.sh", str(NVMET_MIB), *t.clients[:2], t.providers[0]],
        timeout=300,
        where=("same-switch",),
        skip_on=("stock",),
        handlers={"unplug": hotplug.unplug, "replug": hotplug.replug},
        trace_dma=False,
        mib=lambda t: NVMET_MIB,
    ),
    Program(
        "nvmet-verbs",
        "what nvmet-config.sh does when it is refused, and what it removes",
        lambda t: ["nvmet-verbs.sh", *t.clients[:2]],
        where=("same-switch",),
        skip_on=("stock",),
        trace_dma=False,
    ),
    Program(
        "nvmet-rdma",
        "the same target over RDMA by software",
        lambda t: ["nvmet-rdma.sh", str(NVMET_MIB), t.clients[0], t.providers[0]],
        checks.check_nvmet_rdma,
        timeout=300,
        where=("same-switch",),
        skip_on=("stock",),
        extras=("rdma",),
        mib=lambda t: NVMET_MIB,
    ),
    Program(
        "nvmet-fc",
        "the same target over Fibre Channel by software, which has data in RAM of its own",
        lambda t: ["nvmet-fc.sh", str(NVMET_MIB), t.clients[0], t.providers[0]],
        lambda vm, _before: all_moved(vm, {"fc": ({}, 2 * NVMET_MIB * MIB)}),
        timeout=180,
        where=("same-switch",),
        skip_on=("stock",),
        mib=lambda t: NVMET_MIB,
    ),
    Program(
        "nvmet-own-cmb",
        "a target on a drive with metadata and a CMB",
        lambda t: ["nvmet-own-cmb.sh", *t.providers],
        where=("protected",),
        skip_on=("stock",),
        trace_dma=False,
    ),
    Program(
        "nvmet-queues",
        "a client of the target with two cards, and one with protection information",
        lambda t: ["nvmet-queues.sh", *order_integrity(t)[1:]],
        where=("protected",),
        skip_on=("stock",),
        only_on=("lab", "debug"),
        modules=("queues",),
        taint=TAINT_MODULE,
    ),
    Program(
        "nvmet-modules",
        "the target's modules come and go, and so does the provider",
        lambda t: ["nvmet-modules.sh", str(NVMET_MIB), t.clients[0], t.providers[0]],
        timeout=300,
        where=("same-switch",),
        skip_on=("stock",),
        extras=("rdma",),
        trace_dma=False,
        mib=lambda t: NVMET_MIB,
    ),
    on_cards(
        "nvmet-card",
        "the same target over RDMA with cards that do DMA",
        checks.check_nvmet_card,
        more=("rxe",),
        mib=lambda t: NVMET_MIB,
    ),
    on_cards(
        "nvmet-card-siw",
        "the same over iWARP",
        checks.check_nvmet_card_siw,
        script="nvmet-card",
        more=("siw",),
        mib=lambda t: NVMET_MIB,
    ),
    on_cards(
        "nvmet-card-stack",
        "a target on a volume on a mirror, with cards that do DMA",
        checks.check_card_stack,
        order=lambda t: [str(NVMET_MIB), *t.clients[:2], t.providers[0]],
        extras=("rdma", "dmsetup", "mdadm"),
        mib=lambda t: NVMET_MIB,
    ),
    on_cards(
        "nvmet-card-regions",
        "a card with memory regions shorter than a command",
        checks.check_card_regions,
        more=("rxe",),
        say="ib_core.force_mr=1",
    ),
    on_cards("nvmet-card-client", "a client whose card reads into peer memory", checks.check_card_client, more=("b",)),
    on_cards(
        "nvmet-card-outage",
        "a client whose card reads into peer memory that is reset meanwhile",
        nothing,
        order=lambda t: [t.clients[0], t.providers[0], t.clients[1]],
        extras=("rdma", "dmsetup"),
        trace_dma=False,
    ),
    on_cards(
        "nvmet-card-faults",
        "memory and provider go under load, and what a card loses that does not keep the order",
        nothing,
        more=("pool", "narrow", "late", "lossy", "early", "two", "order", "provider"),
        handlers={"unplug": hotplug.unplug},
        trace_dma=False,
    ),
    on_cards(
        "nvmet-card-route",
        "the route to memory is withdrawn under load, and card and provider are unplugged",
        nothing,
        script="nvmet-card-faults",
        more=("route", "card", "provider"),
        handlers={"unplug": hotplug.unplug},
        trace_dma=False,
    ),
    soak("nvmet-resets", 12, nothing),
    soak("nvmet-soak", SOAK, timeout=120 + 6 * SOAK),
    Program(
        "nvmet-hosts",
        "a target and an initiator, each a machine of its own",
        lambda t: ["nvmet-hosts.sh", "target", *t.clients[:2], t.providers[0]],
        checks.check_hosts,
        timeout=600,
        where=("same-switch",),
        skip_on=("stock",),
        extras=("fio", "rdma"),
        handlers={"unplug": hotplug.unplug, "replug": hotplug.replug},
        initiator=lambda t: ["nvmet-hosts.sh", "initiator"],
        env=HOSTS,
    ),
    Program(
        "demo",
        "one copy through the BAR and one through RAM",
        order_demo,
        checks.check_demo,
        timeout=180,
        where=("same-switch",),
        extras=("p2ptopo",),
        mib=lambda t: DEMO_MIB,
        env=WATCHED,
    ),
]
# KUnit runs while the kernel boots: tests/test_kunit.py starts this one. Not on a CPU that stands for a root complex
# which routes everything: the suites have root complexes of their own. As many CPUs as the pool has regions at most.
KUNIT = Program(
    "kunit",
    "the KUnit suites",
    lambda t: ["kunit.sh"],
    checks.check_kunit,
    timeout=600,
    where=(),
    cmdline="kunit.enable=1",
    cpu="Haswell",
    possible_cpus=8,
    taint=TAINT_TEST,
    debug_cmdline="random_test.fabrics=2 scale_test.most=256",
)


def no_order(_topology: Topology) -> list[str]:
    return []


def fix(fault: str, about: str, *more: str, of: Order = no_order, **options: Any) -> Program:
    return Program(
        f"fix-{fault.replace('_', '-')}",
        f"a fault of the stock kernel: {about}",
        lambda t: ["fixes.sh", fault, *more, *of(t)],
        where=(),
        trace_dma=False,
        **options,
    )


def on_boot(glob: str) -> dict[str, Any]:
    return {"cmdline": f"kunit.enable=1 kunit.filter_glob={glob}", "taint": TAINT_TEST, "cpu": "Haswell"}


# They need a kernel of their own, without a fix and with it: tests/test_fixes.py builds it.
FIXES = (
    fix("kunit", "what the suite of its P2PDMA finds", "p2pdma", **on_boot("p2pdma")),
    fix("kunit_gup", "GUP looks for ever for a page", "gup_devmap", timeout=60, **on_boot("gup_devmap")),
    fix("kernfs", "mappings of an attribute are miscounted", of=lambda t: [t.providers[0]]),
    fix("namespace", "a namespace that is disabled under I/O stays for ever"),
    fix("freeze", "a reset of a drive leaves locks in the task", of=lambda t: [t.clients[0]]),
    fix("config_sem", "one client keeps everybody from configuring the target"),
    fix("cmb", "a drive that was reset does not know its CMB", of=lambda t: [*t.clients[:2], t.providers[0]]),
)

# Needs the module: tests/test_lab.py builds it.
STUB_MODULE = Program(
    "stub-module",
    "the driver that registers any BAR, as a module",
    lambda t: ["stub-module.sh", *t.clients[:2], t.providers[0]],
    where=(),
    trace_dma=False,
    cmdline="initcall_blacklist=stub_driver_init",
    taint=TAINT_MODULE | TAINT_UNSIGNED,
)

# Needs the packages: tests/test_deb.py builds and unpacks them.
PACKAGE = Program(
    "package",
    "a kernel from its package, with all that can be a module: from its boot to a namespace that is served",
    lambda t: ["package.sh", str(NVMET_MIB), t.clients[0], t.providers[0]],
    lambda vm, _before: all_moved(
        vm, dict.fromkeys(("tcp", "restored"), ({vm.topology.providers[0]: 2 * NVMET_MIB * MIB}, 0))
    ),
    timeout=180,
    where=(),
    extras=("modprobe", "p2ptopo"),
    mib=lambda t: NVMET_MIB,
)

FABRICS = Program(
    "p2ptopo-fabrics",
    "the tool says what the kernel says of random fabrics",
    lambda t: ["p2ptopo-fabrics.sh", "20"],
    timeout=300,
    where=(),
    extras=("p2ptopo-check",),
    cpu=KUNIT.cpu,
    taint=TAINT_TEST,
    trace_dma=False,
    cmdline="kunit.enable=1 kunit.filter_glob=p2pdma_random.random_dump",
)


def suite_alone(pattern: str) -> Program:
    """As KUNIT, but only this suite, or those that match."""
    return replace(
        KUNIT,
        cmdline=f"{KUNIT.cmdline} kunit.filter_glob={pattern}",
        check=lambda vm, _before: checks.check_suites(vm, fnmatch.filter(checks.suites(), pattern)),
    )


# Not tests of the kernel: the lab's own, see tests/test_lab.py.
MISBEHAVIOURS = (
    "not",
    "failing",
    "skipped",
    "short",
    "status",
    "panic",
    "hang",
    "warn",
    "oops",
    "silent",
    "taint",
    "fault",
    "lost",
    "cpu",
    "peek",
)


def misbehave(how: str) -> Program:
    return Program(
        f"misbehave-{how}",
        "goes wrong on purpose",
        lambda t: ["misbehave.sh", how, t.providers[0], *t.clients[:2]],
        checks.check_cpu,
        where=(),
    )


BY_NAME = {p.name: p for p in (*ALL, KUNIT, *map(misbehave, MISBEHAVIOURS))}


def get(name: str) -> Program:
    if name not in BY_NAME:
        raise Fail(f"no program '{name}': choose one of {', '.join(p.name for p in (*ALL, KUNIT))}")
    return BY_NAME[name]


def matrix(config: str = "lab", arch: Arch = X86_64) -> list[tuple[str, str]]:
    """Every (topology, program) that `make test` runs on the kernel CONFIG."""
    return [
        (t, p.name)
        for t in topologies.names(arch)
        for p in ALL
        if (p.where is None or t in p.where) and (not p.only_on or config in p.only_on)
    ]
