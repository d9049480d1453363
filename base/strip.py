#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Take the base's own P2PDMA out of a 6.12.y tree, by rule.

usage: strip.py TREE        (changes TREE, a kernel source folder, in place)
"""

import os
import re
import sys

import csource
import rules


class StripError(Exception):
    """A rule that did not match as it must, or a trace that is left."""


def ruled_files():
    """Every file that a rule changes or removes."""
    return set(rules.FILES) | {rule.file for rule in rules.RULES}


def apply_rule(rule, text):
    if not rule.inside:
        return rule.kind(text, rule.pattern)
    spans = list(csource.find_functions(text, csource.code(text), rule.inside))
    if len(spans) != 1:
        raise csource.SourceError('%d definitions of %s()' % (len(spans), rule.inside))
    start, end = spans[0]
    body, count = rule.kind(text[start:end], rule.pattern)
    return text[:start] + body + text[end:], count


def run_rule(rule, text, version):
    where = 'rule %s on %s of %s' % (rule.name, rule.file, version)
    expected = ' or '.join(str(n) for n in rule.counts)
    try:
        text, count = apply_rule(rule, text)
    except csource.SourceError as error:
        raise StripError('%s: expected %s matches, found a shape it cannot read (%s)'
                         % (where, expected, error)) from None
    if count not in rule.counts:
        raise StripError('%s: expected %s matches, found %d' % (where, expected, count))
    return text


def strip_files(read, version):
    """Apply all rules. read(path) gives a file's text, or None if there is no such file.

    Returns {path: new text, or None for a file that goes}.
    """
    result = {}
    for path in rules.FILES:
        if read(path) is None:
            raise StripError('rule drop-file on %s of %s: expected 1 match, found 0'
                             % (path, version))
        result[path] = None
    for rule in rules.RULES:
        text = result[rule.file] if rule.file in result else read(rule.file)
        if text is None:
            raise StripError('rule %s on %s of %s: expected %s matches, found no such file'
                             % (rule.name, rule.file, version, rule.counts[0]))
        result[rule.file] = run_rule(rule, text, version)
    return result


_TRACE = tuple(word.encode() for word in rules.TRACE)


def trace_in(path, data):
    """The first line of data (bytes) with a trace of P2PDMA, as 'path:line: text', or None."""
    low = data.lower()
    if path.startswith(rules.CALLERS) or not any(word in low for word in _TRACE):
        return None
    for number, line in enumerate(data.splitlines(), 1):
        if re.search(b'|'.join(_TRACE), line.lower()):
            return '%s:%d: %s' % (path, number, line.decode('utf-8', 'replace').strip())
    return None


def check_trace(entries, version):
    """entries: (path, bytes) of the whole stripped tree."""
    left = [trace for path, data in entries if (trace := trace_in(path, data))]
    if left:
        raise StripError('%d files of %s still have P2PDMA after the strip, the first: %s'
                         % (len(left), version, left[0]))


def makefile_version(text):
    """'6.12.117' out of the top Makefile."""
    numbers = dict(re.findall(r'^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$', text, re.M))
    return '.'.join(numbers.get(key, '?') for key in ('VERSION', 'PATCHLEVEL', 'SUBLEVEL'))


def tree_entries(tree):
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if name != '.git')
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, 'rb') as file:
                    yield os.path.relpath(path, tree), file.read()


def strip_tree(tree):
    """Strip a folder in place; nothing is written unless every rule matched."""
    def read(path):
        try:
            with open(os.path.join(tree, path), encoding='utf-8') as file:
                return file.read()
        except FileNotFoundError:
            return None

    version = makefile_version(read('Makefile') or '')
    for path, text in strip_files(read, version).items():
        full = os.path.join(tree, path)
        if text is None:
            os.unlink(full)
            continue
        with open(full + '.strip', 'w', encoding='utf-8') as file:
            file.write(text)
        os.chmod(full + '.strip', os.stat(full).st_mode)
        os.rename(full + '.strip', full)
    check_trace(tree_entries(tree), version)


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    try:
        strip_tree(sys.argv[1])
    except StripError as error:
        sys.exit('p2p: strip: %s: update base/rules.py' % error)
    except OSError as error:
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../scripts'))
        from p2plib.advice import os_error      # pylint: disable=import-outside-toplevel
        sys.exit('p2p: strip: %s' % os_error(error))
