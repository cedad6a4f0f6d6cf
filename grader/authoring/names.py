"""Which global names a cell binds, and which it looks up."""

from __future__ import annotations

import ast
import functools
import symtable
from collections.abc import Iterator


def bound(source: str) -> frozenset[str]:
    """The names that a cell binds at its top level, also from within its functions."""
    return _names(source)[0]


def used(source: str) -> frozenset[str]:
    """The names that a cell looks up but does not bind."""
    return _names(source)[1]


@functools.lru_cache(4096)
def _names(source: str) -> tuple[frozenset[str], frozenset[str]]:
    """The global names that a cell binds in some scope of it, and those that it only looks up."""
    tree = ast.parse(source)
    if any(isinstance(node, ast.AugAssign | ast.Delete) for node in ast.walk(tree)):
        source = ast.unparse(_Lookups().visit(tree))
    symbols = list(_globals(symtable.symtable(source, "cell", "exec")))
    binds = {s.get_name() for s in symbols
             if s.is_assigned() or s.is_imported() or s.is_namespace()}  # fmt: skip
    looks_up = {s.get_name() for s in symbols if s.is_referenced()}
    return frozenset(binds), frozenset(looks_up - binds)


def _globals(table: symtable.SymbolTable) -> Iterator[symtable.Symbol]:
    """The global symbols of a scope and of those within it."""
    top = table.get_type() == "module"
    yield from (symbol for symbol in table.get_symbols() if top or symbol.is_global())
    for child in table.get_children():
        yield from _globals(child)


class _Lookups(ast.NodeTransformer):
    """Write `x += 1` as `x + 1` and `del x` as `x`: both need an x that is there."""

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.Expr:
        self.generic_visit(node)
        return ast.Expr(ast.BinOp(node.target, node.op, node.value))

    def visit_Delete(self, node: ast.Delete) -> ast.Expr:
        return ast.Expr(ast.Tuple(node.targets))
