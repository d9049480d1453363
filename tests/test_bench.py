# SPDX-License-Identifier: GPL-2.0-only
"""What an operation costs, in instructions, is not more than it was; and a count that is worse is noticed."""

import fnmatch
import json
import re
import shutil
import subprocess
from collections import Counter

import pytest

from p2plib import ROOT, Fail
from p2plib.bench import machines, measure, picture, rates, report, text
from p2plib.lab.trace import Phase

LINES = [
    "# bench map-peer-1 n=2 per=1 sum=400 median=200 min=200 max=200 clock=41",
    "# bench register n=1 per=1 sum=5000 bar=4096 memory=64",
    "not ok 3 map-peer-4",
    "# bench odd",
]


def test_counts(kernel, progress):
    """Ours beside bench/BASELINE.json."""
    kernel("lab")
    progress("bench", "--check")


def code(folder, obj, function):
    """Instructions of a function from its start to its first return, which is what runs if all is as usual."""
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", folder / f"drivers/pci/p2pdma/{obj}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    body = text.split(f" <{function}>:\n", 1)[1].split("\n\n")[0]
    found = re.findall(r"^\s*[0-9a-f]+:\t(\S+)", body, re.MULTILINE)
    return Counter(found[: found.index("ret") + 1])


@pytest.mark.parametrize("function", ["map.o:__pci_p2pdma_update_state", "memory.o:pci_free_p2pmem"])
def test_tracepoint_is_one_no_op(function, kernel):
    """While nobody listens. Registers that are saved for what it would be told are a cost, too."""
    obj, name = function.split(":")
    without, traced = (code(kernel(config), obj, name) for config in ("lab", "traced"))
    # The no-op of 2 bytes is an xchg of a register with itself.
    nops = traced["nopl"] + traced["xchg"] - without["nopl"] - without["xchg"]
    assert nops == 1 and traced.total() - without.total() == 1, (without, traced)


def test_figures():
    found = measure.figures(LINES)
    assert set(found) == {"map-peer-1", "register"}
    assert report.count("map-peer-1", found["map-peer-1"]) == 159
    assert report.count("register", found["register"]) == 5000


def test_chance_is_averaged():
    figure = measure.figures(["# bench find-2 n=4 per=1 sum=1200 median=200 min=200 max=400 clock=40"])["find-2"]
    assert report.count("find-2", figure) == 260 and report.count("find-1", figure) == 160


@pytest.mark.parametrize(
    "old,bad,good", [(159, 0, 0), (155, 0, 0), (154, 1, 0), (163, 0, 0), (164, 0, 1), (None, 1, 0)]
)
def test_worse_count_is_noticed(old, bad, good, tmp_path, monkeypatch):
    """The limit is three per cent; an operation that the baseline lacks is no pass either."""
    counts = {"register": 5000} | ({} if old is None else {"map-peer-1": old})
    baseline = tmp_path / "BASELINE.json"
    baseline.write_text(json.dumps({"counts": {"switch": counts}}))
    monkeypatch.setattr(report, "BASELINE", baseline)
    found = report.compare({"switch": measure.figures(LINES)})
    assert [len(lines) for lines in found] == [bad, good]


def test_lost_operation_is_noticed(tmp_path, monkeypatch):
    baseline = tmp_path / "BASELINE.json"
    monkeypatch.setattr(report, "BASELINE", baseline)
    baseline.write_text(json.dumps({"counts": {"switch": {"map-peer-1": 159, "register": 5000, "gone": 1}}}))
    bad, good = report.compare({"switch": measure.figures(LINES)})
    assert bad == ["switch gone: not measured"] and not good


def test_worse_worst_case_is_noticed(tmp_path, monkeypatch):
    """A pool that is slow once in a while is no better than one that always is."""
    baseline = tmp_path / "BASELINE.json"
    monkeypatch.setattr(report, "BASELINE", baseline)
    line = "# bench alloc-4k-full99 n=3 per=1 sum=700 median=200 min=200 max={} clock=41"
    counts = {"switch": measure.figures([line.format(300)])}
    report.accept(counts, {})
    assert report.compare(counts) == ([], [])
    bad, good = report.compare({"switch": measure.figures([line.format(3000)])})
    assert bad == ["switch alloc-4k-full99 worst: 2,959, was 259"] and not good


@pytest.mark.parametrize("content", [None, "", "{}", "[]"])
def test_no_baseline_is_an_error(content, tmp_path, monkeypatch):
    baseline = tmp_path / "BASELINE.json"
    if content is not None:
        baseline.write_text(content)
    monkeypatch.setattr(report, "BASELINE", baseline)
    with pytest.raises(Fail):
        report.compare({})


def test_every_row_is_measured():
    """A row of the table whose operation is not run would stay empty, and look like a short table."""
    for row in report.table_rows():
        wanted = machines.BY_NAME[row.machine].operations
        if row.operation.startswith(machines.OF_PROGRAMS):
            assert "user" in wanted
        elif row.operation.startswith(tuple(f"{layer}-" for layer in machines.STACKS)):
            assert "stacks" in wanted
        else:
            assert any(fnmatch.fnmatchcase(row.operation, pattern) for pattern in wanted), row


def test_table_has_the_worst_case_and_the_target():
    ours = {
        "switch": measure.figures(
            [
                "# bench alloc-4k-full0 n=3 per=1 sum=700 median=240 min=200 max=300 clock=41",
                "# bench free-4k-full0 n=3 per=1 sum=700 median=200 min=200 max=300 clock=41",
            ]
        ),
        "cpus": measure.figures(["# bench cpus-4k n=3 per=1000 sum=4800 median=1600 min=1500 max=1700"]),
    }
    stock = {
        "switch": measure.figures(["# bench alloc-4k-full0 n=3 per=1 sum=9000 median=439 min=1 max=7041 clock=41"])
    }
    rows = [line.split() for line in report.table({"ours": ours, "stock": stock})]
    assert ["398", "7,000", "199", "259", "2.00", "200"] in [row[-6:] for row in rows]
    assert ["159", "259", "107", "!"] in [row[-4:] for row in rows]
    assert ["1.60", "1.50-1.70", "1.7", "!"] in [row[-4:] for row in rows]


# ---- drives ----


def guest(ways="direct loop tcp", rounds=2, peer=50):
    """What a guest says that runs all jobs; RAM moves 100 KiB/s."""
    lines = [f"# ways: {ways}"]
    for _ in range(rounds):
        for job, (_, way) in rates.JOBS.items():
            for memory, rate in (("ram", 100), ("peer", peer)):
                if memory == "ram" or way in ways.split():
                    both = (0, rate) if job.startswith("write") else (rate, 0)
                    lines.append(f"# rate {job}/{memory} error=0 read={both[0]} write={both[1]}")
    return lines


def phases(**moved):
    """{way: (bytes in the provider's BAR, bytes in RAM)}"""
    everywhere = {way: (rates.TRIED, 0) for way in ("direct", "loop", "tcp")} | moved
    return [Phase(name, 0, 0, Counter({"m0": bar} if bar else {}), ram) for name, (bar, ram) in everywhere.items()]


STOCK = guest("direct tcp"), phases(loop=(0, 0), tcp=(0, rates.TRIED))


def parsed(lines=None, where=None):
    return rates.parse(guest() if lines is None else lines, phases() if where is None else where, "m0")


def test_rates():
    ours, stock = parsed(), parsed(*STOCK)
    rates.check("ours", ours, 2)
    rates.check("stock", stock, 2)
    assert ours.ways == {"direct": "peer", "loop": "peer", "tcp": "peer"}
    assert stock.ways == {"direct": "peer", "loop": "refused", "tcp": "ram"}
    assert ours.rates["write-1m-4"]["peer"] == [50, 50] and stock.rates["tcp-4k-16"]["ram"] == [100, 100]
    rows = {row[0]: row[1:] for row in rates.rows({"ours": [ours], "stock": [stock]})}
    assert rows[rates.JOBS["read-4k-16"][0]] == (
        "25",
        "0.50 (0.50-0.50)",
        "0.50 (0.50-0.50)",
        "1.00 (1.00-1.00)",
        "1.00 (1.00-1.00)",
    )
    assert rows[rates.JOBS["loop-4k-16"][0]][1:3] == ("refused", "0.50 (0.50-0.50)")
    assert rows[rates.JOBS["tcp-4k-16"][0]][1:3] == ("in RAM", "0.50 (0.50-0.50)")


def test_figures_that_would_be_a_lie():
    """Peer memory that was RAM, a way that is lost, a job that did not run: an error, not a number."""
    with pytest.raises(Fail, match="loop: data went to ram"):
        rates.check("ours", parsed(where=phases(loop=(0, rates.TRIED))), 2)
    with pytest.raises(Fail, match="direct: data went to refused"):
        rates.check("stock", parsed(guest("tcp"), phases(direct=(0, 0))), 2)
    with pytest.raises(Fail, match="ran 1 times, not 2"):
        rates.check("ours", parsed(guest()[:-1]), 2)
    with pytest.raises(Fail, match="moved"):
        parsed(where=phases(tcp=(rates.TRIED // 2, rates.TRIED // 2)))
    with pytest.raises(Fail, match="which ways"):
        parsed(guest()[1:])


@pytest.mark.parametrize(
    "line",
    [
        "# rate read-4k-1/peer error=5 read=100 write=0",
        "# rate read-4k-1/peer error=0 read=0 write=100",
        "# rate nosuch/ram error=0 read=100 write=0",
        "# rate read-4k-1/ram",
    ],
)
def test_bad_result_of_a_job(line):
    with pytest.raises(Fail):
        parsed([*guest(), line])


def test_ratio():
    found = rates.ratio([1.0, 1.4, 1.1, 1.3, 1.2])
    assert (found.n, found.median, found.min, found.max) == (5, 1.2, 1.0, 1.4)
    assert str(found) == "1.20 (1.10-1.30)"
    assert str(rates.ratio([2.0])) == "2.00 (2.00-2.00)"


def test_drives_are_in_json_and_picture(tmp_path, monkeypatch):
    drives = rates.as_dict({"ours": [parsed()], "stock": [parsed(*STOCK)]})
    assert drives["ratios"]["loop-4k-16"]["peer/ram"]["stock"] == "refused"
    again = json.loads(report.as_json({}, {}, drives=drives))["drives"]
    assert again["ratios"]["read-1m-4"]["ours/stock"]["peer"]["median"] == 1.0
    if shutil.which("gnuplot"):  # `make bench` installs it
        monkeypatch.setattr(picture, "OUT", tmp_path)
        picture.draw({}, again)
        assert "Drives, per second" in (tmp_path / "curves.svg").read_text()


# ---- bytes ----

NM = """
ffffffff81000000 0000000000000100 T startup_64
ffffffff81000100 0000000000000010 t local
ffffffff81000110 T no_size
ffffffff82000000 0000000000000020 r table
ffffffff82100000 0000000000000008 D jiffies
ffffffff82200000 0000000000000004 b counter
0000000000000000 0000000000000040 A absolute
                 U undefined
""".splitlines()


def test_bytes():
    assert text.kinds(NM) == {"text": 0x110, "data": 0x2C}
    with pytest.raises(Fail):
        text.kinds(line for line in NM if line.split()[2:3] not in (["T"], ["t"]))


def test_table_of_bytes():
    def sizes(number):
        return {kind: number for kind in text.KINDS}

    lines = text.table(
        {"stock": {"on": sizes(1500), "off": sizes(1000)}, "ours": {"on": sizes(1700), "off": sizes(1001)}}
    )
    assert [line.split()[-3:] for line in lines[1:4]] == [
        ["1,000", "1,001", "+1"],
        ["1,500", "1,700", "+200"],
        ["500", "699", "+199"],
    ]


def test_what_is_weighed_differs_in_the_subsystem_alone():
    """Besides PCI_P2PDMA, both fragments must take the same out."""
    plain, off = (
        set(re.findall(r"CONFIG_\w+", (ROOT / "configs" / f"{name}.config").read_text()))
        for name in ("plain", "p2pdma-off")
    )
    assert off - plain == {"CONFIG_PCI_P2PDMA"} and not plain - off
