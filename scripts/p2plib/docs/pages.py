# SPDX-License-Identifier: GPL-2.0-only
"""The pages that are rendered, laid out as Sphinx wants them: what is below Documentation/, and what is beside it."""

import re
import shutil
from pathlib import Path

from p2plib import ROOT
from p2plib.docs import svg
from p2plib.lab import topology
from p2plib.lab.topology import Topology

BESIDE = ("README.md", "HACKING.md", "bench/RESULTS.md", "packaging/README.md")
INDEX = """\
====================
PCI peer-to-peer DMA
====================

.. toctree::
   :maxdepth: 2

   README
   packaging/README
   admin-guide/pci-p2pdma
   admin-guide/pci-p2pdma-nvmet
   admin-guide/p2ptopo
   userspace-api/pci-p2pdma
   userspace-api/pci-p2pdma-netlink
   driver-api/pci/p2pdma
   driver-api/pci/p2pdma-internals
   core-api/rlist
   abi
   HACKING
   topologies
   bench/RESULTS
"""
ABI = """\
User space interface
====================

.. kernel-abi:: ABI/testing
   :rst:
"""
TOPOLOGIES = """\
Topologies of the lab
=====================

Machines that QEMU is, from lab/topologies/, and what the kernel has to say of each client and provider there:
how the client reads and writes the provider's memory, and how many links that takes.
"""


def lay_out(folder: Path) -> None:
    """All of them below FOLDER. References to Documentation/ go to its root."""
    for page in (ROOT / "Documentation").rglob("*.rst"):
        target = folder / page.relative_to(ROOT / "Documentation")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, target)
    for name in BESIDE:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(re.sub(r"\]\((\.\./)?Documentation/", r"](\1", (ROOT / name).read_text()))
    (folder / "index.rst").write_text(INDEX)
    (folder / "abi.rst").write_text(ABI)
    (folder / "topologies").mkdir()
    parts = [TOPOLOGIES]
    for name in topology.names():
        topo = topology.load(name)
        (folder / "topologies" / f"{name}.svg").write_text(svg.draw(topo))
        parts.append(section(topo))
    (folder / "topologies.rst").write_text("\n".join(parts))


def section(topo: Topology) -> str:
    """One topology: what it is, its picture, its verdicts."""
    about = topo.about[0].upper() + topo.about[1:]
    lines = [topo.name, "-" * len(topo.name), "", f"{about}.", "", f".. image:: topologies/{topo.name}.svg", ""]
    lines += [".. list-table::", "   :header-rows: 1", ""]
    rows = [("provider", "client", "reads", "writes", "distance", "reason")]
    for provider, clients in topo.expect.items():
        for client, route in clients.items():
            rows.append(
                (provider, client, route.read, route.write, str(route.distance or "any"), route.reason or "any")
            )
    for row in rows:
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
    return "\n".join([*lines, ""])
