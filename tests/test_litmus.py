# SPDX-License-Identifier: GPL-2.0-only
"""Litmus tests of what holds no lock: each ends as it says, and not without what it says that it needs."""

import re

import pytest

import litmus
from p2plib import BUILD, ROOT

OURS = sorted((ROOT / "Documentation/litmus-tests/pci-p2pdma").glob("*.litmus"))
KERNEL = (
    "tools/memory-model/litmus-tests",
    *(f"Documentation/litmus-tests/{sub}" for sub in ("atomic", "locking", "rcu")),
)
# Ours says Never
STRONGER = {
    "MP+polockonce+poacquiresilsil": "a lock is taken at once for all",
    "Z6.0+pooncelock+pooncelock+pombonce": "threads see the stores of others in one order",
    "Z6.0+pooncerelease+poacquirerelease+fencembonceonce": "threads see the stores of others in one order",
}
NOT_UNDERSTOOD = {"dep+plain": "dependencies through plain variables"}
WEAKER = {
    "smp_load_acquire": ("smp_load_acquire(", "READ_ONCE(*"),
    "smp_store_release": ("smp_store_release(", "WRITE_ONCE(*"),
    "rcu_assign_pointer": ("rcu_assign_pointer(", "WRITE_ONCE("),
    "atomic_read_acquire": ("atomic_read_acquire(", "atomic_read("),
    "atomic_inc_return": (" atomic_inc_return(", " atomic_inc_return_relaxed("),
    "atomic_dec_and_test": (" atomic_dec_and_test(", " atomic_dec_and_test_relaxed("),
    "xchg": (" xchg(", " xchg_relaxed("),
    "cmpxchg": (" cmpxchg(", " cmpxchg_relaxed("),
    "smp_mb": ("smp_mb();", ""),
    "smp_rmb": ("smp_rmb();", ""),
    "smp_wmb": ("smp_wmb();", ""),
    "rcu_read_lock": ("rcu_read_lock();", ""),
    "synchronize_rcu": ("synchronize_rcu();", ""),
    "spin_lock": ("spin_lock(pool);", ""),
}


def kernel_tests():
    return sorted(path for folder in KERNEL for path in (BUILD / "tree" / folder).glob("*.litmus"))


def test_kernel_litmus(tree):
    """The kernel's own tests end as they say, but for those that are known to be beyond ours."""
    paths = kernel_tests()
    assert len(paths) > 40
    for path in paths:
        if path.stem in NOT_UNDERSTOOD:
            with pytest.raises(litmus.Unknown):
                litmus.load(path).outcome()
            continue
        test = litmus.load(path)
        expected = "Never" if path.stem in STRONGER else test.result
        assert test.outcome() == expected, path.name


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_litmus(path):
    assert path.stem == litmus.load(path).name
    assert litmus.load(path).outcome() == litmus.load(path).result == "Never"


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_litmus_needs(path):
    """What stands under Needs is what it ends badly without, each by itself."""
    text = path.read_text()
    start = text.index("*)")
    found = set()
    for name, (call, weaker) in WEAKER.items():
        for match in re.finditer(re.escape(call), text[start:]):
            at = start + match.start()
            if litmus.Litmus.parse(text[:at] + weaker + text[at + len(call) :]).outcome() == "Sometimes":
                found.add(name)
    needs = re.search(r"Needs: (.*)", text)
    assert needs and " ".join(sorted(found)) == needs[1]


def test_litmus_functions():
    """What they say is of a function of ours is there."""
    for path in OURS:
        text = path.read_text()
        files = re.findall(r"drivers/[\w/.-]+\.[ch]", text)
        sources = "".join((ROOT / file).read_text() for file in files)
        sources += "".join(file.read_text() for file in (ROOT / "drivers/pci/p2pdma").glob("*.h"))
        sources += (ROOT / "include/linux/pci-p2pdma.h").read_text()
        named = set(re.findall(r"\b([a-z_0-9]+)\(\)", text[: text.index("*)")])) - {"mmap"}
        assert files, path
        assert [name for name in sorted(named) if f"{name}(" not in sources] == [], path
