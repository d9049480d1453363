# SPDX-License-Identifier: GPL-2.0-only
"""Take the base's own P2PDMA out of a 6.12.y tree, by rule."""

import os
import re
from collections.abc import Iterable, Iterator, Callable

from p2plib import Fail
from p2plib.base import csource, rules


def at_fault(what: str) -> Fail:
    """A Fail: a rule that did not match as it must, or a trace that is left."""
    return Fail(f"strip: {what}: correct scripts/p2plib/base/rules.py")


def ruled_files() -> set[str]:
    """Every file that a rule changes or removes."""
    return set(rules.FILES) | {rule.file for rule in rules.RULES}


def apply_rule(rule: rules.Rule, text: str) -> tuple[str, int]:
    if not rule.inside:
        return rule.kind(text, rule.pattern)
    spans = list(csource.find_functions(text, csource.code(text), rule.inside))
    if len(spans) != 1:
        raise ValueError(f"{len(spans)} definitions of {rule.inside}()")
    start, end = spans[0]
    body, count = rule.kind(text[start:end], rule.pattern)
    return text[:start] + body + text[end:], count


def run_rule(rule: rules.Rule, text: str, version: str) -> str:
    where = f"rule {rule.name} on {rule.file} of {version}"
    expected = " or ".join(str(n) for n in rule.counts)
    try:
        text, count = apply_rule(rule, text)
    except ValueError as error:
        raise at_fault(f"{where}: expected {expected} matches, found a shape it cannot read ({error})") from None
    if count not in rule.counts:
        raise at_fault(f"{where}: expected {expected} matches, found {count}")
    return text


def strip_files(read: Callable[[str], str | None], version: str) -> dict[str, str | None]:
    """Apply all rules. read(path) gives a file's text, or None if there is no such file.

    Returns {path: new text, or None for a file that goes}.
    """
    result: dict[str, str | None] = {}
    for path in rules.FILES:
        if read(path) is None:
            raise at_fault(f"rule drop-file on {path} of {version}: expected 1 match, found 0")
        result[path] = None
    for rule in rules.RULES:
        text = result[rule.file] if rule.file in result else read(rule.file)
        if text is None:
            raise at_fault(
                f"rule {rule.name} on {rule.file} of {version}: expected {rule.counts[0]} matches, found no such file"
            )
        result[rule.file] = run_rule(rule, text, version)
    return result


_TRACE = tuple(word.encode() for word in rules.TRACE)


def trace_in(path: str, data: bytes) -> str | None:
    """The first line of data (bytes) with a trace of P2PDMA, as 'path:line: text', or None."""
    low = data.lower()
    if path.startswith(rules.CALLERS) or not any(word in low for word in _TRACE):
        return None
    for number, line in enumerate(data.splitlines(), 1):
        if re.search(b"|".join(_TRACE), line.lower()):
            return f"{path}:{number}: {line.decode('utf-8', 'replace').strip()}"
    return None


def check_trace(entries: Iterable[tuple[str, bytes]], version: str) -> None:
    """entries: (path, bytes) of the whole stripped tree."""
    left = [trace for path, data in entries if (trace := trace_in(path, data))]
    if left:
        raise at_fault(f"{len(left)} files of {version} still have P2PDMA after the strip, the first: {left[0]}")


def makefile_version(text: str) -> str:
    """'6.12.117' out of the top Makefile."""
    numbers = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", text, re.M))
    return ".".join(numbers.get(key, "?") for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))


def tree_entries(tree: str) -> Iterator[tuple[str, bytes]]:
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    yield os.path.relpath(path, tree), file.read()


def strip_tree(tree: str) -> None:
    """Strip a folder in place; nothing is written unless every rule matched."""

    def read(path: str) -> str | None:
        try:
            with open(os.path.join(tree, path), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    version = makefile_version(read("Makefile") or "")
    for path, text in strip_files(read, version).items():
        full = os.path.join(tree, path)
        if text is None:
            os.unlink(full)
            continue
        with open(full + ".strip", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(full + ".strip", os.stat(full).st_mode)
        os.rename(full + ".strip", full)
    check_trace(tree_entries(tree), version)
