# SPDX-License-Identifier: GPL-2.0-only
"""The kernels build, without warnings, with the subsystem on and off, and so do its callers."""

import os
import re
import shutil
import subprocess

import pytest

from p2plib import ROOT
from p2plib.kernel.warned import Warned


# Questions that a driver may ask whatever the configuration, outside the path of I/O: "no".
QUESTIONS = {
    "dma_pci_p2pdma_supported",
    "nvme_pci_supports_pci_p2pdma",
    "nvme_loop_supports_pci_p2pdma",
    "nvme_rdma_supports_pci_p2pdma",
}


def warnings(out):
    """Of the last build, and of earlier ones whose objects it took as they were."""
    log = out.with_name(out.name + ".log").read_text(errors="replace")
    earlier = [t for _, lines in Warned(out, ROOT / "build/tree").load().values() for t in lines]
    return earlier + [t for t in log.splitlines() if re.search(r"\bwarning:", t, re.I)]


def symbols(vmlinux):
    nm = subprocess.run(["nm", vmlinux], capture_output=True, text=True, check=True)
    found = {t.split()[-1] for t in nm.stdout.splitlines() if re.search("p2pdma|p2pmem", t, re.I)}
    return {
        re.sub(r"^__(?:ksymtab|kstrtab|kstrtabns|export_symbol|UNIQUE_ID___addressable)_(\w+?)\d*$", r"\1", s)
        for s in found
    }


def test_help_names_each_verb():
    text = (ROOT / "Makefile").read_text()
    verbs = " ".join(re.findall(r"^\.PHONY:((?:.*\\\n)*.*)", text, re.M)).replace("\\\n", " ").split()
    assert "demo" in verbs
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [v for v in verbs if v != "kernel" and f"make {v} " not in shown.stdout] == []


def test_config_that_does_not_take(script, tree, tmp_path):
    """A fragment may not ask in vain: a kernel without what it names would be tested for nothing."""
    copy = tmp_path / "repo"
    shutil.copytree(ROOT / "scripts", copy / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "configs").mkdir()
    shutil.copy(ROOT / "configs/callers.config", copy / "configs")
    with (copy / "configs/callers.config").open("a") as f:
        f.write("CONFIG_NO_SUCH_SYMBOL=y\n")
    run = subprocess.run(
        ["/usr/bin/python3", copy / "scripts/build", "callers", "--tree", tree, "init/version.o"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "CONFIG_NO_SUCH_SYMBOL: wanted y, got n" in run.stderr
    assert "p2p: config callers: 1 symbols did not take" in run.stderr


def test_warning_outlives_its_build(tmp_path):
    """What is not compiled again does not warn again, and is no better for it."""
    tree, out, log = tmp_path / "tree", tmp_path / "out", tmp_path / "out.log"
    for name in ("mm/gup.c", "mm/slub.c", "include/linux/mm.h"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("")

    def build(*lines):
        log.write_text("".join(line + "\n" for line in lines))
        Warned(out, tree).take(log)
        return sorted(Warned(out, tree).load())

    here = f"{tree}/mm/gup.c:3:5: warning: unused variable 'x'"
    there = "../tree/include/linux/mm.h:9:1: warning: odd"
    first = ["  CC      mm/gup.o", here, "  CC      mm/slub.o", there, "make: warning:  Clock skew"]
    assert build(*first) == build() == build("  CC      mm/slub.o") == ["include/linux/mm.h", "mm/gup.c"]
    assert build("  CC      mm/gup.o", here) == ["include/linux/mm.h", "mm/gup.c"]
    assert build("  CC      mm/gup.o") == ["include/linux/mm.h"]
    os.utime(tree / "include/linux/mm.h", ns=(1, 1))
    assert build() == []
    build(*first)
    (tree / "mm/gup.c").unlink()
    assert build() == ["include/linux/mm.h"]


def test_kernel(kernel):
    out = kernel("lab")
    assert warnings(out) == [], "the compiler has something to say: see the log beside the folder"
    assert "pci_p2pdma_add_resource" in symbols(out / "vmlinux")


def test_kernel_twice_is_quick(kernel, script):
    """Nothing changed: nothing may be compiled again."""
    kernel("lab")
    run = script("build", "lab")
    assert " 0 objects" in run.stdout, run.stdout + run.stderr


def concerned(out):
    """Objects of a built kernel whose source a patch changes, or that include our header; not the subsystem's own."""
    patched = {
        m
        for patch in (ROOT / "patches").glob("*.patch")
        for m in re.findall(r"^\+\+\+ b/(\S+)\.c$", patch.read_text(), re.M)
    }
    built = {path.relative_to(out).with_name(path.name[1 : -len(".o.cmd")]): path for path in out.rglob(".*.o.cmd")}
    return sorted(
        f"{name}.o"
        for name, cmd in built.items()
        if not re.search(r"[-/]p2pdma|[-/]p2pmem", f"/{name}")
        and (str(name) in patched or "include/linux/pci-p2pdma.h" in cmd.read_text())
    )


def test_p2pdma_off_objects(kernel, progress):
    """Off costs nothing: in each object that knows of the subsystem, nothing of it is defined or asked for."""
    objects = concerned(kernel("lab"))
    assert len(objects) > 20 and {"mm/gup.o", "block/bio.o", "drivers/nvme/host/pci.o"} <= set(objects)
    progress("build", "p2pdma-off", *objects)
    out = ROOT / "build/out/p2pdma-off"
    assert "CONFIG_PCI_P2PDMA=y" not in (out / ".config").read_text()
    assert warnings(out) == []
    for name in objects:
        assert symbols(out / name) <= QUESTIONS, name


@pytest.mark.all  # links a second kernel, of which the other test has what differs
def test_p2pdma_off(kernel):
    """The same of a whole kernel."""
    out = kernel("p2pdma-off")
    assert warnings(out) == []
    assert symbols(out / "vmlinux") <= QUESTIONS


def test_callers(kernel):
    """amdgpu, xe, habanalabs, RDMA and nvmet, as the base has them, against our header."""
    out = kernel("callers")
    assert warnings(out) == []
    for obj in ("gpu/drm/amd/amdgpu/amdgpu_dma_buf.o", "gpu/drm/xe/xe_dma_buf.o", "accel/habanalabs/common/memory.o"):
        nm = subprocess.run(["nm", "-u", out / "drivers" / obj], capture_output=True, text=True, check=True)
        assert "pci_p2pdma_distance_many" in nm.stdout, f"{obj} does not call us"
