# SPDX-License-Identifier: GPL-2.0-only
"""Just enough C to cut whole constructs out of kernel source.

Positions are offsets into the text. code() blanks comments and literals without moving
anything, so brackets can be matched in it and the offsets used on the text itself. A ValueError
says that a text is not shaped the way an edit needs it to be.
"""

import re
from collections.abc import Iterator

_OPAQUE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def code(text: str) -> str:
    """The text with comments, strings and character constants blanked."""
    return _OPAQUE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def line_start(text: str, pos: int) -> int:
    return text.rfind("\n", 0, pos) + 1


def line_end(text: str, pos: int) -> int:
    """The offset behind the line that holds pos."""
    end = text.find("\n", pos)
    return len(text) if end < 0 else end + 1


def skip_space(masked: str, pos: int) -> int:
    while pos < len(masked) and masked[pos].isspace():
        pos += 1
    return pos


def after_bracket(masked: str, pos: int) -> int:
    """masked[pos] opens a bracket: the offset behind the one that closes it."""
    stack = []
    for i in range(pos, len(masked)):
        char = masked[i]
        if char in _CLOSING:
            stack.append(_CLOSING[char])
        elif char in ")]}":
            if not stack or stack.pop() != char:
                break
            if not stack:
                return i + 1
    raise ValueError("unbalanced brackets")


def after_statement(masked: str, pos: int) -> int:
    """The offset behind the statement that starts at pos."""
    pos = skip_space(masked, pos)
    if masked[pos : pos + 1] == "{":
        return after_bracket(masked, pos)
    head = re.compile(r"(\w+)\s*\(").match(masked, pos)
    if head and (head[1] in ("if", "for", "while", "switch") or "for_each" in head[1]):
        end = after_statement(masked, after_bracket(masked, head.end() - 1))
        other = else_of(masked, end) if head[1] == "if" else None
        return after_statement(masked, other) if other else end
    while masked[pos : pos + 1] != ";":
        if pos >= len(masked) or masked[pos] in ")]}":
            raise ValueError("statement without end")
        pos = after_bracket(masked, pos) if masked[pos] in _CLOSING else pos + 1
    return pos + 1


def else_of(masked: str, pos: int) -> int | None:
    """pos is behind the body of an if: the offset behind its `else`, or None."""
    pos = skip_space(masked, pos)
    return pos + 4 if re.compile(r"else\b").match(masked, pos) else None


def with_comment(text: str, start: int) -> int:
    """Move the start of a construct up over the comments that stand directly on it."""
    while True:
        above = text[:start]
        if not above.endswith("*/\n"):
            return start
        opening = above.rfind("/*")
        begin = line_start(text, opening)
        if above[begin:opening].strip():  # behind some code: not ours
            return start
        start = begin


def definition_start(text: str, masked: str, pos: int) -> int:
    """pos is inside the first line of a declarator: take in a return type on lines of its own."""
    start = line_start(text, pos)
    while start:
        above = line_start(text, start - 1)
        line = masked[above:start].rstrip()
        if not line or line[-1] in ";{}" or line[0] in "#/ \t" or line.endswith(")"):
            return start
        start = above
    return start


def find_functions(text: str, masked: str, name: str, ends_with: str = "{") -> Iterator[tuple[int, int]]:
    """Spans of the definitions (or with ';' the prototypes) of a function, without comments."""
    for match in re.finditer(r"\b%s\s*\(" % re.escape(name), masked):
        start = definition_start(text, masked, match.start())
        if masked[start : start + 1].isspace():  # indented: a call
            continue
        behind = skip_space(masked, after_bracket(masked, match.end() - 1))
        if masked[behind : behind + 1] != ends_with:
            continue
        end = behind + 1 if ends_with == ";" else after_bracket(masked, behind)
        yield start, line_end(text, end - 1)


def cut(text: str, start: int, end: int) -> str:
    """Remove whole lines, and the blank line that would be one too many afterwards."""
    before, after = text[:start], text[end:]
    if after.startswith("\n") and (not before or before.endswith(("\n\n", "{\n"))):
        after = after[1:]
    elif before.endswith("\n\n") and (not after or re.match(r"[ \t]*\}", after)):
        before = before[:-1]
    return before + after


def dedent(lines: str) -> str:
    """One level less of indentation."""
    return re.sub(r"(?m)^\t", "", lines)


def enclosing_brace(masked: str, pos: int) -> int | None:
    """The offset of the innermost `{` that is open at pos, or None."""
    depth = 0
    for i in range(pos - 1, -1, -1):
        if masked[i] == "}":
            depth += 1
        elif masked[i] == "{":
            if not depth:
                return i
            depth -= 1
    return None


def unbrace(text: str, pos: int) -> str:
    """If the if-block around pos has shrunk to one simple statement, take its braces off."""
    masked = code(text)
    brace = enclosing_brace(masked, pos)
    if brace is None:
        return text
    head = line_start(text, brace)
    if not re.match(r"[ \t]*if \(.*\) \{\n", text[head : line_end(text, brace)]):
        return text
    first = skip_space(masked, brace + 1)
    end = after_bracket(masked, brace)
    if re.compile(r"(if|for|while|switch|do)\b").match(masked, first):
        return text
    if skip_space(masked, after_statement(masked, first)) != end - 1:
        return text
    body = text[brace + 1 : line_start(text, end)]
    if "/*" in body or text[end : end + 1] != "\n":  # a comment, or an else behind
        return text
    return text[:brace].rstrip() + body + text[end + 1 :]
