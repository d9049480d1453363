# SPDX-License-Identifier: GPL-2.0-only
"""The curves, drawn by gnuplot: curves.svg in build/bench."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Callable
from typing import Any

from p2plib import Fail
from p2plib.bench import OUT, machines
from p2plib.bench.measure import Figure, Results

NAMES = {"stock": "stock", "ours": "ours"}
STYLE = {"stock": "dt 2 lw 2 pt 6", "ours": "lw 2 pt 7"}
HEAD = """
set terminal svg size 1100,1140 font "sans,12" background rgb "white"
set output "curves.svg"
set multiplot layout 3,2
set key left top
set grid
set logscale y
set format y "%.0f"
"""


Points = list[tuple[int, float]]
# Title, labels of x and y, further settings, curves by title: points and style
Panel = tuple[str, str, str, str, dict[str, tuple[Points, str]]]


def curve(results: Results, machine: str, pattern: str, value: Callable[[Figure], float]) -> Points:
    """[(x, y)]: x is the number in the name of an operation, sorted."""
    found = []
    for op, figure in results.get(machine, {}).items():
        if match := re.fullmatch(pattern, op):
            found.append((int(match[1]), value(figure)))
    return sorted(found)


def net(figure: Figure) -> float:
    return max(1, figure.median - figure.clock)


def per(figure: Figure) -> float:
    return (figure.mean - figure.clock) / figure.per


def registrations(results: Results) -> Points:
    found = [results[m]["register"] for m in results if m.startswith("register-")]
    return sorted((f.bar >> 20, f.sum) for f in found)


def panels(results: Mapping[str, Results]) -> list[Panel]:
    """(title, x label, y label, further settings, {curve's title: (points, style)})."""
    both = [k for k in ("stock", "ours") if k in results]
    alloc = {
        f"{NAMES[k]}, {label}": (curve(results[k], "switch", rf"{op}-full(\d+)", net), f"{STYLE[k]} lc {i}")
        for i, (op, label) in enumerate(
            (("alloc-4k", "allocate 4 KiB"), ("alloc-1m", "allocate 1 MiB"), ("free-4k", "free 4 KiB")), 1
        )
        for k in both
    }
    maps = {
        f"{NAMES[k]}, {label}": (curve(results[k], "switch", rf"{op}-(\d+)", per), f"{STYLE[k]} lc {i}")
        for i, (op, label) in enumerate((("map-peer", "map"), ("unmap-peer", "unmap"), ("map-ram", "map RAM")), 1)
        for k in both
    }
    find = {
        NAMES[k]: (curve(results[k], "providers", r"find-(\d+)", lambda f: f.median - f.clock), STYLE[k]) for k in both
    }
    register = {NAMES[k]: (registrations(results[k]), STYLE[k]) for k in both}
    scattered = {
        f"{NAMES[k]}, {label}": (curve(results[k], "switch", rf"{op}-frag(\d+)", net), f"{STYLE[k]} lc {i}")
        for i, (op, label) in enumerate(
            (("alloc-4k", "allocate 4 KiB"), ("alloc-256k", "allocate 256 KiB"), ("free-64k", "free 64 KiB")), 1
        )
        for k in both
    }
    return [
        ("Allocate and free, pool of 8 GiB", "per cent full", "instructions", "unset logscale x", alloc),
        ("The same, what is free scattered in 64 KiB", "per cent full", "instructions", "", scattered),
        ("Map peer memory below one switch", "pages in the list", "instructions per page", "set logscale x 2", maps),
        ("Find memory for two clients", "providers", "instructions", "set logscale x 2", find),
        ("Register a BAR", "MiB", "instructions", "set logscale x 2", register),
    ]


def drive_panel(drives: Mapping[str, Any]) -> list[str]:
    """Ratios with their quartiles, a group for each job."""
    series = {f"peer/RAM, {k}": [job["peer/ram"][k] for job in drives["ratios"].values()] for k in ("stock", "ours")}
    series |= {
        f"ours/stock, {text}": [job["ours/stock"][memory] for job in drives["ratios"].values()]
        for memory, text in (("ram", "RAM"), ("peer", "peer"))
    }
    text, plots = [], []
    for i, (name, values) in enumerate(series.items()):
        points = [
            f"{at + 0.15 * i - 0.225} {v['median']} {v['low']} {v['high']}"
            for at, v in enumerate(values)
            if isinstance(v, dict)
        ]
        if points:
            text.append(f"$r{i} << EOD\n" + "\n".join(points) + "\nEOD")
            plots.append(f'$r{i} with yerrorbars lw 2 pt 7 lc {i + 1} title "{name}"')
    names = ", ".join(f'"{job}" {at}' for at, job in enumerate(drives["ratios"]))
    text += [
        "unset logscale",
        'set title "Drives, per second: ratios (quartiles)"',
        "unset xlabel",
        'set ylabel "ratio"',
        'set format y "%.1f"',
        "set key top right",
        f"set xrange [-0.5:{len(drives['ratios']) - 0.5}]",
        "set yrange [0:1.8]",
        f"set xtics rotate by -30 ({names})",
        "plot 1 lc 0 notitle, " + ", ".join(plots),
    ]
    return text


def script(results: Mapping[str, Results], drives: Mapping[str, Any] | None = None) -> str:
    text = [HEAD]
    for title, x, y, settings, curves in panels(results):
        drawn = {name: points for name, points in curves.items() if points[0]}
        if not drawn:
            continue
        for i, (points, _) in enumerate(drawn.values()):
            text.append(f"$d{i} << EOD\n" + "\n".join(f"{a} {b}" for a, b in points) + "\nEOD")
        text += [settings, f'set title "{title}"', f'set xlabel "{x}"', f'set ylabel "{y}"']
        text.append(
            "plot "
            + ", ".join(
                f'$d{i} with linespoints title "{name}" {style}' for i, (name, (_, style)) in enumerate(drawn.items())
            )
        )
    if drives:
        text += drive_panel(drives)
    return "\n".join(text) + "\nunset multiplot\n"


def draw(results: Mapping[str, Results], drives: Mapping[str, Any] | None = None) -> str | None:
    """The name of the picture, or None when there is nothing to draw."""
    if not drives and not any(m in results.get("ours", {}) for m in ("switch", "providers", machines.ALL[-2].name)):
        return None
    if not shutil.which("gnuplot"):
        raise Fail("no gnuplot: run scripts/setup bench")
    (OUT / "curves.gp").write_text(script(results, drives))
    done = subprocess.run(["gnuplot", "curves.gp"], cwd=OUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Fail(f"gnuplot failed: {done.stderr.strip()}: see build/bench/curves.gp")
    return "curves.svg"
