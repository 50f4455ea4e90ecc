"""Python without what names a left-out service: elements of collections go by themselves, tests with all that needs them.

Nothing is renamed and no expression is rewritten. What remains of a module is what stood there, so it reads and runs as
before; what the rest no longer uses goes too.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import accumulate, chain, takewhile
from pathlib import Path

from deploy.new.choice import ENGINES, FRAMEWORKS, Choice
from deploy.variables import SERVICES

# What stands beside services in a list of names.
BESIDE = {
    "nginx",
    "postgres",
    "psycopg",
    "migrate",
    "secrets",
    "credentials",
    "bare_wsgi",
    "bare_asgi",
    "bare-wsgi",
    "bare-asgi",
}
WORDS = {*SERVICES, *FRAMEWORKS, *BESIDE, *(each.replace("-", "_").upper() + "_SERVER" for each in SERVICES)}
# (!) Two sets: a service beside an engine is a record, and no list of names.
NAMES = (WORDS, {*ENGINES, "auto"})
DISPLAYS = (ast.Tuple, ast.List, ast.Set)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Apart = Callable[["Module", ast.stmt], bool]
Lost = dict[str, set[str]]  # module -> names that it no longer has
Taken = set[tuple[str, str]]  # (module, name)
COMMA, LINE_END = re.compile(r"[ \t]*,[ \t]*"), re.compile(r"(#[^\n]*)?\n")
Entry = tuple[ast.expr, ...]  # an element, or a key and its value
SPANNED = (*FUNCTIONS, ast.ClassDef)


# ------------------------------------------------------------------------------ elements of collections


def without_elements(text: str, choice: Choice, is_test: bool = False) -> str:
    """Collections of names, and of records that are each about one service, without those that are left out."""
    filtering = Filtering(Offsets(text), choice, is_test)
    filtering.visit(ast.parse(text))
    for start, end, new in sorted(filtering.cuts, reverse=True):
        text = text[:start] + new + text[end:]
    return text


class Filtering(ast.NodeVisitor):
    """(!) What a test does is not touched, only what it is done for: its decorators and the tables beside it."""

    def __init__(self, where: "Offsets", choice: Choice, is_test: bool):
        self.where, self.choice, self.is_test = where, choice, is_test
        self.cuts: list[tuple[int, int, str]] = []

    def generic_visit(self, node: ast.AST) -> None:
        if self.is_test and isinstance(node, FUNCTIONS):
            for each in node.decorator_list:
                self.visit(each)
            return
        elements = entries(node)
        going = [each for each in elements if any(mentions(part, self.choice) for part in each)]
        if not going or not listing(node):
            return super().generic_visit(node)
        if self.is_test and len(going) == len(elements):
            return  # a table without rows would be no test at all: it goes as a whole
        self.cut(node, elements, going)
        for part in chain.from_iterable(each for each in elements if each not in going):
            self.visit(part)

    def visit_Assign(self, node: ast.Assign) -> None:
        """`A, B = f("flask"), f("django")` has a place for each: neither can go alone."""
        unpacked = isinstance(node.targets[0], DISPLAYS) and isinstance(node.value, DISPLAYS)
        for each in node.value.elts if unpacked else [node.value]:  # type: ignore[attr-defined]
            self.visit(each)

    def cut(self, node: ast.AST, elements: list[Entry], going: list[Entry]) -> None:
        text, where = self.where.text, self.where
        closed = bool(COMMA.match(text, where.end(elements[-1][-1])))  # a comma behind the last one
        kept = [each for each in elements if each not in going]
        trailing = list(takewhile(lambda each: each in going, reversed(elements)))
        for each in going if closed or not kept else [one for one in going if one not in trailing]:
            self.cuts.append((*whole(text, where.start(each[0]), where.end(each[-1])), ""))
        if not closed and kept:
            last = where.end(kept[-1][-1])
            if trailing:
                self.cuts.append((last, where.end(elements[-1][-1]), ""))
            if len(kept) == 1 and isinstance(node, ast.Tuple):
                self.cuts.append((last, last, ","))


def entries(node: ast.AST) -> list[Entry]:
    if isinstance(node, ast.Dict):
        return [(key, value) if key else (value,) for key, value in zip(node.keys, node.values, strict=True)]
    return [(each,) for each in node.elts] if isinstance(node, DISPLAYS) else []


def listing(node: ast.AST) -> bool:
    """A list of names, or of records; not a record itself, whose parts need each other."""
    if isinstance(node, ast.Dict):
        keys = [key for key in node.keys if key]
        return named(keys) or all(map(record, node.values)) or named(node.values)
    elements = [each for each in getattr(node, "elts", ()) if not isinstance(each, ast.Starred)]
    return named(elements) or (len(elements) > 1 and all(map(record, elements)))


def named(nodes: Sequence[ast.AST]) -> bool:
    """Whether all are names, of one kind."""
    return any(all(name(node) in words for node in nodes) for words in NAMES)


def name(node: ast.AST) -> str:
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    return re.sub(r"-\d$", "", text)


def record(node: ast.AST) -> bool:
    return isinstance(node, (*DISPLAYS, ast.Dict, ast.Call))


def whole(text: str, start: int, end: int) -> tuple[int, int]:
    """An element with the comma behind it, and with its line where it has one for itself."""
    comma = COMMA.match(text, end)
    end = comma.end() if comma else end
    line, rest = text.rfind("\n", 0, start) + 1, LINE_END.match(text, end)
    return (line, rest.end()) if comma and rest and not text[line:start].strip() else (start, end)


# ------------------------------------------------------------------------------ definitions


@dataclass
class Module:
    path: Path
    text: str
    tree: ast.Module = field(init=False)
    gone: set[ast.stmt] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.text)

    @cached_property
    def dotted(self) -> str:
        return ".".join(self.path.with_suffix("").parts).removesuffix(".__init__")

    @property
    def is_test(self) -> bool:
        return self.path.name.startswith("test_")

    @property
    def tests(self) -> int:
        named = [each for each in self.tree.body if each not in self.gone and (tests(each) or imports_tests(each))]
        return len(named)


def tests(node: ast.stmt) -> bool:
    return isinstance(node, SPANNED) and node.name.lower().startswith("test")


def imports_tests(node: ast.stmt) -> bool:
    """What another module's tests are run by once more."""
    return isinstance(node, ast.ImportFrom) and any(
        each.name == "*" or each.name.startswith("test_") for each in node.names
    )


def without_definitions(
    modules: Mapping[str, Module], choice: Choice, absent: set[str], pages: tuple[str, ...], apart: Apart
) -> Lost:
    """Marks as gone what names a left-out service, page or module, and what needs something that is gone."""
    lost: Lost = {module.dotted: set() for module in modules.values()}
    while True:
        before = sum(map(len, lost.values()))
        for module in modules.values():
            names = imported(module, absent, lost)
            for node in module.tree.body:
                if node in module.gone or isinstance(node, (ast.Import, ast.ImportFrom)) or documents(node):
                    continue
                if mentions(node, choice, pages) or apart(module, node) or needs(node, module, names, lost, modules):
                    module.gone.add(node)
                    lost[module.dotted] |= defines(node)
        if sum(map(len, lost.values())) == before:
            return lost


def needs(node: ast.stmt, module: Module, names: set[str], lost: Lost, modules: Mapping[str, Module]) -> bool:
    if references(node) & (names | lost[module.dotted]):
        return True
    return any(given_by(each, module, modules, lost) for each in arguments(node))


def given_by(name: str, module: Module, modules: Mapping[str, Module], lost: Lost) -> bool:
    """Whether the fixture of that name, by the nearest conftest that had one, is lost."""
    if name in {each for node in module.tree.body for each in defines(node)}:
        return False
    for folder in module.path.parents:
        conftest = modules.get(str(folder / "conftest.py"))
        if conftest and any(name in defines(node) for node in conftest.tree.body):
            return name in lost[conftest.dotted]
    return False


def imported(module: Module, absent: set[str], lost: Lost) -> set[str]:
    """Names by which the module knows something that is no longer there; also `module.name`."""
    found = set()
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for each in node.names:
                whole = f"{node.module}.{each.name}"
                if {node.module, whole} & absent or each.name in lost.get(node.module, ()):
                    found.add(each.asname or each.name)
                found |= {f"{each.asname or each.name}.{name}" for name in lost.get(whole, ())}
        elif isinstance(node, ast.Import):
            found |= {(each.asname or each.name) for each in node.names if each.name in absent}
    return found


@cache
def references(node: ast.AST) -> frozenset[str]:
    return frozenset(_references(node))


def _references(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            yield f"{each.value.id}.{each.attr}"
        elif isinstance(each, ast.arg):
            yield each.arg
        elif (
            isinstance(each, ast.Call)
            and isinstance(each.func, ast.Attribute)
            and each.func.attr in ("usefixtures", "getfixturevalue")
        ):
            yield from (str(word.value) for word in each.args if isinstance(word, ast.Constant))


@cache
def arguments(node: ast.AST) -> frozenset[str]:
    return frozenset(each.arg for each in ast.walk(node) if isinstance(each, ast.arg))


@cache
def defines(node: ast.stmt) -> frozenset[str]:
    if isinstance(node, SPANNED):
        return frozenset([node.name])
    stored = (each for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store))
    return frozenset(each.id for each in stored)


@cache
def mentions(node: ast.AST, choice: Choice, pages: tuple[str, ...] = ()) -> bool:
    quiet = {id(each) for each in documentation(node)}
    for each in ast.walk(node):
        if isinstance(each, ast.keyword) and each.arg and choice.names(each.arg):
            return True
        if isinstance(each, ast.Constant) and id(each) not in quiet and isinstance(each.value, str | bytes):
            text = each.value if isinstance(each.value, str) else each.value.decode("latin-1")
            if choice.names(text) or any(page in text for page in pages):
                return True
    return False


def documentation(node: ast.AST) -> Iterator[ast.Constant]:
    for each in ast.walk(node):
        first = each.body[0] if isinstance(each, (*SPANNED, ast.Module)) and each.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            yield first.value


def documents(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


# ------------------------------------------------------------------------------ text


def exported(modules: Mapping[str, Module]) -> Taken:
    """What modules take from each other, as (module, name)."""
    imports = [node for module in modules.values() for node in module.tree.body if isinstance(node, ast.ImportFrom)]
    return {(node.module or "", each.name) for node in imports for each in node.names}


def remaining(module: Module, absent: set[str], lost: Lost, wanted: Taken) -> str:
    """The text without what is gone, what only that used, and imports that nothing needs any more."""
    dropped = set(module.gone)
    while True:
        idle = {each for each in module.tree.body if each not in dropped and unused(each, module, dropped, wanted)}
        if not idle:
            break
        dropped |= idle
    lines = module.text.splitlines(keepends=True)
    missing = imported(module, absent, lost)
    instead: dict[int, str] = {}
    out = {number for node in dropped for number in span(node, lines)}
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            trim(node, lines, missing, out, instead)
    text = "".join(instead.get(number, line) for number, line in enumerate(lines, 1) if number not in out)
    return text


def unused(node: ast.stmt, module: Module, dropped: set[ast.stmt], exported: Taken) -> bool:
    """A helper that served only what is gone, in a module of tests; a fixture may be asked for by name."""
    if not module.is_test or isinstance(node, ast.Import | ast.ImportFrom) or tests(node) or not module.gone:
        return False
    if isinstance(node, SPANNED) and any("autouse" in ast.dump(each) for each in node.decorator_list):
        return False
    names = defines(node)
    if any((module.dotted, name) in exported for name in names):
        return False
    wanted = {each for other in module.tree.body if other is not node for each in references(other)}
    still = {
        each for other in module.tree.body if other is not node and other not in dropped for each in references(other)
    }
    return bool(names) and bool(names & wanted) and not names & still and "pytestmark" not in names


def span(node: ast.stmt, lines: list[str]) -> range:
    decorators = [each.lineno for each in getattr(node, "decorator_list", ())]
    start = min([node.lineno, *decorators])
    while start > 1 and lines[start - 2].startswith("#"):
        start -= 1
    return range(start, (node.end_lineno or start) + 1)


def trim(
    node: ast.Import | ast.ImportFrom, lines: list[str], missing: set[str], out: set[int], instead: dict[int, str]
) -> None:
    """An import without the names that are missing. What nothing uses any more ruff takes away."""
    kept = [each for each in node.names if (each.asname or each.name) not in missing]
    if len(kept) == len(node.names):
        return
    numbers = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    if not kept:
        out |= numbers
    elif len(numbers) > len(node.names):  # one on each line
        out |= {each.lineno for each in node.names if each not in kept}
    else:
        out |= numbers - {node.lineno}
        names = ", ".join(each.name + (f" as {each.asname}" if each.asname else "") for each in kept)
        comment = re.search(r"  # noqa.*", lines[node.lineno - 1])
        instead[node.lineno] = f"from {getattr(node, 'module', '')} import {names}{comment[0] if comment else ''}\n"


@dataclass
class Offsets:
    """Where a node begins and ends in the text. (!) ast counts bytes of UTF-8."""

    text: str

    def __post_init__(self) -> None:
        self.lines = self.text.splitlines(keepends=True)
        self.starts = [0, *accumulate(map(len, self.lines))]

    def start(self, node: ast.expr) -> int:
        return self._at(node.lineno, node.col_offset)

    def end(self, node: ast.expr) -> int:
        return self._at(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)

    def _at(self, line: int, column: int) -> int:
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())
