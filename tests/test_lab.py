# SPDX-License-Identifier: GPL-2.0-only
"""End to end: each program on each topology, after proof that the lab notices what goes wrong.

CONFIG= names another kernel of build/out (debug, stock); KERNEL= an image from elsewhere.
"""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import ROOT, LabError, judge, pair, programs, races, runner, topology, trace

CONFIG = os.environ.get("CONFIG") or "lab"
LAB = Path(__file__).resolve().parent.parent / "lab" / "run"


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
}


def test_lab_passes_what_is_well(image):
    run = start("same-switch", "misbehave-not", image)
    assert run.passed, run.explain()


@pytest.mark.parametrize("how", MISBEHAVIOUR)
def test_lab_fails(how, image):
    """A guest that is a perfect pass but for one thing."""
    began = time.monotonic()
    slow = runner.SLOWER.get(CONFIG, 1)
    run = start("same-switch", f"misbehave-{how}", image, timeout=8 * slow if how == "hang" else None)
    assert not run.passed
    for pattern in MISBEHAVIOUR[how]:
        assert any(judge.re.search(pattern, reason) for reason in run.reasons), run.explain()
    assert "rerun: " in run.explain() and "shell: " in run.explain()
    assert run.vm.process.poll() is not None, "QEMU is still there"
    assert time.monotonic() - began < 60 * slow


IOAPIC = "[    0.087068] RIP: 0010:mask_ioapic_irq+0x15/0xb0\n"
INIT = "[    4.113030] Run /init as init process\n"


@pytest.mark.parametrize("consoles, attempts", [
    ((IOAPIC, INIT), 2), ((IOAPIC, IOAPIC), 2), ((INIT + IOAPIC,), 1), ((IOAPIC.replace("mask_", "unmask_"),), 1), ((INIT,), 1)])
def test_a_boot_is_excused_once_and_for_one_thing(consoles, attempts, image, monkeypatch, tmp_path):
    left = list(consoles)
    monkeypatch.setattr(runner, "RUNS", tmp_path)
    run = runner.Run(topology.load("same-switch"), programs.get("misbehave-not"), config=CONFIG, kernel=image)

    def attempt():
        run.folder.mkdir(exist_ok=True)
        (run.folder / "console.log").write_text(left.pop(0))

    monkeypatch.setattr(run, "attempt", attempt)
    run.go()
    assert len(consoles) - len(left) == attempts


# Takes two machines, or many minutes: `make test-all`.
LONG = (("same-switch", "nvmet-hosts"), ("ram-lender", "unplug-20"), ("ram-lender", "unplug-100"))


@pytest.mark.parametrize("where,what", [
    pytest.param(t, p, id=f"{t}.{p}", marks=pytest.mark.all if (t, p) in LONG else ())
    for t, p in programs.matrix(CONFIG)])
def test_run(where, what, image):
    run = start(where, what, image)
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)
    skipped = run.counts["skipped"]
    print(f"{run.name}: {run.seconds:.1f} s, {run.counts['passed']} passed, {skipped} skipped")


@pytest.fixture(scope="module")
def lend_module(kernel, progress):
    """The driver as a module, which the lab's kernel has built in: of another name, and beside the tree."""
    out, folder = kernel("lab"), ROOT / "build" / "module"
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "drivers/pci/p2pdma/lend.c", folder)
    # Not the name of the built-in one's initcall, which the kernel's command line leaves out
    (folder / "Kbuild").write_text("obj-m := lend_module.o\nlend_module-y := lend.o\n"
                                   "ccflags-y := -Dlend_driver=lend_module_driver\n")
    # No module is part of this kernel, so nothing made this file.
    shutil.copy(out / "vmlinux.symvers", out / "Module.symvers")
    progress("build", "lab", "modules_prepare")
    progress("build", "lab", "modules", "--make", f"M={folder}")
    return folder / "lend_module.ko"


@pytest.mark.parametrize("name", ["ram-lender.lend-module"])
def test_lend_module(name, kernel, lend_module):
    run = runner.Run(topology.load(name.split(".")[0]), programs.LEND_MODULE, files=(lend_module,),
                     kernel=kernel("lab") / "arch/x86/boot/bzImage").go()
    if not run.passed:
        pytest.fail(run.explain(), pytrace=False)


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


GOOD = {"about": "", "picture": "", "cpu": "EPYC", "devices": ["pcie-root-port,id=r0,bus=pcie.0"],
        "drives": {"a": {"bus": "pcie.0"}, "b": {"bus": "r0"}, "m": {"bus": "pcie.0", "cmb_size_mb": 4}},
        "expect": {"m": {"a": {"read": "none", "write": "none"}, "b": {"read": "none", "write": "none"}}}}


def test_topologies_are_sound():
    assert topology.parse("good", GOOD).pairs() == [("m", "a", "b"), ("m", "b", "a")]
    for name in topology.names():
        assert topology.load(name).picture.strip(), name


@pytest.mark.parametrize("change,message", [
    ({"cpus": "EPYC"}, "unknown key 'cpus'"),
    ({"cpu": 3}, "cpu must be of type str"),
    ({"devices": [1]}, "1 is not a string"),
    ({"drives": {"a": {"bus": "r7"}}}, "bus 'r7' is no device's id"),
    ({"drives": {"A b": {"bus": "r0"}}}, "an id is"),
    ({"expect": {}}, "must hold the providers ['m']"),
    ({"expect": {"m": {"a": {"read": "none", "write": "none"}}}}, "must hold the clients ['a', 'b']"),
    ({"expect": {"m": {"a": {"read": "bus", "write": "none"}, "b": {}}}}, "read = 'bus' is none of"),
])
def test_topology_at_fault(change, message):
    with pytest.raises(LabError) as error:
        topology.parse("bad", GOOD | change)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("arguments,message", [
    (["nowhere", "copy"], "no topology 'nowhere'"),
    (["same-switch", "nothing"], "no program 'nothing'"),
    (["same-switch"], "which topology and program?"),
    (["same-switch", "copy", "--kernel", "/nonexistent"], "no kernel image /nonexistent"),
])
def test_lab_bad_argument(arguments, message):
    done = subprocess.run([LAB, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith(f"p2p: {message}") and done.stderr.count("\n") == 1


BARS = {"lender": (0x10000, 0x1ffff)}


def accounted(tmp_path, text, iommu=False):
    path = tmp_path / "trace.log"
    path.write_text(text)
    phase = trace.Phase("p", 0, len(text))
    trace.account(path, phase, BARS, iommu)
    return dict(phase.bars), phase.ram, phase.unknown


def test_trace_bar_and_ram(tmp_path):
    text = ("pci_nvme_map_addr addr 0x10000 len 4096\npci_nvme_map_addr addr 0x20000 len 512\n"
            "pci_nvme_map_addr_cmb addr 0x1f000 len 4096\npci_nvme_map_addr addr 0x1f800 len 4096\n")
    assert accounted(tmp_path, text) == ({"lender": 8192 + 2048}, 512 + 2048, 0)


def test_trace_iova(tmp_path):
    """The IOVA looks like the BAR and is not; the other one is, and the third was never translated."""
    text = ("pci_nvme_map_addr addr 0x10000 len 4096\npci_nvme_map_addr addr 0xfff00000 len 512\n"
            "pci_nvme_map_addr addr 0xeee00000 len 100\n"
            "vtd_dmar_translate dev 01:00.00 iova 0x10000 -> gpa 0x900000 mask 0xfff\n"
            "vtd_dmar_translate dev 01:00.00 iova 0xfff00000 -> gpa 0x11000 mask 0xfff\n")
    assert accounted(tmp_path, text, iommu=True) == ({"lender": 512}, 4096, 100)


def test_trace_stops_at_the_phase_end(tmp_path):
    line = "pci_nvme_map_addr addr 0x10000 len 4096\n"
    path = tmp_path / "trace.log"
    path.write_text(line * 3)
    phase = trace.Phase("p", len(line), 2 * len(line))
    trace.account(path, phase, BARS)
    assert phase.bar == 4096


def test_books_that_do_not_balance():
    """One block in RAM, one too few in the BAR, one that nobody can place: none of it passes."""
    good = trace.Phase("p", 0, 1, trace.Counter(lender=8192))
    assert programs.moved(good, {"lender": 8192}, 0) == []
    assert programs.moved(good, {"lender": 16384}, 0) and programs.moved(good, {}, 8192)
    for bad in (trace.Phase("p", 0, 1, trace.Counter(lender=8192), ram=512),
                trace.Phase("p", 0, 1, trace.Counter(lender=8192), unknown=512),
                trace.Phase("p", 0, 1, trace.Counter(other=8192))):
        assert programs.moved(bad, {"lender": 8192}, 0)


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
    subprocess.run(["as", "-o", tmp_path / "drivers/pci/p2pdma.o", "-"], text=True, check=True,
                   input=".type ours, @function\nours: .skip 0x3c\n.size ours, . - ours\n")
    return races.Functions(tmp_path)


@pytest.mark.parametrize("text,ours", [
    (race(), 0),
    (race(a="ours"), 1),
    (race(b="ours"), 0),                            # another one of this name, which is longer
    (race(b="ours+0x5/0x40\n[    3.1]  strlen"), 1),
    (race(below="ours+0x5/0x40"), 1),
    (race(below="asm_sysvec_apic_timer_interrupt+0x5/0x20\n[    3.1]  ours+0x5/0x40"), 0),
    (race(a="free_zone_device_folio"), 1),          # our patches change it
    (race(above="free_zone_device_folio"), 0),
    (race() + race(b="strlen", below="ours+0x5/0x40") + race(), 1),
    (race(who="interrupt"), 0),
    (race()[:300], 1),                              # which is all that there is of it
])
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


def drift(number=20, **grows):
    """What check_drift() says of so many samples; GROWS is {name: by how much in each}, on top of some noise."""
    def sample(i):
        noise = (3, 0, 40, 7)[i % 4]
        values = {"iomem": "0123", "pools": 2, "MemFree": 800000 - noise - 20 * bool(i > 2), "Percpu": 500,
                  "slab.kmalloc-64": 900 + noise, "slab.dentry": 70}
        for name, by in grows.items():
            values[name] = f"{values[name]}{by}" if name == "iomem" else values[name] + by * i
        return "# sample " + " ".join(f"{name}={value}" for name, value in values.items())
    return programs.check_drift(SimpleNamespace(lines=[sample(i) for i in range(number)]), None)


def test_drift():
    """Noise is none; one object a round is, whichever it is, and so are pages, and anything that stays behind."""
    assert drift() == [] and drift(100) == []
    assert len(drift(number=8)) == 1
    for name, by in (("slab.kmalloc-64", 1), ("slab.dentry", 1), ("MemFree", -512), ("Percpu", 20), ("pools", 1)):
        for number in (20, 100):
            assert [r for r in drift(number, **{name: by}) if f" {name} " in r], name
