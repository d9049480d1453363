# SPDX-License-Identifier: GPL-2.0-only
"""What a litmus test of the kernel's format can end in, on a machine that reorders what nothing orders.

All executions are tried. A thread's accesses take effect on one memory, in any order but: an access to the same
location; what an address, or what is written, was worked out from; a branch before a write; acquire, release, fences,
full read-modify-writes. A load may see a store of its own thread that has not taken effect yet. No access of an RCU
reader is before a grace period if another is after it.

That is weaker than arm64 in that addresses do not order later stores, and stronger than the kernel's memory model where
that lets two threads see stores of others in different orders (old POWER): test_litmus.py holds it against the
kernel's own tests and names those.
"""

import ast
import itertools
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

Value = int | str  # the address of a variable is its name
Symbols = dict[int, Value]  # what reads have returned
TYPES = r"(?:int|long|u64|u32|spinlock_t|atomic_t|struct \w+)\b[\s*]*"
OPERATORS: dict[type, Callable[..., Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.BitAnd: operator.and_,
    ast.Eq: lambda a, b: int(a == b),
    ast.NotEq: lambda a, b: int(a != b),
    ast.Lt: lambda a, b: int(a < b),
    ast.And: lambda *a: int(all(a)),
    ast.Or: lambda *a: int(any(a)),
    ast.Not: lambda a: int(not a),
}


class Unknown(Exception):
    """Something that is not understood."""


# --- expressions over what reads return ---


@dataclass(frozen=True)
class Expr:
    """A constant, what read number `symbol` returns, or `function` of others."""

    value: Value = 0
    symbol: int = -1
    function: Callable[..., Value] | None = None
    parts: tuple["Expr", ...] = ()

    def needs(self) -> frozenset[int]:
        if self.function:
            return frozenset().union(*(part.needs() for part in self.parts))
        return frozenset([self.symbol]) if self.symbol >= 0 else frozenset()

    def known(self, symbols: Symbols) -> bool:
        return all(symbol in symbols for symbol in self.needs())

    def of(self, symbols: Symbols) -> Value:
        if self.function:
            return self.function(*(part.of(symbols) for part in self.parts))
        return symbols[self.symbol] if self.symbol >= 0 else self.value


def expression(text: str, env: dict[str, Expr]) -> Expr:
    """Of C, with the thread's registers in `env`; any other name is a variable's address."""
    python = re.sub(r"!(?!=)", " not ", text.replace("&&", " and ").replace("||", " or "))
    python = re.sub(r"&\s*(?=[a-z])", "", python).strip()

    def build(node: ast.AST) -> Expr:
        match node:
            case ast.Constant(value=int(number)):
                return Expr(number)
            case ast.Name(id=name):
                return env.get(name) or Expr(name)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return Expr(function=OPERATORS[type(op)], parts=(build(left), build(right)))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in OPERATORS:
                return Expr(function=OPERATORS[type(op)], parts=(build(left), build(right)))
            case ast.BoolOp(op=op, values=values):
                return Expr(function=OPERATORS[type(op)], parts=tuple(build(value) for value in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Expr(function=OPERATORS[ast.Not], parts=(build(operand),))
        raise Unknown(f"expression {text!r}")

    try:
        return build(ast.parse(python, mode="eval").body)
    except SyntaxError as error:
        raise Unknown(f"expression {text!r}") from error


# --- a thread, along one way through its branches ---


@dataclass(frozen=True)
class Access:
    """One that takes effect at once: a read, a write, both, or a fence."""

    reads: bool = False
    writes: bool = False
    at: Expr = Expr()
    value: Expr = Expr()  # what is written; may be worked out from `symbol`
    symbol: int = -1  # what is read
    acquire: bool = False
    release: bool = False
    full: bool = False  # a read-modify-write that orders everything
    fence: str = ""  # "full", "read", "write"; begin and end of a grace period are full ones, too
    blocks: bool = False  # spin_lock(): only where 0 is read
    lock: str = ""  # "lock" or "unlock"
    reader: int = -1  # the RCU reader that it belongs to
    period: str = ""  # "begin" or "end" of a grace period
    branches: frozenset[int] = frozenset()  # what was read for a branch before it


@dataclass
class Way:
    accesses: list[Access] = field(default_factory=list)
    env: dict[str, Expr] = field(default_factory=dict)
    branches: list[Expr] = field(default_factory=list)  # conditions of those taken
    holds: list[Expr] = field(default_factory=list)  # not 0, or this was not the way
    reader: int = -1
    readers: int = 0

    def copy(self) -> "Way":
        return replace(
            self, accesses=[*self.accesses], env={**self.env}, branches=[*self.branches], holds=[*self.holds]
        )

    def add(self, **what: Any) -> Expr:
        """An access; returns what it reads."""
        number = len(self.accesses)
        branches = frozenset().union(*(expr.needs() for expr in self.branches))
        if what.get("reads"):
            what["symbol"] = number
        self.accesses.append(Access(reader=self.reader, branches=branches, **what))
        return Expr(symbol=number)


def statements(text: str) -> list[Any]:
    """Nested: ("do", text) or ("if", condition, then, else)."""
    found: list[Any] = []
    while text := text.strip():
        if match := re.match(r"if\s*\(", text):
            end = closing(text, match.end() - 1, "()")
            condition, (then, text) = text[match.end() : end], block(text[end + 1 :])
            other = ""
            if match := re.match(r"\s*else\b", text):
                other, text = block(text[match.end() :])
            found.append(("if", condition, statements(then), statements(other)))
        else:
            line, _, text = text.partition(";")
            if re.fullmatch(TYPES + r"\w+(\s*,\s*\**\w+)*", line.strip()):
                continue
            found.append(("do", re.sub("^" + TYPES, "", line.strip())))
    return found


def block(text: str) -> tuple[str, str]:
    """(what is in braces, or one statement; what follows)"""
    text = text.strip()
    if text[0] != "{":
        line, _, rest = text.partition(";")
        return line + ";", rest
    end = closing(text, 0, "{}")
    return text[1:end], text[end + 1 :]


def closing(text: str, start: int, pair: str) -> int:
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == pair[0]) - (text[at] == pair[1])
        if not depth:
            return at
    raise Unknown(f"no {pair[1]} in {text!r}")


def ways(body: list[Any], way: Way) -> Iterator[Way]:
    """All ways through statements, each with what has to hold for it."""
    if not body:
        yield way
        return
    first, rest = body[0], body[1:]
    if first[0] == "if":
        _, text, then, other = first
        for inverted, branch in ((False, then), (True, other)):
            taken = way.copy()
            condition = expression(text, taken.env)
            if inverted:
                condition = Expr(function=OPERATORS[ast.Not], parts=(condition,))
            taken.branches.append(condition)
            taken.holds.append(condition)
            yield from ways([*branch, *rest], taken)
        return
    for after in do(first[1], way):
        yield from ways(rest, after)


def arguments(text: str) -> list[str]:
    return [part.strip().removeprefix("*").strip() for part in text.split(",")] if text.strip() else []


def do(line: str, way: Way) -> Iterator[Way]:
    """The ways on after one statement."""
    match = re.fullmatch(r"(?:(\*?)\s*(\w+)\s*=(?!=)\s*)?(?:\(void\)\s*)?(.*)", line, re.S)
    assert match
    star, left, right = match.groups()
    if star:
        way.add(writes=True, at=expression(left, way.env), value=expression(right, way.env))
        yield way
        return
    if call := re.fullmatch(r"(\w+)\s*\((.*)\)", right.strip(), re.S):
        results = CALLS.get(call[1], other_call)(call[1], arguments(call[2]), way)
    elif right.strip().startswith("*"):
        results = [(way, way.add(reads=True, at=expression(right.strip()[1:], way.env)))]
    else:
        results = [(way, expression(right, way.env))]
    for after, result in results:
        if left:
            after.env[left] = result
        yield after


Results = list[tuple[Way, Expr]]
FENCES = {
    "smp_mb": "full",
    "smp_mb__after_spinlock": "full",
    "smp_mb__after_atomic": "full",
    "smp_mb__before_atomic": "full",
    "smp_rmb": "read",
    "smp_wmb": "write",
}


def other_call(name: str, args: list[str], way: Way) -> Results:
    if name not in FENCES:
        raise Unknown(f"{name}()")
    way.add(fence=FENCES[name])
    return [(way, Expr())]


def read(name: str, args: list[str], way: Way) -> Results:
    return [(way, way.add(reads=True, at=expression(args[0], way.env), acquire=name.endswith("_acquire")))]


def write(name: str, args: list[str], way: Way) -> Results:
    release = name in ("smp_store_release", "rcu_assign_pointer")
    at, value = (expression(arg, way.env) for arg in args)
    return [(way, way.add(writes=True, at=at, value=value, release=release))]


def modify(change: Callable[[Any, list[Value]], Value], returns: str, full: bool = True) -> Callable[..., Results]:
    """A read-modify-write that always writes: `returns` what was "before", is "after", or whether that is "zero"."""

    def call(_name: str, args: list[str], way: Way) -> Results:
        at, *others = [expression(arg, way.env) for arg in args]
        before = Expr(symbol=len(way.accesses))
        after = Expr(function=lambda old, *rest: change(old, list(rest)), parts=(before, *others))
        way.add(reads=True, writes=True, at=at, value=after, full=full)
        zero = Expr(function=lambda value: int(value == 0), parts=(after,))
        return [(way, {"before": before, "after": after, "zero": zero}[returns])]

    return call


def conditional(
    holds: Callable[[Value, list[Value]], bool],
    new: Callable[[Any, list[Any]], Value],
    tells: bool,
    full: bool = True,
) -> Any:
    """One that writes if it `holds`, and orders only then, if at all."""

    def call(_name: str, args: list[str], way: Way) -> Results:
        at, *others = [expression(arg, way.env) for arg in args]
        results = []
        for success in (True, False):
            after = way.copy()
            before = Expr(symbol=len(after.accesses))
            order: dict[str, Any] = {}
            if success:
                value = Expr(function=lambda old, *rest: new(old, list(rest)), parts=(before, *others))
                order = {"writes": True, "value": value, "full": full}
            after.add(reads=True, at=at, **order)
            # No branch of the program: it orders nothing that follows.
            after.holds.append(
                Expr(
                    function=lambda old, *rest, wanted=success: int(holds(old, list(rest)) == wanted),
                    parts=(before, *others),
                )
            )
            results.append((after, Expr(int(success)) if tells else before))
        return results

    return call


def lock(name: str, args: list[str], way: Way) -> Results:
    at = expression(args[0], way.env)
    if name == "spin_lock":
        way.add(reads=True, writes=True, at=at, value=Expr(1), acquire=True, blocks=True, lock="lock")
    elif name == "spin_unlock":
        way.add(writes=True, at=at, value=Expr(0), release=True, lock="unlock")
    else:
        return [(way, way.add(reads=True, at=at))]
    return [(way, Expr())]


def rcu(name: str, _args: list[str], way: Way) -> Results:
    if name == "rcu_read_lock":
        way.reader, way.readers = way.readers, way.readers + 1
    elif name == "rcu_read_unlock":
        way.reader = -1
    else:
        way.add(fence="full", period="begin")
        way.add(fence="full", period="end")
    return [(way, Expr())]


CALLS: dict[str, Callable[..., Results]] = {
    **dict.fromkeys(("READ_ONCE", "rcu_dereference", "smp_load_acquire", "atomic_read", "atomic_read_acquire"), read),
    **dict.fromkeys(("WRITE_ONCE", "rcu_assign_pointer", "smp_store_release", "atomic_set"), write),
    **dict.fromkeys(("spin_lock", "spin_unlock", "spin_is_locked"), lock),
    **dict.fromkeys(("rcu_read_lock", "rcu_read_unlock", "synchronize_rcu"), rcu),
    "atomic_inc": modify(lambda old, _args: old + 1, "after", full=False),
    "atomic_add_unless": conditional(lambda old, args: old != args[1], lambda old, args: old + args[0], tells=True),
}
for suffix, orders in (("", True), ("_relaxed", False)):
    CALLS |= {
        f"xchg{suffix}": modify(lambda _old, args: args[0], "before", orders),
        f"atomic_inc_return{suffix}": modify(lambda old, _args: old + 1, "after", orders),
        f"atomic_dec_and_test{suffix}": modify(lambda old, _args: old - 1, "zero", orders),
        f"cmpxchg{suffix}": conditional(
            lambda old, args: old == args[0], lambda _old, args: args[1], tells=False, full=orders
        ),
    }


# --- what may come before what ---


def ordered(way: Way) -> list[frozenset[int]]:
    """For each access those before it in the thread that take effect before it, whatever their addresses."""
    accesses = way.accesses
    return [
        frozenset(i for i in range(j) if must_precede(accesses, i, j) or accesses[i].symbol in needs(accesses[j]))
        for j in range(len(accesses))
    ]


def needs(access: Access) -> frozenset[int]:
    """The reads that have to be over before it can be made."""
    made = access.at.needs() | (access.value.needs() if access.writes else frozenset())
    made -= {access.symbol}
    return made | access.branches if access.writes else made


def must_precede(accesses: list[Access], i: int, j: int) -> bool:
    first, then = accesses[i], accesses[j]
    if first.fence or then.fence:
        other = then if first.fence else first
        kind = first.fence or then.fence
        return bool(first.fence and then.fence) or kind == "full" or (other.writes if kind == "write" else other.reads)
    if first.full or then.full or first.acquire or then.release:
        return True
    # What one lock of a thread covered is before what the next covers, but that loads may overtake stores.
    between = [access.lock for access in accesses[i : j + 1]]
    if "unlock" in between and "lock" in between[between.index("unlock") :]:
        return first.reads or then.writes
    return False


# --- all executions ---


@dataclass(frozen=True)
class State:
    """`done`, `read` and `began` have one entry for each thread."""

    memory: tuple[tuple[str, Value], ...]
    done: tuple[frozenset[int], ...]
    read: tuple[tuple[tuple[int, Value], ...], ...]
    # RCU readers of others that were inside when this thread's grace period began
    began: tuple[frozenset[tuple[int, int]], ...]


class Search:
    """Executions of threads that each go one way."""

    def __init__(self, threads: list[Way], memory: dict[str, Value]) -> None:
        self.threads = threads
        self.before = [ordered(way) for way in threads]
        none = tuple(frozenset[Any]() for _ in threads)
        self.start = State(tuple(sorted(memory.items())), none, tuple(() for _ in threads), none)

    def ends(self) -> Iterator[tuple[dict[str, Value], list[Symbols]]]:
        """(memory, what each thread has read) of all that can be."""
        seen, todo = {self.start}, [self.start]
        while todo:
            state = todo.pop()
            if all(len(done) == len(way.accesses) for done, way in zip(state.done, self.threads)):
                yield dict(state.memory), [dict(read) for read in state.read]
            for after in self.steps(state):
                if after not in seen:
                    seen.add(after)
                    todo.append(after)

    def steps(self, state: State) -> Iterator[State]:
        for thread, way in enumerate(self.threads):
            for number in range(len(way.accesses)):
                if number not in state.done[thread] and self.before[thread][number] <= state.done[thread]:
                    after = self.step(state, thread, number)
                    if after:
                        yield after

    def step(self, state: State, thread: int, number: int) -> State | None:
        """After an access has taken effect; None if it cannot now, or never could have."""
        way, access = self.threads[thread], self.threads[thread].accesses[number]
        if access.fence:
            return self.period(state, thread, number) if access.period else self.finish(state, thread, number)
        symbols, memory = dict(state.read[thread]), dict(state.memory)
        place = str(access.at.of(symbols))
        value: Value | None = memory.get(place, 0)
        for i, other in enumerate(way.accesses):
            if other.fence or i == number or not other.at.known(symbols) or other.at.of(symbols) != place:
                continue
            done = i in state.done[thread]
            if i > number and done and not (access.writes and not access.reads and not other.writes):
                return None  # A later one to the same place has overtaken it.
            if i < number and not done:
                if not other.writes or other.reads or access.writes or not other.value.known(symbols):
                    return None
                value = other.value.of(symbols)  # Its own store, before others see it
        if access.blocks and value:
            return None
        if access.reads:
            assert value is not None
            symbols[access.symbol] = value
        if access.writes:
            memory[place] = access.value.of(symbols)
        if any(expr.known(symbols) and not expr.of(symbols) for expr in way.holds):
            return None
        return self.finish(state, thread, number, memory, symbols)

    def finish(
        self,
        state: State,
        thread: int,
        number: int,
        memory: dict[str, Value] | None = None,
        read: Symbols | None = None,
    ) -> State:
        def put(of: tuple[Any, ...], what: Any) -> tuple[Any, ...]:
            return (*of[:thread], what, *of[thread + 1 :])

        return State(
            state.memory if memory is None else tuple(sorted(memory.items())),
            put(state.done, state.done[thread] | {number}),
            state.read if read is None else put(state.read, tuple(sorted(read.items()))),
            state.began,
        )

    def period(self, state: State, thread: int, number: int) -> State | None:
        """A grace period begins; or ends, when nobody is inside who was then."""
        inside, over = set(), set()
        for other, way in enumerate(self.threads):
            for reader in range(way.readers):
                members = {i for i, access in enumerate(way.accesses) if access.reader == reader}
                if members <= state.done[other]:
                    over.add((other, reader))
                elif members & state.done[other]:
                    inside.add((other, reader))
        after = self.finish(state, thread, number)
        if self.threads[thread].accesses[number].period == "begin":
            return replace(after, began=(*after.began[:thread], frozenset(inside), *after.began[thread + 1 :]))
        return after if state.began[thread] <= over else None


# --- a test ---


@dataclass
class Litmus:
    name: str
    result: str  # "Never", "Sometimes" or "Always" what stands under exists; "DEADLOCK": no execution counts
    memory: dict[str, Value]
    bodies: list[list[Any]]
    exists: str
    where: str = ""  # filter: which executions count

    @classmethod
    def parse(cls, text: str) -> "Litmus":
        result = re.search(r"Result:\s*(\w+)", text)
        text = re.sub(r"\(\*\s.*?\*\)|//[^\n]*|/\*.*?\*/", "", text, flags=re.S).strip()
        name, rest = re.match(r"C\s+(\S+)\s*(.*)", text, re.S).groups()  # type: ignore[union-attr]
        start, rest = block(rest)
        memory: dict[str, Value] = {}
        for line in filter(None, map(str.strip, start.split(";"))):
            left, _, right = re.sub("^" + TYPES, "", line).partition("=")
            memory[left.strip()] = expression(re.sub(r"ATOMIC_INIT\((.*)\)", r"\1", right) or "0", {}).of({})
        bodies, names = [], set[str]()
        while match := re.match(r"\s*P\d+\s*\(([^)]*)\)", rest):
            names |= {re.findall(r"\w+", part)[-1] for part in match[1].split(",") if part.strip()}
            body, rest = block(rest[match.end() :])
            bodies.append(statements(body))
        for variable in names:
            memory.setdefault(variable, 0)
        where = re.search(r"filter\s*(\(.*?\))\s*$", rest, re.S | re.M)
        exists = re.search(r"exists\s*(\(.*\))", rest, re.S)
        if not result or not exists:
            raise Unknown(f"{name}: no Result, or no exists")
        return cls(name, result[1], memory, bodies, exists[1], where[1] if where else "")

    def holds(self, clause: str, memory: dict[str, Value], env: list[dict[str, Value]]) -> bool:
        def atom(match: re.Match[str]) -> str:
            thread, name, value = match.groups()
            found = env[int(thread)].get(name, 0) if thread else memory[name]
            return str(str(found) == value)

        text = re.sub(r"(?:(\d+):)?(\w+)\s*=\s*(\w+)", atom, clause)
        text = text.replace("/\\", " and ").replace("\\/", " or ").replace("~", " not ")
        if set(re.findall(r"\w+", text)) - {"True", "False", "and", "or", "not"}:
            raise Unknown(f"{self.name}: {clause}")
        return bool(eval(text))  # pylint: disable=eval-used

    def outcome(self) -> str:
        """Like `result`, tried."""
        found = set()
        for threads in itertools.product(*([*ways(body, Way())] for body in self.bodies)):
            for memory, symbols in Search(list(threads), self.memory).ends():
                env = [{name: expr.of(read) for name, expr in way.env.items()} for way, read in zip(threads, symbols)]
                if not self.where or self.holds(self.where, memory, env):
                    found.add(self.holds(self.exists, memory, env))
            if found == {True, False}:
                return "Sometimes"
        if not found:
            return "DEADLOCK"
        return "Always" if found == {True} else "Never"


def load(path: Path) -> Litmus:
    return Litmus.parse(path.read_text())
