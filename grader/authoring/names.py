"""Which global names a cell binds, and which it looks up."""

from __future__ import annotations

import ast
import functools
import symtable
from collections.abc import Callable, Iterator


@functools.lru_cache(4096)
def bound(source: str) -> frozenset[str]:
    """The names that a cell binds at its top level, also from within its functions."""
    return _globals(source, lambda s: s.is_assigned() or s.is_imported() or s.is_namespace())


@functools.lru_cache(4096)
def used(source: str) -> frozenset[str]:
    """The names that a cell looks up but does not bind."""
    return _globals(source, symtable.Symbol.is_referenced) - bound(source)


def _globals(source: str, ask: Callable[[symtable.Symbol], bool]) -> frozenset[str]:
    """The global names of a cell for which `ask` holds in some scope of it."""

    def visit(table: symtable.SymbolTable) -> Iterator[str]:
        top = table.get_type() == "module"
        yield from (s.get_name() for s in table.get_symbols() if (top or s.is_global()) and ask(s))
        for child in table.get_children():
            yield from visit(child)

    plain = ast.unparse(_Lookups().visit(ast.parse(source)))
    return frozenset(visit(symtable.symtable(plain, "cell", "exec")))


class _Lookups(ast.NodeTransformer):
    """Write `x += 1` as `x + 1` and `del x` as `x`: both need an x that is there."""

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.Expr:
        self.generic_visit(node)
        return ast.Expr(ast.BinOp(node.target, node.op, node.value))

    def visit_Delete(self, node: ast.Delete) -> ast.Expr:
        return ast.Expr(ast.Tuple(node.targets))
