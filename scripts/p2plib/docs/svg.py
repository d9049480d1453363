# SPDX-License-Identifier: GPL-2.0-only
"""A topology as a picture: root complex, ports and devices, a tree from the top down, as SVG."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from p2plib.lab.topology import Topology

# QEMU's word for a device: what it is in PCIe's words, and its class in the picture
KINDS = {
    "pxb-pcie": ("host bridge", "port"),
    "pcie-root-port": ("root port", "port"),
    "x3130-upstream": ("upstream port", "port"),
    "xio3130-downstream": ("downstream port", "port"),
    "nvme": ("drive", "drive"),
    "edu": ("card", "drive"),
}
ROOT = "pcie.0"
HEIGHT, ROW, GAP, MARGIN, LETTER = 40, 76, 16, 14, 7.2
STYLE = """
rect { stroke: #444; fill: #fff; rx: 4px }
.root { fill: #e8e8e8 } .provider { fill: #ffe2b8 } .drive { fill: #d9e8f6 }
.switch { fill: #f6f6f6; stroke: #999; stroke-dasharray: 4 3 }
line { stroke: #444 }
text { font: 12px sans-serif; text-anchor: middle; fill: #111 } .id { font-weight: bold }
"""


@dataclass
class Node:
    """A box: what it is, and its name below that."""

    id: str
    what: str
    kind: str
    children: list["Node"] = field(default_factory=list)
    x: float = 0  # of its middle
    depth: int = 0

    @property
    def width(self) -> float:
        return 2 * GAP + LETTER * max(len(self.what), len(self.id))

    @property
    def y(self) -> int:
        return MARGIN + self.depth * ROW

    @property
    def is_switch(self) -> bool:
        return self.what == KINDS["x3130-upstream"][0]

    def all(self) -> Iterator["Node"]:
        yield self
        for child in self.children:
            yield from child.all()


def tree(topology: Topology) -> Node:
    """What hangs where, as the tables `devices`, `drives`, `ports` and `ram_bars` say."""
    iommu = any(device.startswith("intel-iommu") for device in topology.devices)
    root = Node(f"CPU ({topology.cpu}), RAM" + (", IOMMU" if iommu else ""), "root complex", "root")
    buses = {ROOT: root}

    def hang(node: Node, bus: str) -> None:
        buses[bus].children.append(node)
        buses[node.id] = node

    for device in topology.devices:
        driver, _, options = device.partition(",")
        words = dict(re.findall(r"(\w+)=([^,]*)", options))
        if driver in KINDS:
            what, kind = KINDS[driver]
            hang(Node(words["id"], what, kind), words["bus"])
    for drive in topology.drives.values():
        size = f" with a CMB of {drive.cmb_size_mb} MiB" if drive.cmb_size_mb else ""
        hang(Node(drive.id, "drive" + size, "provider" if size else "drive"), drive.bus)
    for port in topology.ports.values():
        hang(Node(port.id, f"another port of drive {port.drive}", "drive"), port.bus)
    for bar in topology.ram_bars.values():
        hang(Node(bar.id, f"BAR of {bar.size_mb} MiB, RAM", "provider"), bar.bus)
    return root


def place(node: Node, left: float = MARGIN, depth: int = 0) -> float:
    """Put NODE and all below it to the right of LEFT, itself above the middle of what it has; where that ends."""
    node.depth = depth
    right = left
    for child in node.children:
        right = place(child, right, depth + 1) + GAP
    right -= GAP if node.children else 0
    if right - left < node.width:  # wider than all below it
        shift = (node.width - (right - left)) / 2
        for below in node.all():
            below.x += shift if below is not node else 0
        node.x, right = left + node.width / 2, left + node.width
    else:
        node.x = (node.children[0].x + node.children[-1].x) / 2
    return right


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def draw(topology: Topology) -> str:
    root = tree(topology)
    width = place(root) + MARGIN
    nodes = list(root.all())
    height = MARGIN + max(node.y for node in nodes) + HEIGHT
    back, lines, front = [], [], []
    for node in nodes:
        if node.is_switch:
            ports = [node, *node.children]
            left = min(port.x - port.width / 2 for port in ports) - GAP / 2 + 1
            right = max(port.x + port.width / 2 for port in ports) + GAP / 2 - 1
            back.append(box(left, node.y - 8, right - left, ROW + HEIGHT + 16, "switch"))
        for child in node.children:
            ends = f'x1="{node.x:.1f}" y1="{node.y + HEIGHT}" x2="{child.x:.1f}" y2="{child.y}"'
            lines.append(f"<line {ends}/>")
        front.append(box(node.x - node.width / 2, node.y, node.width, HEIGHT, node.kind))
        front.append(f'<text x="{node.x:.1f}" y="{node.y + 16}">{escape(node.what)}</text>')
        front.append(f'<text class="id" x="{node.x:.1f}" y="{node.y + 32}">{escape(node.id)}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *back, *lines, *front, "</svg>\n"])
