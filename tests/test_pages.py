# SPDX-License-Identifier: GPL-2.0-only
"""What the pages say: they lead to the right file, their examples are those that run, and nothing is left out."""

import re
import xml.etree.ElementTree as ET

import pytest

from p2plib import ROOT
from p2plib.docs import pages, svg
from p2plib.lab import topology

GUIDE = ROOT / "Documentation/driver-api/pci/p2pdma.rst"
ADMIN = ROOT / "Documentation/admin-guide/pci-p2pdma.rst"
SVG = "{http://www.w3.org/2000/svg}"


def words_of(text):
    return set(re.findall(r"\w+", text.lower()))


# What a new reader asks; the file with the answer; what that file has to hold, or it is the wrong one.
QUESTIONS = (
    (
        "what ACS does to a route",
        "drivers/pci/p2pdma/acs.c",
        r"(?s)DOC: .*Access\s+\* Control Services.*p2pdma_acs_\w+\(",
    ),
    ("what make demo runs", "scripts/demo", r"commands\.demo import main"),
    ("the smallest provider driver", "samples/pci-p2pdma/p2pdma-provider.c", r"pci_p2pdma_add_resource\("),
)


@pytest.mark.parametrize("question, answer, holds", QUESTIONS, ids=[question for question, *_ in QUESTIONS])
def test_a_reader_finds(question, answer, holds):
    """From the root: README names HACKING.md, and that has one line with the words of the question and the file."""
    assert "](HACKING.md)" in (ROOT / "README.md").read_text()
    page = (ROOT / "HACKING.md").read_text()
    # A line of a table, an item of a list with what belongs to it, or a paragraph
    parts = re.split(r"\n(?=\||- )|\n\n", page)
    found = [part for part in parts if words_of(question) <= words_of(part) and answer in part]
    assert found, f"HACKING.md has no line on: {question}, with {answer}"
    assert re.search(holds, (ROOT / answer).read_text()), f"{answer} is not the file that says: {question}"


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


def examples(text):
    """Each literal block of C in a page, without its indentation."""
    for block in re.findall(r"::\n\n((?:\t.*\n|\n)+)", text):
        yield re.sub(r"(?m)^\t", "", block).strip("\n")


def test_examples_are_those_that_run():
    """The guide's provider and client are text of the samples, word for word, which the lab builds and runs."""
    samples = {path.name: path.read_text() for path in (ROOT / "samples/pci-p2pdma").glob("*.c")}
    chunks = [
        chunk
        for example in examples(GUIDE.read_text())
        for chunk in re.split(r"\n\n(?=\S)", example)
        if re.search(r"\b(provider|client)_\w+\(struct|guard\(mutex\)", chunk)
    ]
    assert len(chunks) >= 6, "the search for examples is broken"
    lost = [
        chunk
        for chunk in chunks
        if not any(re.sub(r"(?m)^\t+", "", chunk) in re.sub(r"(?m)^\t+", "", text) for text in samples.values())
    ]
    assert not lost, "not in samples/pci-p2pdma:\n" + "\n\n".join(lost)


def test_every_reason_is_explained():
    """Each word that debugfs and the log have for a route is in the administrator's table, with what to do."""
    source = (ROOT / "drivers/pci/p2pdma/route.c").read_text()
    names = re.findall(r'\[P2PDMA_REASON_\w+\]\s*= "([\w-]+)"', source)
    rows = dict(re.findall(r"(?m)^([a-z][a-z-]+) +(\S.{29}) ?\S", ADMIN.read_text()))
    assert len(names) >= 16 and set(names) <= set(rows), set(names) - set(rows)


def test_interface_is_listed():
    """Whatever the public header declares, or its inline functions are, is in one of the guide's lists."""
    header = (ROOT / "include/linux/pci-p2pdma.h").read_text()
    names = set(re.findall(r"^(?:static inline )?(?:[\w ]+[ *])?((?:pci|dma)_\w*p2p\w*)\(", header, re.M))
    listed = GUIDE.read_text().split("\nInterface\n", 1)[1].split(".. kernel-doc::")[0]
    assert len(names) > 25 and not (lost := {n for n in names if f"{n}()" not in listed}), lost


def test_kernel_options():
    """The administrator's guide and the configuration of the packages ask for the same options of a kernel."""
    text = ADMIN.read_text().split("\nWhat it takes\n", 1)[1].split("\n``nvmet`` and", 1)[0]
    # NVME_TARGET_RDMA, _TCP, _FC or _LOOP; no words of one letter case that are none
    listed = {name.removeprefix("CONFIG_") for name in re.findall(r"\b(?:CONFIG_)?[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+", text)}
    listed |= {f"NVME_TARGET{tail}" for tail in re.findall(r"(?<![A-Z0-9])_[A-Z]+\b", text)}
    config = (ROOT / "configs/deb.config").read_text()
    wanted = dict(re.findall(r"(?m)^CONFIG_(\w+)=([ym])$", config))
    del wanted["DEBUG_INFO_NONE"]  # to build it in less time
    assert len(wanted) >= 18 and listed == set(wanted)
    # What the guide wants built in is; what it says may be a module is, too.
    assert all(wanted[name] == "y" for name in re.findall(r"(?m)^  CONFIG_(\w+)=y  ", text))


# Pictures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", topology.names())
def test_picture(name):
    """Every device is in it once, joined to its bus; no box lies over another or out of the picture."""
    topo = topology.load(name)
    picture = ET.fromstring(svg.draw(topo))
    ids = [t.text or "" for t in picture.iter(f"{SVG}text") if t.get("class") == "id"]
    known = [m[1] for device in topo.devices if (m := re.search(r"\bid=([\w.-]+)", device))]
    assert sorted(ids[1:]) == sorted([*known, *topo.drives, *topo.ports, *topo.ram_bars]) and "RAM" in ids[0]
    boxes = [
        tuple(float(box.get(key, "nan")) for key in ("x", "y", "width", "height"))
        for box in picture.iter(f"{SVG}rect")
        if box.get("class") != "switch"
    ]
    assert len(list(picture.iter(f"{SVG}line"))) == len(boxes) - 1 == len(ids) - 1
    width, height = map(float, picture.get("viewBox", "").split()[2:])
    for index, (x, y, w, h) in enumerate(boxes):
        assert 0 <= x and 0 <= y and x + w <= width and y + h <= height
        assert not any(x < a + c and a < x + w and y < b + d and b < y + h for a, b, c, d in boxes[:index])


def test_topologies_page():
    """It has each topology, with the reason that is expected where one is."""
    for name in topology.names():
        part = pages.section(topology.load(name))
        assert f"topologies/{name}.svg" in part and part.count("   * - ") == 1 + sum(
            len(clients) for clients in topology.load(name).expect.values()
        )


def test_every_reason_is_in_the_specification():
    """What programs are told by netlink is the same words, in the same order: see netlink.c."""
    source = (ROOT / "drivers/pci/p2pdma/route.c").read_text()
    names = dict(re.findall(r'\[(P2PDMA_REASON_\w+)\]\s*= "([\w-]+)"', source))
    order = re.findall(r"^\t(P2PDMA_REASON_\w+),", (ROOT / "drivers/pci/p2pdma/verdict.h").read_text(), re.M)
    spec = (ROOT / "Documentation/netlink/specs/pci-p2pdma.yaml").read_text()
    (entries,) = re.findall(r"(?ms)^    name: reason$.*?^    entries:\n(.*?)^  -$", spec)
    assert re.findall(r"(?m)^        name: (\S+)$", entries) == [names[reason] for reason in order]
