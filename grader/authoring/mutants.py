"""Every small edit of an exercise's solution: what its checks are measured by.

An edit changes one thing between the solution's markers: an operator, a constant, a condition, a
statement, an argument, a copy, p for 1 - p, one reduction for another. Texts of errors are left
alone, and an edit is not made where Python compiles it to what was there before.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import CodeType

from grader.authoring.lesson import REGION, Cell, Lesson, is_question

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
PAIRS = """
mean sum, prod sum, max min, maximum minimum, argmax argmin, any all, std var, zeros ones,
zeros_like ones_like, rand randn, triu tril, eval train, softmax log_softmax
"""
TWINS = {
    name: twin
    for pair in PAIRS.replace("\n", " ").split(",")
    for name, twin in (pair.split(), pair.split()[::-1])
}
"""For a function that is called, the one that it is most easily mistaken for."""

SYMMETRIC = {"maximum", "minimum", "eq"}
"""Functions whose arguments may change places."""


@dataclass(frozen=True)
class Mutant:
    """An exercise with one edit in its solution: the edit, its line, and the cell's text."""

    exercise: str
    line: int
    old: str
    new: str
    source: str

    @property
    def edit(self) -> str:
        """The edit in a line, which stays the same where the solution moves."""
        return f"{self.old} -> {self.new}"


def of(lesson: Lesson, exercise: Cell) -> list[Mutant]:
    """All mutants of an exercise, from its first line to its last; of a question, none."""
    if is_question(exercise):
        return []
    imports = [
        alias.asname or alias.name.partition(".")[0]
        for setup in lesson.of("setup")
        for node in ast.walk(ast.parse(setup.source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    found = list(_Solution(exercise).mutants(frozenset(imports)))
    return sorted(found, key=lambda mutant: mutant.line)


class _Solution:
    """An exercise's text, its tree, and where its solution stands."""

    def __init__(self, cell: Cell):
        self.cell = cell
        self.source = cell.source
        self.tree = ast.parse(cell.source)
        self.parents = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }
        starts = [0]
        for line in cell.source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self.starts = starts
        self.regions = [(match.start(1), match.end(1)) for match in REGION.finditer(cell.source)]
        self.text = "\n".join(cell.source[start:end] for start, end in self.regions)

    def mutants(self, imports: Collection[str]) -> Iterator[Mutant]:
        seen = {_compiled(self.tree)}
        for node in list(ast.walk(self.tree)):
            if not isinstance(node, ast.expr | ast.stmt) or not self._may_change(node):
                continue
            for start, end, new in [*self._headers(node), *self._replacements(node, imports)]:
                source = self.source[:start] + new + self.source[end:]
                try:
                    code = _compiled(ast.parse(source))
                except SyntaxError:
                    continue
                if code not in seen:
                    seen.add(code)
                    yield self._mutant(node, start, end, new, source)

    def _may_change(self, node: ast.AST) -> bool:
        """Whether a node stands in the solution, and is no part of an error or of a text."""
        start, end = self._span(node)
        if not any(first <= start and end <= last for first, last in self.regions):
            return False
        while (above := self.parents.get(node)) is not None:
            if isinstance(above, ast.Raise | ast.JoinedStr):
                return False
            node = above
        return True

    def _span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends in the text; (-1, -1) where Python does not tell."""
        if not isinstance(node, ast.expr | ast.stmt):
            return -1, -1
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (
            self._at(node.lineno, node.col_offset),
            self._at(node.end_lineno, node.end_col_offset),
        )

    def _at(self, line: int, offset: int) -> int:
        """A position of the tree, which counts bytes, as one of the text."""
        start = self.starts[line - 1]
        text = self.source[start : self.starts[line]]
        return start + len(text.encode()[:offset].decode())

    def _headers(self, node: ast.AST) -> Iterator[tuple[int, int, str]]:
        """Edits of the first line of a `with`: each of its managers left out."""
        if not isinstance(node, ast.With):
            return
        start, end = self._header(node)
        for left_out in node.items:
            items = [ast.unparse(item) for item in node.items if item is not left_out]
            yield start, end, f"with {', '.join(items)}:" if items else "if True:"

    def _header(self, node: ast.stmt) -> tuple[int, int]:
        """Where a statement begins and ends; of one that holds others, its first line alone."""
        start, end = self._span(node)
        body = getattr(node, "body", None)
        if body:
            end = self._span(body[0])[0]
            end = start + len(self.source[start:end].partition("  #")[0].rstrip())
        return start, end

    def _replacements(
        self, node: ast.expr | ast.stmt, imports: Collection[str]
    ) -> Iterator[tuple[int, int, str]]:
        """Each edit of a node: where it begins and ends, and its new text."""
        start, end = self._span(node)
        for new in self._changed(node, imports):
            expected = self._with(node, new)
            bare = _unparsed(new)
            if new in self.parents:  # a part of what stood there, as it is written
                bare = self.source[slice(*self._span(new))]
            for text in (bare, f"({bare})"):
                try:
                    tree = ast.parse(self.source[:start] + text + self.source[end:])
                except SyntaxError:
                    continue
                if _compiled(tree) == expected:
                    yield start, end, text
                    break

    def _with(self, node: ast.AST, new: ast.AST) -> CodeType | None:
        """What the whole compiles to with another node in place of one."""
        above = self.parents[node]
        for field, value in ast.iter_fields(above):
            if value is node:
                setattr(above, field, new)
                code = _compiled(self.tree)
                setattr(above, field, node)
                return code
            if isinstance(value, list) and any(item is node for item in value):
                at = next(i for i, item in enumerate(value) if item is node)
                value[at] = new
                code = _compiled(self.tree)
                value[at] = node
                return code
        raise AssertionError("a node is a child of its parent")

    def _changed(self, node: ast.expr | ast.stmt, imports: Collection[str]) -> Iterator[ast.AST]:
        """What may stand in place of a node."""
        above = self.parents[node]
        if isinstance(node, ast.stmt):
            lone = isinstance(above, ast.If) and above.body == [node] and not above.orelse
            if not lone:  # the condition is dropped instead
                yield from _statement(node)
            return
        if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            return
        alone = isinstance(above, ast.Expr)  # it is dropped as a statement
        for new in _expression(node, imports):
            if not (alone and new in self.parents):
                yield new
        match above:
            case ast.Return() | ast.Assign() if isinstance(node, ast.Tuple) and node.elts[1:]:
                first, second, *others = node.elts
                yield ast.Tuple([second, first, *others], ast.Load())
            case ast.If(test=test, body=body, orelse=orelse) if test is node:
                if not isinstance(body[0], ast.Raise):
                    yield ast.Constant(True)
                if orelse:
                    yield ast.Constant(False)
            case ast.While(test=test) if test is node:
                yield ast.Constant(False)
            case ast.For(iter=iterable) | ast.comprehension(iter=iterable) if iterable is node:
                everything = ast.List([ast.Starred(node, ast.Load())], ast.Load())
                for part in (ast.Slice(ast.Constant(1)), ast.Slice(None, ast.Constant(-1))):
                    yield ast.Subscript(everything, part, ast.Load())
            case ast.comprehension(ifs=conditions) if node in conditions:
                yield ast.Constant(True)
        name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
        if re.fullmatch(r"p(_\w+)?", name) and not _guards(above) and not _from_one(above):
            yield ast.BinOp(ast.Constant(1), ast.Sub(), node)

    def _mutant(self, node: ast.AST, start: int, end: int, new: str, source: str) -> Mutant:
        """An edit told by the least text around it that stands once in the solution."""
        line = self.source[:start].count("\n") + 1
        while _bare(node):
            node = self.parents[node]
        whole = isinstance(node, ast.stmt) and (start, end) == self._span(node)
        first, last = start, end
        while True:
            around = self._header(node) if isinstance(node, ast.stmt) else self._span(node)
            if around[0] >= 0:
                first, last = min(first, around[0]), max(last, around[1])
            once = self.text.count(self.source[first:last]) == 1
            if isinstance(node, ast.stmt) or (around[0] >= 0 and once):
                break
            node = self.parents[node]
        old, new = self.source[first:last], self.source[first:start] + new + self.source[end:last]
        if earlier := self.source[self.regions[0][0] : first].count(old):
            new += f" (number {earlier + 1})"  # the same statement stands there again
        if whole and around != (start, end):
            old = self.source[slice(*around)] + " …"
        edit = " ".join(old.split()), " ".join(new.split())
        return Mutant(self.cell.name, self.cell.line + line, *edit, source)


def _statement(node: ast.stmt) -> Iterator[ast.AST]:
    """What may stand in place of a statement."""
    match node:
        case ast.Pass() | ast.FunctionDef() | ast.ClassDef() | ast.With() | ast.Try() | ast.Raise():
            return
        case ast.If(orelse=[_, *_]) | ast.Expr(ast.Constant()):
            return
        case ast.Return():
            yield ast.Return()  # what is released of the answer may stand below
            return
        case ast.AugAssign(target=target, value=value):
            yield ast.Assign([target], value, lineno=1)
            if other := OPERATORS.get(type(node.op)):
                yield ast.AugAssign(target, other(), value)
    yield ast.Pass()


def _expression(node: ast.expr, imports: Collection[str]) -> Iterator[ast.expr]:
    """What may stand in place of an expression."""
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(value=float(value)):
            yield ast.Constant(float(f"{1.1 * value:.6g}") if value else 1.0)
        case ast.Constant(value=str(value)) if value:
            yield ast.Constant("")
        case ast.BinOp(left=left, op=op, right=right):
            yield from (left, right)
            if other := OPERATORS.get(type(op)):
                yield ast.BinOp(left, other(), right)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.And() if isinstance(op, ast.Or) else ast.Or(), values)
            for left_out in values:
                rest = [value for value in values if value is not left_out]
                yield ast.BoolOp(op, rest) if rest[1:] else rest[0]
        case ast.Compare(left=left, ops=kinds, comparators=compared):
            for i, kind in enumerate(kinds):
                for new in COMPARISONS[type(kind)]:
                    yield ast.Compare(left, [*kinds[:i], new(), *kinds[i + 1 :]], compared)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.Attribute(value=value, attr="T" | "mT"):
            yield value
        case ast.Subscript(value=value, slice=part):
            yield value
            for bound in ("lower", "upper", "step") if isinstance(part, ast.Slice) else ():
                if getattr(part, bound) is not None:
                    shorter = copy.copy(part)
                    setattr(shorter, bound, None)
                    yield ast.Subscript(value, shorter, ast.Load())
        case ast.Call():
            yield from _call(node, imports)


def _call(node: ast.Call, imports: Collection[str]) -> Iterator[ast.expr]:
    """What may stand in place of a call: its argument as it is, fewer arguments, another call."""
    plain = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
    called = getattr(node.func, "attr", getattr(node.func, "id", ""))
    few = 2  # a function without any argument merely crashes, and a method may not
    match node.func:
        case ast.Attribute(value=value):
            root: ast.expr = value
            while isinstance(root, ast.Attribute):
                root = root.value
            if not (isinstance(root, ast.Name) and root.id in imports):
                few = 1
                yield value
            elif plain:
                yield plain[0]
            if called in TWINS:
                twin = ast.Attribute(value, TWINS[called], ast.Load())
                yield ast.Call(twin, node.args, node.keywords)
        case ast.Name():
            if plain:
                yield plain[0]
            if called in TWINS:
                yield ast.Call(ast.Name(TWINS[called], ast.Load()), node.args, node.keywords)
    if len(node.args) >= few:
        yield ast.Call(node.func, node.args[:-1], node.keywords)
    if len(plain) == len(node.args) > 1 and called not in SYMMETRIC:
        first, second, *others = node.args
        yield ast.Call(node.func, [second, first, *others], node.keywords)
    for keyword in node.keywords:
        rest = [other for other in node.keywords if other is not keyword]
        yield ast.Call(node.func, node.args, rest)


def _bare(node: ast.AST) -> bool:
    """Whether a node's text says little by itself: a number, a name, a part of a slice."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.operand, ast.Constant)
    return isinstance(node, ast.Constant | ast.Name | ast.Slice)


def _guards(node: ast.AST) -> bool:
    """Whether this compares with the ends of [0, 1]; the constants there are mutated instead."""
    if not isinstance(node, ast.Compare):
        return False
    return any(isinstance(n, ast.Constant) for n in (node.left, *node.comparators))


def _from_one(node: ast.AST) -> bool:
    """Whether this is 1 - p, which is mutated to p as a whole."""
    match node:
        case ast.BinOp(left=ast.Constant(value=1), op=ast.Sub()):
            return True
    return False


def _unparsed(node: ast.AST) -> str:
    """A node's text, its strings in double quotes where that is all there is to it."""
    text = ast.unparse(node)
    return text if '"' in text or "\\" in text else text.replace("'", '"')


def _compiled(tree: ast.AST) -> CodeType | None:
    """What a tree compiles to, wherever its lines stand; None where it is no program."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        if "lineno" in node._attributes:
            vars(node).update(lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)
    try:
        return compile(tree, "", "exec", optimize=2)  # type: ignore[call-overload]
    except (SyntaxError, ValueError, TypeError):
        return None
