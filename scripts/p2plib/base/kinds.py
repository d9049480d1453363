# SPDX-License-Identifier: GPL-2.0-only
"""The kinds of rule: each takes (text, pattern) and returns (new text, number of matches).

A pattern is a name where the kind says so, else a regular expression. Whoever is taken out
takes along the comment that stands directly on it.
"""

import re
from collections.abc import Callable

from p2plib.base import csource
from p2plib.base.csource import cut, line_end, with_comment


# Of a text: from where to where; what is left of it, and how often something was taken out
Span = tuple[int, int]
Counted = tuple[str, int]
Kind = Callable[[str, str], Counted]


def _each(text: str, find: Callable[[str], Span | None]) -> Counted:
    """Cut the span that find(text) gives until it gives none."""
    count = 0
    while (span := find(text)) is not None:
        text = cut(text, *span)
        count += 1
    return text, count


def _lines(text: str, regex: str, comment: bool = True) -> Counted:
    """Cut what a multi-line regex over whole lines matches."""
    lines = re.compile(regex, re.M)

    def find(now: str) -> Span | None:
        match = lines.search(now)
        if match:
            start = with_comment(now, match.start()) if comment else match.start()
            return start, match.end()
        return None

    return _each(text, find)


# C: declarations -----------------------------------------------------------------------------


def drop_include(text: str, header: str) -> Counted:
    return _lines(text, r'^#include [<"]%s[>"]\n' % re.escape(header), comment=False)


def drop_macro(text: str, name: str) -> Counted:
    return _lines(text, r"^#\s*define\s+%s\b(?:.*\\\n)*.*\n" % name)


def drop_ifdef(text: str, symbol: str) -> Counted:
    """The whole block from #ifdef SYMBOL to its #endif, other branch included."""

    def find(now: str) -> Span | None:
        start = re.search(r"^#ifdef %s\b" % symbol, now, re.M)
        if not start:
            return None
        depth = 0
        for line in re.finditer(r"^#\s*(if|endif).*\n", now[start.start() :], re.M):
            depth += 1 if line[1] == "if" else -1
            if not depth:
                return start.start(), start.start() + line.end()
        raise ValueError(f"#ifdef {symbol} without #endif")

    return _each(text, find)


def drop_function(text: str, name: str) -> Counted:
    """A definition with its comment and its EXPORT_SYMBOL."""

    def find(now: str) -> Span | None:
        for start, end in csource.find_functions(now, csource.code(now), name):
            export = re.compile(r"EXPORT_SYMBOL\w*\(%s\);\n" % name).match(now, end)
            return with_comment(now, start), export.end() if export else end
        return None

    return _each(text, find)


def drop_prototype(text: str, name: str) -> Counted:
    def find(now: str) -> Span | None:
        for start, end in csource.find_functions(now, csource.code(now), name, ";"):
            return with_comment(now, start), end
        return None

    return _each(text, find)


def drop_type(text: str, name: str) -> Counted:
    """A `struct NAME` or `enum NAME`, its definition or its forward declaration."""

    def find(now: str) -> Span | None:
        masked = csource.code(now)
        match = re.search(r"^(struct|enum) %s\s*[{;]" % name, masked, re.M)
        if not match:
            return None
        end = csource.after_statement(masked, match.end() - 1)
        end = line_end(now, end)
        return with_comment(now, match.start()), end

    return _each(text, find)


def drop_enumerator(text: str, name: str) -> Counted:
    return _lines(text, r"^\t%s\b.*,\n" % name)


def drop_member(text: str, name: str) -> Counted:
    """A one-line member of a struct, data or function pointer."""
    return _lines(text, r"^\t[^\n;]*\b%s\b[^\n;]*;\n" % name)


def drop_initializer(text: str, name: str) -> Counted:
    return _lines(text, r"^\t\.%s\s*=.*,\n" % name)


# C: statements -------------------------------------------------------------------------------


def _find_if(text: str, condition: str) -> tuple[int, int, int, int | None, int] | None:
    """(start, condition's end, end of body, offset behind else or None, end) of an if."""
    masked = csource.code(text)
    for match in re.finditer(r"^[ \t]*if \(", masked, re.M):
        behind = csource.after_bracket(masked, match.end() - 1)
        if not re.search(condition, text[match.end() : behind - 1]):
            continue
        body_end = csource.after_statement(masked, behind)
        other = csource.else_of(masked, body_end)
        end = csource.after_statement(masked, other) if other else body_end
        return match.start(), behind, body_end, other, end
    return None


def _body(text: str, start: int, end: int) -> str:
    """The lines of a body, braces off, one level to the left."""
    inner = text[start:end].strip(" ")
    if inner.startswith("{"):
        inner = inner[1 : inner.rindex("}")].rstrip("\t")
    else:
        inner += "\n"
    return csource.dedent(inner[1:])


def drop_if(text: str, condition: str) -> Counted:
    """An if whose condition matches; what stood in its else stays, one level to the left."""
    count = 0
    while (found := _find_if(text, condition)) is not None:
        start, _, _, other, end = found
        start, end = with_comment(text, start), line_end(text, end)
        if other:
            text = text[:start] + _body(text, other, end - 1) + text[end:]
        else:
            text = csource.unbrace(cut(text, start, end), start)
        count += 1
    return text, count


def unwrap_if(text: str, condition: str) -> Counted:
    """An if (without else) whose condition matches goes, its body stays."""
    count = 0
    while (found := _find_if(text, condition)) is not None:
        start, behind, body_end, other, _ = found
        if other:
            raise ValueError("unwrap_if: the if has an else")
        text = text[:start] + _body(text, behind, body_end) + text[line_end(text, body_end) :]
        count += 1
    return text, count


def drop_statement(text: str, pattern: str) -> Counted:
    """A statement (a loop with its body) whose first line starts with the pattern."""

    def find(now: str) -> Span | None:
        masked = csource.code(now)
        for match in re.finditer(r"^[ \t]+(?=%s)" % pattern, now, re.M):
            if masked[match.end()].isspace():  # inside a comment
                continue
            end = csource.after_statement(masked, match.end())
            return with_comment(now, match.start()), line_end(now, end)
        return None

    return _each(text, find)


def drop_checked_call(text: str, function: str) -> Counted:
    """`err = function(...);` with the `if (err)` behind it."""

    def find(now: str) -> Span | None:
        masked = csource.code(now)
        match = re.search(r"^[ \t]+(\w+) = %s\(" % function, masked, re.M)
        if not match:
            return None
        end = csource.after_statement(masked, match.start())
        check = re.compile(r"\s*if \(%s\)" % match[1]).match(masked, end)
        if not check:
            raise ValueError(f"{function}(): no check of its result")
        return match.start(), line_end(now, csource.after_statement(masked, end))

    return _each(text, find)


def drop_local(text: str, name: str) -> Counted:
    """A local variable that has a declaration of its own."""
    return _lines(text, r"^[ \t]+(?:\w+[ \t*]+)+%s\s*(?:\[[^]]*\])?\s*(?:=[^;]*)?;\n" % name, comment=False)


def drop_case(text: str, label: str) -> Counted:
    """A case of a switch, up to the next label."""
    return _lines(text, r"^([ \t]*)case %s:\n(?:(?!\1(?:case |default:|\})).*\n)*" % label)


def drop_label(text: str, name: str) -> Counted:
    return _lines(text, r"^%s:\n" % name, comment=False)


def drop_operand(text: str, operand: str) -> Counted:
    """`A && X` -> `A`, likewise for || and |."""
    text, count = re.subn(r"(?<![\w.>])(?:%s)\s*(?:&&|\|\|?)\s*" % operand, "", text)
    text, more = re.subn(r"\s*(?:&&|\|\|?)\s*(?:%s)(?![\w(.-])" % operand, "", text)
    return text, count + more


def drop_argument(text: str, item: str) -> Counted:
    """An item of a comma list that is not its first one."""
    return re.subn(r",\s*%s(?=\s*[,;)])" % item, "", text)


# Comments ------------------------------------------------------------------------------------


def drop_comment(text: str, pattern: str) -> Counted:
    """A whole comment that stands on lines of its own."""

    def find(now: str) -> Span | None:
        for match in re.finditer(r"^[ \t]*/\*(?:(?!\*/).|\n)*\*/\n", now, re.M):
            if re.search(pattern, match[0]):
                return match.span()
        return None

    return _each(text, find)


def drop_comment_paragraph(text: str, pattern: str) -> Counted:
    """A paragraph of a block comment whose first line has the pattern, and the line above it."""
    return _lines(text, r"^[ \t]*\*\n[ \t]*\* [^\n]*%s.*\n(?:[ \t]*\*[ \t]+\S.*\n)*" % pattern, comment=False)


def drop_comment_entry(text: str, pattern: str) -> Counted:
    """An entry of a list in a comment, with the lines that hang under it."""
    return _lines(text, r"^ \*[ \t]+%s.*\n(?: \*\t\t.*\n)*" % pattern, comment=False)


# Anything else -------------------------------------------------------------------------------


def drop_text(text: str, pattern: str) -> Counted:
    """Words inside a line."""
    return re.subn(pattern, "", text)


def drop_line(text: str, pattern: str) -> Counted:
    return _lines(text, r"^.*%s.*\n" % pattern, comment=False)


def drop_paragraph(text: str, pattern: str) -> Counted:
    """Lines up to the next blank one, the first having the pattern (rst, ABI, MAINTAINERS)."""
    return _lines(text, r"^(?<=\n\n).*%s.*\n(?:.+\n)*" % pattern, comment=False)


def drop_kconfig(text: str, symbol: str) -> Counted:
    return _lines(text, r"^config %s\n(?:(?:[ \t].*)?\n)*" % symbol, comment=False)
