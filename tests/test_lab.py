# SPDX-License-Identifier: GPL-2.0-only
"""End to end: each program on each topology, after proof that the lab notices what goes wrong.

CONFIG= names another kernel of build/out (debug, stock); KERNEL= an image from elsewhere.
"""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import vm_that_says
from p2plib import ROOT, Fail
from p2plib.commands import shell
from p2plib.kernel import modules
from p2plib.lab import checks, console, cpus, judge, pair, programs, races, runner, topology, trace

CONFIG = os.environ.get("CONFIG") or "lab"


@pytest.fixture(scope="session")
def image(request):
    if given := os.environ.get("KERNEL"):
        return Path(given)
    return request.getfixturevalue("kernel")(CONFIG) / "arch/x86/boot/bzImage"


def start(where, what, image, **options):
    return runner.run(where, what, config=CONFIG, kernel=image, **options)


# What the lab must say of a guest that goes wrong in this way; all of it, or it was luck.
MISBEHAVIOUR = {
    "failing": ["KTAP: 1 failed: not ok 1 misbehave"],
    "skipped": ["KTAP: 1 skipped, and nothing here may skip"],
    "short": ["KTAP: 1 errors"],
    "status": ["exit status of the program: 3"],
    "panic": ["console: .*Kernel panic", "no sentinel"],
    "hang": ["timeout", "no sentinel"],
    "warn": ["console: .*WARNING: ", "console: .*Kernel panic", "no sentinel"],
    "oops": ["console: .*BUG: ", "no sentinel"],
    "silent": ["no sentinel"],
    "taint": ["kernel taint: 64"],
    "fault": ["console: .*DMAR: .*fault"],
    "lost": ["phase lost never ended"],
    "cpu": ["cpu: the CPU read 4 bytes of BARs, and wrote 4096"],
    "peek": ["peek: the CPU read 1 and wrote 0 bytes of provider's memory, the last of them at 0xfffff,"],
}
# What a guest that goes wrong otherwise needs
ELSEWHERE = {"peek": "ram-provider"}


def test_lab_passes_what_is_well(image):
    run = start("same-switch", "misbehave-not", image)
    assert run.passed, run.explain()


@pytest.mark.parametrize("how", MISBEHAVIOUR)
def test_lab_fails(how, image):
    """A guest that is a perfect pass but for one thing."""
    began = time.monotonic()
    slow = runner.SLOWER.get(CONFIG, 1)
    run = start(
        ELSEWHERE.get(how, "same-switch"), f"misbehave-{how}", image, timeout=8 * slow if how == "hang" else None
    )
    assert not run.passed
    for pattern in MISBEHAVIOUR[how]:
        assert any(judge.re.search(pattern, reason) for reason in run.reasons), run.explain()
    assert "rerun: " in run.explain() and "shell: " in run.explain()
    assert run.vm.process.poll() is not None, "QEMU is still there"
    assert time.monotonic() - began < 60 * slow


IOAPIC = "[    0.087068] RIP: 0010:mask_ioapic_irq+0x15/0xb0\n"
INIT = "[    4.113030] Run /init as init process\n"
IDLE = "[  168.266488] NMI backtrace for cpu 1 skipped: idling at default_idle+0x13/0x20\n"
HUNG = "[   88.266488] INFO: task poweroff:71 blocked for more than 60 seconds.\n"
DOWN = "[    4.901540] reboot: Power down\n"
STUCK, SILENT = "killed after the sentinel", "killed before it"
TIMER = "[  168.269546] rcu: \tPossible timer handling issue on cpu=1 timer-softirq=3694\n"


@pytest.mark.parametrize(
    "ends, attempts",
    [
        (((IOAPIC, 0), (INIT, 0)), 2),
        (((IOAPIC, 0), (IOAPIC, 0)), 2),
        (((INIT + IOAPIC, 0),), 1),
        (((IOAPIC.replace("mask_", "unmask_"), 0),), 1),
        (((INIT, 0),), 1),
        (((INIT, -signal.SIGSEGV), (INIT, 0)), 2),
        (((INIT, -signal.SIGSEGV), (INIT, -signal.SIGSEGV)), 2),
        (((INIT + IDLE + TIMER, 0), (INIT, 0)), 2),
        (((INIT + IDLE + TIMER, 0), (INIT + IDLE + TIMER, 0)), 2),
        (((INIT + IDLE, 0),), 1),
        (((INIT + TIMER, 0),), 1),
        (((INIT, STUCK), (INIT, 0)), 2),
        (((INIT, STUCK), (INIT, STUCK)), 2),
        (((INIT + HUNG, STUCK),), 1),
        (((INIT + DOWN, STUCK),), 1),
        (((INIT, SILENT),), 1),
        (((INIT, -signal.SIGABRT),), 1),
        (((INIT, -signal.SIGKILL),), 1),
    ],
)
def test_a_run_is_excused_once_and_for_four_things(ends, attempts, image, monkeypatch, tmp_path):
    """The console, and how QEMU ended, of each attempt."""
    left = list(ends)
    monkeypatch.setattr(runner, "RUNS", tmp_path)
    run = runner.Run(topology.load("same-switch"), programs.get("misbehave-not"), config=CONFIG, kernel=image)

    def attempt():
        console, status = left.pop(0)
        run.folder.mkdir(exist_ok=True)
        (run.folder / "console.log").write_text(console)
        stuck = status in (STUCK, SILENT)
        process = SimpleNamespace(returncode=-signal.SIGKILL if stuck else status)
        sentinel = {"status": 0} if status == STUCK else None
        return SimpleNamespace(vm=SimpleNamespace(process=process, timed_out=stuck, sentinel=sentinel))

    monkeypatch.setattr(run, "attempt", attempt)
    run.go()
    assert len(ends) - len(left) == attempts


def test_a_dead_qemu_is_told(image, monkeypatch, tmp_path):
    """One that is killed while the guest runs, without a repeat for it."""
    monkeypatch.setattr(runner, "RUNS", tmp_path)

    def kill(vm, line):
        if line.startswith("# lab: phase begin"):
            vm.process.send_signal(signal.SIGABRT)

    program = programs.get("copy")
    run = runner.Run(topology.load("same-switch"), program, config=CONFIG, kernel=image, watch=kill).go()
    assert run.reasons[0].startswith("QEMU itself was ended by signal 6"), run.explain()


# Takes two machines, or many minutes: `make test-all`.
LONG = (
    ("same-switch", "nvmet-hosts"),
    ("ram-provider", "unplug-20"),
    ("ram-provider", "unplug-100"),
    ("rdma-cards", "nvmet-soak"),
    ("one-far-ram", "stack-soak"),
)


@pytest.mark.parametrize(
    "where,what",
    [
        pytest.param(t, p, id=f"{t}.{p}", marks=pytest.mark.all if (t, p) in LONG else ())
        for t, p in programs.matrix(CONFIG)
    ],
)
def test_run(where, what, image, kernel, progress):
    if programs.get(what).modules:
        kernel(CONFIG)
        progress("lab-modules", CONFIG)
    if "p2ptopo" in programs.get(what).extras:
        progress("tools")
    run = start(where, what, image)
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)
    skipped = run.counts["skipped"]
    print(f"{run.name}: {run.seconds:.1f} s, {run.counts['passed']} passed, {skipped} skipped")


@pytest.mark.parametrize("number", [20, pytest.param(1250, marks=pytest.mark.all)])
def test_random_fabrics(number, kernel, progress):
    """The tool beside the kernel on random fabrics, eight settings of ACS for each."""
    kernel("lab")
    progress("tools")
    program = replace(programs.FABRICS, order=lambda t: ["p2ptopo-fabrics.sh", str(number)], timeout=120 + 5 * number)
    run = runner.Run(topology.load("same-switch"), program).go()
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)


def pictures(image, cmdline=""):
    """{picture: (map type, what to change)}, as the suite of explain.c says it."""
    alone = programs.suite_alone("p2pdma_explain")
    case = replace(alone, cmdline=f"{alone.cmdline}.explain_pasted {cmdline}")
    run = runner.Run(topology.load("same-switch"), case, config=CONFIG, kernel=image).go()
    assert run.passed, run.explain()
    return {
        found[1]: (found[2], found[3])
        for line in run.vm.lines
        if (found := re.match(r"\s*# explain_pasted: (\w+) is ([\w-]+): (.*)", line))
    }


@pytest.mark.parametrize(
    "picture,parameter,before,after",
    [
        ("both_ends", "pci=disable_acs_redir=", "none", "bus-addr"),
        ("drops", "pci=disable_acs_redir=", "none", "bus-addr"),
        ("not_forwarded", "pci=disable_acs_redir=", "none", "bus-addr"),
        ("not_forwarded", "pci=config_acs=", "none", "host-bridge"),
    ],
)
def test_what_is_said_of_acs_is_pasted(picture, parameter, before, after, image):
    """Ports with ACS, which QEMU's switches have not, are KUnit's; the kernel's command line is real."""
    verdict, remedy = pictures(image)[picture]
    assert verdict == before
    word = re.search(re.escape(parameter) + r"[^\s,]+(?=[,\s]|$)", remedy)
    assert word, remedy
    assert pictures(image, word[0])[picture][0] == after


def test_what_is_said_of_host_bridges_is_pasted(image):
    first = start("unknown-root-complex", "routes", image)
    said = [line for line in first.vm.lines if line.startswith("# to change that: ")]
    assert first.passed and said, first.explain()
    word = re.search(r"pci_p2pdma.host_bridges=\S+", said[0])
    assert word, said
    routes = replace(programs.get("routes"), cmdline=word[0], check=checks.nothing)
    again = runner.Run(topology.load("unknown-root-complex"), routes, config=CONFIG, kernel=image).go()
    assert again.passed, again.explain()
    pair = f"# route {again.vm.bdfs['provider']} {again.vm.bdfs['a']} "
    (verdict,) = (line for line in again.vm.lines if line.startswith(pair))
    assert "read=host-bridge write=host-bridge " in verdict and verdict.endswith("/policy")


def test_a_guest_is_told_once_that_it_is_one(image):
    """However many devices register memory; and what the verdicts mean then."""
    run = start("two-root-ports", "routes", image)
    assert run.passed, run.explain()
    console = (run.folder / "console.log").read_text(errors="replace")
    assert (
        console.count("this is a virtual machine: who reaches this memory is worked out from the virtual topology") == 1
    )


@pytest.fixture(scope="module")
def stub_module(kernel, progress):
    """The driver as a module, which the lab's kernel has built in: of another name, and beside the tree."""
    kernel("lab")
    folder = ROOT / "build" / "module"
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "drivers/pci/p2pdma/stub.c", folder)
    # Not the name of the built-in one's initcall, which the kernel's command line leaves out
    (folder / "Kbuild").write_text(
        "obj-m := stub_module.o\nstub_module-y := stub.o\n" "ccflags-y := -Dstub_driver=stub_module_driver\n"
    )
    progress("build", "lab", "modules_prepare")
    progress("build", "lab", "modules", "--make", f"M={folder}")
    return folder / "stub_module.ko"


@pytest.mark.parametrize("name", ["ram-provider.stub-module"])
def test_stub_module(name, stub_module):
    run = runner.Run(topology.load(name.split(".")[0]), programs.STUB_MODULE, files=(stub_module,)).go()
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)


# A shell, and modules of one's own -------------------------------------------------------------

HELLO = """#include <linux/module.h>
static int __init hello_init(void)
{
	pr_info("hello from a module\\n");
	return 0;
}
module_init(hello_init);
MODULE_DESCRIPTION("hello");
MODULE_LICENSE("GPL");
"""


def test_a_module_of_ones_own(kernel, tmp_path):
    """It is built without a trace in its folder, and loaded in a shell's guest by what is piped into that."""
    kernel("lab")
    source, script = tmp_path / "hello", tmp_path / "say.sh"
    source.mkdir()
    (source / "hello.c").write_text(HELLO)
    (source / "Kbuild").write_text("obj-m := hello.o\n")
    script.write_text("#!/bin/sh\necho in $(pwd): $1\n")
    env = {**os.environ, "CONFIG": "lab", "TOPO": "same-switch", "FILES": str(script), "KERNEL": ""}
    ours = modules.OWN / "lab" / "hello"
    try:
        done = subprocess.run(
            [ROOT / "scripts/module", source], env=env, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0 and "insmod hello.ko" in done.stdout, done.stdout + done.stderr
        assert sorted(path.name for path in source.iterdir()) == ["Kbuild", "hello.c"]
        words = "insmod hello.ko && dmesg | grep 'hello from' && ./say.sh $((40 + 2))\n"
        done = subprocess.run(
            [ROOT / "scripts/shell"], env=env, input=words, capture_output=True, text=True, check=False, timeout=300
        )
    finally:
        shutil.rmtree(ours, ignore_errors=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # The kernel's last line may be beside it, as both are for the console.
    assert re.search(r"\] hello from a module\n", done.stdout) and "in /root: 42" in done.stdout, done.stdout


@pytest.mark.parametrize(
    "says, boot, limit, reason",
    [
        ("", 0.5, 60, "the guest has no shell after 0.5 s"),
        ("p2p:~ # ", 60, 1, "the guest still runs after 1 s"),
        ("p2p:~ # ", 1, None, ""),
    ],
)
def test_a_shell_ends(says, boot, limit, reason, tmp_path):
    """A guest that hangs is ended, before it has a shell or after; a human takes as long as they like."""
    log = tmp_path / "log"
    with open(log, "wb") as output:
        qemu = subprocess.Popen(["sh", "-c", f"printf '{says}'; exec sleep {60 if reason else 2}"], stdout=output)
    dog = console.Watchdog(qemu, log, boot, limit)
    qemu.wait(20)
    dog.end()
    assert dog.reason == reason and dog.booted == bool(says) and qemu.returncode == (-9 if reason else 0)


@pytest.mark.parametrize(
    "attempts, words",
    [
        (((IOAPIC, False, ""), ("", True, "")), ""),
        (((IOAPIC, False, ""), (IOAPIC, False, "")), "ended before it had a shell"),
        ((("Kernel panic", False, ""),), "ended before it had a shell"),
        ((("", False, "no shell"),), "no shell, and was ended: see above"),
        ((("", True, "still there"),), "still there, and was ended: TIMEOUT="),
    ],
)
def test_a_shell_is_tried_once_more_for_one_thing(attempts, words):
    left = list(attempts)

    def attempt():
        text, booted, reason = left.pop(0)
        qemu = SimpleNamespace(returncode=0)
        return SimpleNamespace(booted=booted, reason=reason, qemu=qemu), text

    if words:
        with pytest.raises(Fail, match=words):
            shell.status("t", attempt)
    else:
        assert shell.status("t", attempt) == 0
    assert not left


def test_modules_are_laid_out(tree, tmp_path, script):
    """The patches fit the tree's drivers without fuzz; what did not change keeps its time stamp, what did is laid."""
    assert script("lab-modules", "--lay", str(tmp_path)).returncode == 0
    (tmp_path / "rxe" / "rxe_mr.c").write_text("")
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert script("lab-modules", "--lay", str(tmp_path)).returncode == 0
    new = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert [path.name for path in new if new[path] != stamps.get(path)] == ["rxe_mr.c"] and len(new) == len(stamps) > 40
    assert "dma_card_copy" in (tmp_path / "rxe" / "rxe_mr.c").read_text()


def test_words_between_two_guests():
    """Who waits for a word gets it whenever it was said, and an answer also when it will never be said."""
    words = pair.Words()
    words.tell("early")
    assert words.wait("early") == "ok"
    answers = []
    waiting = [threading.Thread(target=lambda w=w: answers.append((w, words.wait(w)))) for w in ("late", "never")]
    for thread in waiting:
        thread.start()
    words.tell("late")
    waiting[0].join(10)
    words.end()
    waiting[1].join(10)
    assert answers == [("late", "ok"), ("never", "gone")]


GOOD = {
    "about": "",
    "picture": "",
    "cpu": "EPYC",
    "devices": ["pcie-root-port,id=r0,bus=pcie.0"],
    "drives": {"a": {"bus": "pcie.0"}, "b": {"bus": "r0"}, "m": {"bus": "pcie.0", "cmb_size_mb": 4}},
    "expect": {"m": dict.fromkeys("ab", {"read": "none", "write": "none"})},
}


def test_topologies_are_sound():
    assert topology.parse("good", GOOD).pairs() == [("m", "a", "b"), ("m", "b", "a")]
    for name in topology.names():
        assert topology.load(name).picture.strip(), name


@pytest.mark.parametrize(
    "change,message",
    [
        ({"cpus": "EPYC"}, "unknown key 'cpus'"),
        ({"cpu": 3}, "cpu must be of type str"),
        ({"devices": [1]}, "1 is not a string"),
        ({"drives": {"a": {"bus": "r7"}}}, "bus 'r7' is no device's id"),
        ({"drives": {"A b": {"bus": "r0"}}}, "an id is"),
        ({"expect": {}}, "must hold the providers ['m']"),
        ({"ports": {"a": {"drive": "a", "bus": "r0"}}}, "is the id of something else already"),
        ({"ports": {"c": {"drive": "x", "bus": "r0"}}}, "drive = 'x' is no drive without protection information"),
        ({"copy_mib": 17}, "2 copies of 17 MiB are more than the 32 MiB of data that a drive holds: use 16"),
        ({"expect": {"m": {"a": {"read": "none", "write": "none"}}}}, "must hold the clients ['a', 'b']"),
        ({"expect": {"m": {"a": {"read": "bus", "write": "none"}, "b": {}}}}, "read = 'bus' is none of"),
    ],
)
def test_topology_at_fault(change, message):
    with pytest.raises(Fail) as error:
        topology.parse("bad", GOOD | change)
    assert message in str(error.value) and "\n" not in str(error.value)


BARS = {"provider": (0x10000, 0x1FFFF)}


def accounted(tmp_path, text, iommu=False):
    path = tmp_path / "trace.log"
    path.write_text(text)
    phase = trace.Phase("p", 0, len(text))
    trace.account(path, phase, BARS, iommu)
    return dict(phase.bars), phase.ram, phase.unknown


def test_trace_bar_and_ram(tmp_path):
    text = (
        "pci_nvme_map_addr addr 0x10000 len 4096\npci_nvme_map_addr addr 0x20000 len 512\n"
        "pci_nvme_map_addr_cmb addr 0x1f000 len 4096\npci_nvme_map_addr addr 0x1f800 len 4096\n"
    )
    assert accounted(tmp_path, text) == ({"provider": 8192 + 2048}, 512 + 2048, 0)


WATCHED = """memory_region_ops_read cpu 0 mr 0x55d0 addr 0x10000 value 0x5a size 1 name 'nvme-cmb'
memory_region_ops_read cpu -1 mr 0x55d0 addr 0x10004 value 0x5a size 4 name 'nvme-cmb'
memory_region_ops_write cpu 1 mr 0x55d0 addr 0x1fff8 value 0xffffffffffffffff size 8 name 'nvme-cmb'
memory_region_ops_write cpu 1 mr 0x55d1 addr 0x3f9 value 0x5a size 1 name 'serial'
"""


def test_trace_tells_the_cpus_from_devices(tmp_path):
    """What a CPU did to the BAR, and to nothing else; a line that cannot be read counts as something unknown."""
    path = tmp_path / "trace.log"
    path.write_text(WATCHED + "memory_region_ops_read in other words\n")
    phase = trace.Phase("p", 0, path.stat().st_size, watched=True)
    trace.account(path, phase, BARS)
    assert (phase.cpu_read, phase.cpu_written, phase.by_devices) == ({"provider": 1}, {"provider": 8}, {"provider": 4})
    assert (phase.bar, phase.ram, phase.unknown) == (0, 0, 1)


def test_a_byte_by_the_cpu_does_not_pass():
    """Nor does a phase that nobody watched, or in which the drives were not seen either."""
    vm = vm_that_says()
    good = trace.Phase("p", 0, 1, bars=trace.Counter(provider=8), watched=True, by_devices=trace.Counter(provider=8))

    def reasons(**moves: Any):
        vm.phases = [replace(good, **moves)]
        return checks.untouched(vm, "p", "provider", 8)

    assert reasons() == []
    faults: list[dict[str, Any]] = [
        {"cpu_read": trace.Counter(provider=1)},
        {"cpu_written": trace.Counter(provider=1)},
        {"watched": False},
        {"by_devices": trace.Counter()},
        {"ram": 512},
    ]
    for bad in faults:
        assert reasons(**bad)


def touched(**moves: int) -> cpus.Touched:
    return replace(cpus.Touched(0, 0, 0, 0, 0x1234, 0x401000), **moves)


def test_cpus_are_kept_out():
    """But for a card's instruction; where nobody sees them there is nothing to say."""

    def reasons(seen, lost=0):
        return checks.kept_out(trace.Phase("p", 0, 1, touched=seen, lost=lost))

    assert reasons(None) == reasons({}) == reasons({"provider": touched(card_read=8, card_written=8)}) == []
    assert reasons({"provider": touched(read=1)}) and reasons({"provider": touched(written=1)}) and reasons({}, lost=1)
    assert "at 0x1234, by the instruction at 0x401000" in reasons({"provider": touched(read=1)})[0]


@pytest.mark.parametrize("moves", [{"card_read": 7}, {"card_written": 7}, {"read": 1}])
def test_a_card_that_has_not_moved_it_does_not_pass(moves):
    good = {"card_read": 8, "card_written": 8}
    assert checks.by_card(trace.Phase("p", 0, 1, touched={"provider": touched(**good)}), "provider", 8) == []
    assert checks.by_card(trace.Phase("p", 0, 1, touched={"provider": touched(**good | moves)}), "provider", 8)


BLOCKS = """              Block Name    PSize              Offset               Used              Total
              /objects/ram-provider    4 KiB  0x0000000040000000 0x0000000004000000 0x0000000004000000
                 ram-own    4 KiB  0x0000000044000000 0x0000000004000000 0x0000000004000000
"""


def test_cpus_find_ram_of_the_host():
    assert cpus.ram_block(BLOCKS, "ram-provider") == 0x40000000
    assert cpus.ram_block(BLOCKS, "ram-own") == 0x44000000
    with pytest.raises(Fail, match="no RAM block ram-other"):
        cpus.ram_block(BLOCKS, "ram-other")


def test_cpus_words_are_those_of_the_plugin(tmp_path):
    """As many in Python as in C, and what is wanted is counted from nothing."""
    text = re.sub(r"/\*.*?\*/", "", cpus.SOURCE.read_text(), flags=re.S)
    head, each = (re.findall(rf"struct {name} {{\n(.*?)}};", text, re.S)[0] for name in ("control", "range"))
    assert head.count("uint64_t") == cpus.HEAD
    assert sum({"[WHO]": 2}.get(w[2], 1) for w in re.finditer(r"(\w+)(\[WHO\])?[,;]", each)) == cpus.RANGE
    assert f"#define RANGES\t{cpus.RANGES}\n" in text
    seen = cpus.Cpus(tmp_path / "cpus")
    for _ in range(2):
        seen.begin({"own": cpus.Range(1, 2, True), "provider": cpus.Range(0x1000, 0x1FFF, False)}, 0x42)
        assert seen.words[cpus.WANTED] == 1 and not seen.active
        assert seen.words[cpus.HEAD : cpus.HEAD + 3].tolist() == [1, 2, 1]
        for i in range(6):
            seen.words[cpus.HEAD + cpus.RANGE + 3 + i] += i + 1
        assert seen.end() == ({"own": cpus.Touched(0, 0, 0, 0, 0, 0), "provider": cpus.Touched(1, 2, 3, 4, 5, 6)}, 0)
    with pytest.raises(Fail, match="9 ranges"):
        seen.begin({str(i): cpus.Range(i, i, True) for i in range(9)}, 0)


def test_trace_iova(tmp_path):
    """The IOVA looks like the BAR and is not; the other one is, and the third was never translated."""
    text = (
        "pci_nvme_map_addr addr 0x10000 len 4096\npci_nvme_map_addr addr 0xfff00000 len 512\n"
        "pci_nvme_map_addr addr 0xeee00000 len 100\n"
        "vtd_dmar_translate dev 01:00.00 iova 0x10000 -> gpa 0x900000 mask 0xfff\n"
        "vtd_dmar_translate dev 01:00.00 iova 0xfff00000 -> gpa 0x11000 mask 0xfff\n"
    )
    assert accounted(tmp_path, text, iommu=True) == ({"provider": 512}, 4096, 100)


def test_trace_stops_at_the_phase_end(tmp_path):
    line = "pci_nvme_map_addr addr 0x10000 len 4096\n"
    path = tmp_path / "trace.log"
    path.write_text(line * 3)
    phase = trace.Phase("p", len(line), 2 * len(line))
    trace.account(path, phase, BARS)
    assert phase.bar == 4096


def test_books_that_do_not_balance():
    """One block in RAM, one too few in the BAR, one that nobody can place: none of it passes."""
    good = trace.Phase("p", 0, 1, trace.Counter(provider=8192))
    assert checks.moved(good, {"provider": 8192}, 0) == []
    assert checks.moved(good, {"provider": 16384}, 0) and checks.moved(good, {}, 8192)
    for bad in (
        trace.Phase("p", 0, 1, trace.Counter(provider=8192), ram=512),
        trace.Phase("p", 0, 1, trace.Counter(provider=8192), unknown=512),
        trace.Phase("p", 0, 1, trace.Counter(other=8192)),
    ):
        assert checks.moved(bad, {"provider": 8192}, 0)


# What KCSAN prints, with a line of somebody else's in the middle
RACE = """[    3.1] ==================================================================
[    3.1] BUG: KCSAN: data-race in {a} / {b}
[    3.1]
[    3.1] write to 0xffff88800123 of 4 bytes by task 33 on cpu 0:
[    3.1]  {a}+0x10/0x40
[    3.1]  {above}+0x20/0x80
[    3.1]  ret_from_fork_asm+0x1a/0x30
[    3.1]
[    3.1] pci 0000:01:00.0: somebody else's line
[    3.1] read to 0xffff88800123 of 4 bytes by {who} on cpu 1:
[    3.1]  {b}+0x5/0x60
[    3.1]  {below}
[    3.1]
[    3.1] value changed: 0x1 -> 0x2
[    3.1]
[    3.1] Reported by Kernel Concurrency Sanitizer on:
[    3.1] CPU: 1 UID: 0 PID: 34 Comm: kworker/1:2 Not tainted
[    3.1] ==================================================================
"""


def race(a="there", above="vfs_read", b="elsewhere", who="task 34", below="worker_thread+0x1/0x20"):
    return RACE.format(a=a, above=above, b=b, who=who, below=below)


@pytest.fixture
def functions(tmp_path):
    """Of a kernel in which one object is ours, with a function "ours" of 0x3c bytes."""
    (tmp_path / "drivers/pci").mkdir(parents=True)
    subprocess.run(
        ["as", "-o", tmp_path / "drivers/pci/p2pdma.o", "-"],
        text=True,
        check=True,
        input=".type ours, @function\nours: .skip 0x3c\n.size ours, . - ours\n",
    )
    return races.Functions(tmp_path)


@pytest.mark.parametrize(
    "text,ours",
    [
        (race(), 0),
        (race(a="ours"), 1),
        (race(b="ours"), 0),  # another one of this name, which is longer
        (race(b="ours+0x5/0x40\n[    3.1]  strlen"), 1),
        (race(below="ours+0x5/0x40"), 1),
        (race(below="asm_sysvec_apic_timer_interrupt+0x5/0x20\n[    3.1]  ours+0x5/0x40"), 0),
        (race(a="free_zone_device_folio"), 1),  # our patches change it
        (race(above="free_zone_device_folio"), 0),
        (race() + race(b="strlen", below="ours+0x5/0x40") + race(), 1),
        (race(who="interrupt"), 0),
        (race()[:300], 1),  # which is all that there is of it
    ],
)
def test_races(functions, text, ours):
    """A race is ours by who is in its stacks."""
    reasons, elsewhere = judge.race_faults(text, functions)
    assert len(reasons) == ours and len(reasons) + len(elsewhere) == text.count("BUG: "), (reasons, elsewhere)
    assert judge.console_faults(text) == []
    assert len(judge.race_faults(text, None)[0]) >= 1, "where nothing is known, each is a failure"


def test_changed_functions():
    """Those whose body a patch changes, in the files that it changes, and no others of the kernel."""
    assert {"free_zone_device_folio", "memremap_pages", "nvme_map_cmb", "nvmet_req_alloc_sgls"} <= races.changed()
    assert not {"schedule", "vfs_read", "memcpy", "kfree", "if", "switch", "for", "return"} & races.changed()


def installed(run, **instead):
    """What a run of all selftests says; INSTEAD has other lines for some of them."""
    skipped = checks.SKIPPED[run]
    lines = []
    for number, name in enumerate(checks.selftests(), 1):
        usual = ["# ok 1 it works", "# ok 2 this # SKIP no drive", f"ok {number} selftests: pci-p2pdma: {name}"]
        if skipped is None or name in skipped:
            usual = ["# 1..0 # SKIP no provider", f"ok {number} selftests: pci-p2pdma: {name} # SKIP"]
        lines += [f"# selftests: pci-p2pdma: {name}", *instead.get(name, usual)]
    return [f"# {run}: {line}" for line in lines]


@pytest.mark.parametrize(
    "run,name,lines",
    [
        ("found", "p2p_mmap", ["# 1..0 # SKIP no provider", "ok 1 selftests: pci-p2pdma: p2p_mmap # SKIP"]),
        ("found", "p2p_mmap", ["ok 1 selftests: pci-p2pdma: p2p_mmap"]),
        ("found", "p2p_mmap", ["# ok 1 this # SKIP no drive", "ok 1 selftests: pci-p2pdma: p2p_mmap"]),
        (
            "named",
            "p2p_mmap",
            ["# ok 1 it works", "# not ok 2 this", "not ok 1 selftests: pci-p2pdma: p2p_mmap # exit=1"],
        ),
        ("named", "p2p_mmap", ["# ok 1 it works"]),
        ("nothing", "p2p_mmap", ["# ok 1 it works", "ok 1 selftests: pci-p2pdma: p2p_mmap"]),
        ("nothing", "p2p_mmap", ["ok 1 selftests: pci-p2pdma: p2p_mmap # SKIP"]),
        ("nothing", "p2p_mmap", ["# 1..0 # SKIP ", "ok 1 selftests: pci-p2pdma: p2p_mmap # SKIP"]),
    ],
)
def test_a_selftest_that_is_silent_does_not_pass(run, name, lines):
    """None is left out, skips or passes without a word, or with a word and nothing tested."""
    good = {each: installed(each) for each in checks.SKIPPED}
    assert len(checks.selftests()) > 9 and checks.check_selftests(vm_that_says(*sum(good.values(), [])), {}) == []
    bad = good | {run: installed(run, **{name: lines})}
    assert checks.check_selftests(vm_that_says(*sum(bad.values(), [])), {})
    left_out = [line for line in good[run] if name not in line]
    assert checks.check_selftests(vm_that_says(*sum((good | {run: left_out}).values(), [])), {})


def drift(number=20, **grows):
    """What check_drift() says of so many samples; GROWS is {name: by how much in each}, on top of some noise."""

    def sample(i):
        noise = (3, 0, 40, 7)[i % 4]
        values: dict[str, Any] = {
            "iomem": "0123",
            "pools": 2,
            "MemFree": 800000 - noise - 20 * bool(i > 2),
            "Percpu": 500,
            "slab.kmalloc-64": 900 + noise,
            "slab.dentry": 70,
        }
        for name, by in grows.items():
            values[name] = f"{values[name]}{by}" if name == "iomem" else values[name] + by * i
        return "# sample " + " ".join(f"{name}={value}" for name, value in values.items())

    return checks.check_drift(vm_that_says(*map(sample, range(number))), {})


def test_drift():
    """Noise is none; one object a round is, whichever it is, and so are pages, and anything that stays behind."""
    assert drift() == [] and drift(100) == []
    assert len(drift(number=8)) == 1
    for name, by in (("slab.kmalloc-64", 1), ("slab.dentry", 1), ("MemFree", -512), ("Percpu", 20), ("pools", 1)):
        for number in (20, 100):
            assert [r for r in drift(number, **{name: by}) if f" {name} " in r], name
