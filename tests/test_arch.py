# SPDX-License-Identifier: GPL-2.0-only
"""Other architectures than x86_64: their kernel, its KUnit suites, and runs of the lab on their machines."""

import fnmatch
import re
import subprocess
from typing import Any

import pytest

from conftest import print_through
from p2plib import Fail, arch as arches
from p2plib.arch import ARM64, X86_64
from p2plib.lab import checks, foreign, initramfs, judge, programs, runner, topology, trace
from test_build import warnings
from test_lab import GOOD

# --- without a guest ---


def test_which(monkeypatch):
    monkeypatch.delenv("ARCH", raising=False)
    assert arches.chosen() == X86_64
    monkeypatch.setenv("ARCH", "arm64")
    assert arches.chosen() == ARM64
    monkeypatch.setenv("ARCH", "arm")
    with pytest.raises(Fail, match="ARCH=arm: use one of x86_64, arm64"):
        arches.chosen()


def test_names_of_x86_stay():
    """What others have of the lab: the folders of its kernels, and of its runs."""
    assert X86_64.folder("debug") == "debug" and ARM64.folder("debug") == "debug-arm64"


def test_topology():
    """The same machine but for what the architecture's table says, and for devices that it does not have."""
    good: dict[str, Any] = {**GOOD}
    iommu: dict[str, Any] = {
        **good,
        "devices": [*good["devices"], "intel-iommu,intremap=off"],
        "cmdline": "intel_iommu=on",
    }
    both: dict[str, Any] = {**iommu, "arm64": {"machine": "virt,iommu=smmuv3"}}
    here, there = topology.parse("good", both), topology.parse("good", both, ARM64)
    assert here == topology.parse("good", iommu) and here.arch == X86_64
    assert there.arch == ARM64 and there.machine == "virt,iommu=smmuv3" and there.cmdline == ""
    assert there.devices == tuple(GOOD["devices"]) and there.expect == here.expect
    with pytest.raises(Fail, match="good: arm64: unknown key 'cpus'"):
        topology.parse("good", {**GOOD, "arm64": {"cpus": 3}})


def test_topologies_that_are_not_there():
    assert set(topology.names(ARM64)) < set(topology.names())
    with pytest.raises(Fail, match="topology q35-root-bus is not there on arm64: choose one of .*same-switch"):
        topology.load("q35-root-bus", ARM64)
    for name in topology.names(ARM64):
        assert topology.load(name, ARM64).arch == ARM64


SMMU = b"smmuv3_translate_success smmuv3-iommu-memory-region-8-0 sid=0x%x iova=0x%x translated=0x%x perm=0x3\n"


def test_smmu_translates(tmp_path):
    """What a drive's DMA touches is where the SMMU says that it is, page by page."""
    lines = [b"pci_nvme_map_addr addr 0xfffff800 len 4096\n", SMMU % (8, 0xFFFFF804, 0x8000000804)]
    lines += [SMMU % (8, 0x100000000, 0x40001000), b"pci_nvme_map_addr addr 0xffff0000 len 512\n"]
    (tmp_path / "trace").write_bytes(b"".join(lines))
    phase = trace.Phase("p", 0)
    trace.account(tmp_path / "trace", phase, {"m": (0x8000000000, 0x80000FFFFF)}, iommu=True)
    assert (dict(phase.bars), phase.ram, phase.unknown) == ({"m": 2048}, 2048, 512)


@pytest.mark.parametrize(
    "line",
    [
        "Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP",
        "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
        "arm-smmu-v3 9050000.smmuv3: event 0x10 received:",
    ],
)
def test_console(line):
    assert judge.console_faults(f"[    1.000000] {line}") != []


def test_applets():
    """They are in the binary as it says itself."""
    busybox = initramfs.tool(X86_64, "busybox")
    said = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    assert initramfs.applets(busybox) == said


def test_where_packages_come_from(tmp_path, monkeypatch):
    """Other archives are left out."""
    (tmp_path / "a.sources").write_text("Types: deb\nURIs: u\nSuites: bookworm bookworm-updates\nComponents: main\n")
    (tmp_path / "b.list").write_text("# x\ndeb https://u bookworm-security main contrib\n")
    (tmp_path / "c.list").write_text("deb https://u sdk-bookworm main\n#deb https://u bookworm main\n")
    monkeypatch.setattr(foreign, "SOURCES", (str(tmp_path / "none"), str(tmp_path)))
    assert foreign.sources() == [str(tmp_path / "a.sources"), str(tmp_path / "b.list")]
    monkeypatch.setattr(foreign, "SOURCES", (str(tmp_path / "none"),))
    with pytest.raises(Fail, match="no bookworm in"):
        foreign.sources()


# --- with one ---

# Not yet those of BARs that have nothing behind them but are touched, which this machine answers with an abort, and of
# kernel pointers into peer memory, which virt_addr_valid() does not know there.
SUITES = "p2pdma_[acdefhimnps]*"
# What has been tried there; the others of programs.matrix() may be run by hand.
RUNS = [
    ("ram-provider", "copy"),
    ("same-switch", "copy"),
    ("same-switch-identity", "copy"),
    ("two-root-ports", "copy"),
    ("two-root-ports-identity", "copy"),
    ("two-root-ports-iommu", "copy"),
    ("two-root-ports-strict", "copy"),
    ("unknown-root-complex", "copy"),
    ("unknown-root-complex-iommu", "copy"),
    ("ram-provider", "lockdown"),
    ("ram-provider", "netlink"),
    ("ram-provider", "stub"),
    ("ram-provider", "unbind"),
    ("same-switch", "demo"),
    ("same-switch", "mm"),
    ("same-switch", "mmap"),
    ("same-switch", "nvme-paths"),
    ("same-switch", "p2ptopo"),
    ("same-switch", "refuse"),
    ("same-switch", "routes"),
    ("two-root-ports", "nvme-queues"),
    ("two-root-ports-iommu", "mmap"),
    ("two-root-ports-iommu", "netlink"),
    ("two-root-ports-iommu", "nvme-paths"),
    ("two-root-ports-iommu", "nvme-queues"),
    ("unknown-root-complex", "policy"),
]


@pytest.fixture(scope="module")
def built(kernel):
    return kernel("lab", ARM64)


@pytest.mark.all
def test_kernel(built):
    assert warnings(built) == [], "the compiler has something to say: see the log beside the folder"


@pytest.fixture(scope="module")
def boot(built):  # pylint: disable=unused-argument
    return runner.Run(topology.load("same-switch", ARM64), programs.suite_alone(SUITES)).go()


@pytest.mark.all
@pytest.mark.parametrize("run", ["arm64.same-switch.kunit"])
def test_boot(run, boot):
    if not boot.passed:
        pytest.fail(boot.explain(), pytrace=False)


@pytest.mark.all
@pytest.mark.parametrize("suite", fnmatch.filter(checks.suites(), SUITES))
def test_suite(suite, boot, pytestconfig):
    verdict = checks.suite_verdicts(boot.vm.lines).get(suite, "did not run")
    if not verdict.startswith("ok "):
        pytest.fail(f"{suite}: {verdict}: see {boot.folder}/ktap.report", pytrace=False)
    print_through(pytestconfig, f"\n{suite}: {verdict[3:].strip()}")


@pytest.mark.all
@pytest.mark.parametrize("where,what", [pytest.param(*run, id=".".join(("arm64", *run))) for run in RUNS])
def test_run(where, what, built, progress):  # pylint: disable=unused-argument
    if programs.get(what).modules:
        progress("lab-modules", "lab", arch=ARM64)
    if "p2ptopo" in programs.get(what).extras:
        progress("tools", arch=ARM64)
    run = runner.Run(topology.load(where, ARM64), programs.get(what)).go()
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)


@pytest.mark.all
def test_what_is_said_of_host_bridges_is_pasted(built):  # pylint: disable=unused-argument
    """The root complex of this machine is on no list: what is refused says what would allow it, and that does."""
    where = topology.load("unknown-root-complex", ARM64)
    first = runner.Run(where, programs.get("routes")).go()
    said = [line for line in first.vm.lines if line.startswith("# to change that: ")]
    assert first.passed and said, first.explain()
    word = re.search(r"pci_p2pdma.host_bridges=\S+", said[0])
    assert word and word[0] in topology.load("two-root-ports", ARM64).cmdline, said
