"""Small faults to put into a source file, one at a time: what mutation testing tries the tests with.

Not touched, since no test should look at them: docstrings, `__all__`, annotations, names of types, imports, decorators
and the text of an error (what a ``raise`` makes, and f-strings).
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Mutant", "mutants"]

COMPARISONS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],  # codespell:ignore notin
    ast.NotIn: [ast.In],  # codespell:ignore notin
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
NAMES = {
    "all": "any",
    "amax": "amin",
    "argmax": "argmin",
    "max": "min",
    "maximum": "minimum",
    "mean": "sum",
    "ones": "zeros",
}
NAMES |= {other: name for name, other in NAMES.items()}


@dataclass(frozen=True)
class Mutant:
    """One changed source.

    Attributes:
        number: place among all mutants of its file.
        line: where the change begins, from 1.
        before, after: the expression or statement, as it was and as it is.
        source: the whole file with the change.
    """

    number: int
    line: int
    before: str
    after: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """All mutants of a file, in the order of its lines; those that read the same are made once.

    >>> [one.after for one in mutants("answer = low < 7")]
    ['low <= 7', 'low >= 7', '8']
    """
    encoded = source.encode()
    starts = [0]
    for line in encoded.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: dict[tuple[int, int, str], tuple[int, str]] = {}
    for node, changed in _changes(ast.parse(source)):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        found.setdefault((begin, end, ast.unparse(changed)), (node.lineno, ast.unparse(node)))
    made = []
    for (begin, end, after), (line, before) in sorted(found.items(), key=lambda item: item[0][:2]):
        # Brackets keep an expression one that goes on over a line's end, or that stands inside a stronger one.
        text = after if after == "pass" or _is_statement(after) else f"({after})"
        whole = (encoded[:begin] + text.encode() + encoded[end:]).decode()
        try:
            compile(whole, "mutant", "exec")
        except SyntaxError:
            continue
        made.append(Mutant(len(made), line, before, after, whole))
    return made


def _is_statement(text: str) -> bool:
    return not isinstance(ast.parse(text).body[0], ast.Expr)


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, ast.expr | ast.stmt]]:
    """Each node that can be changed with what stands in its place."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr)):
        return
    if isinstance(node, ast.Raise):
        yield node, ast.Pass()
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # a docstring
        return
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _names_a_type(node.targets[0].id):
        return
    yield from _own_changes(node)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _changes(child)


def _names_a_type(name: str) -> bool:
    """Whether this is written like a type, as in ``Labels = Int | Sequence[int]``, or is the list of public names."""
    return name == "__all__" or (name.strip("_")[:1].isupper() and not name.isupper())


def _own_changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, ast.expr | ast.stmt]]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                ops = [*node.ops[:place], other(), *node.ops[place + 1 :]]
                yield node, ast.Compare(node.left, ops, node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield node, ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        yield node, ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value)
        yield node, ast.Pass()
    elif isinstance(node, ast.BoolOp):
        yield node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp):
        yield node, node.operand
    elif isinstance(node, ast.Constant):
        yield from ((node, ast.Constant(value)) for value in _other_values(node.value))
    elif isinstance(node, (ast.If, ast.IfExp)) and not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
        yield node.test, ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, (ast.Continue, ast.Break)):
        yield node, ast.Break() if isinstance(node, ast.Continue) else ast.Continue()
    elif isinstance(node, ast.Expr):
        yield node, ast.Pass()
    elif isinstance(node, ast.Call):
        yield from _changed_calls(node)


def _other_values(value: object) -> list[int | float | bool | str]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1]
    return [f"XX{value}"] if isinstance(value, str) else []


def _changed_calls(node: ast.Call) -> Iterator[tuple[ast.expr, ast.expr]]:
    """One keyword left out, one function for its opposite, and a method not called at all."""
    for place, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            yield node, ast.Call(node.func, node.args, [*node.keywords[:place], *node.keywords[place + 1 :]])
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if NAMES.get(name, name) != name:
        func = copy.copy(node.func)
        setattr(func, "attr" if isinstance(func, ast.Attribute) else "id", NAMES[name])
        yield node, ast.Call(func, node.args, node.keywords)
    if isinstance(node.func, ast.Attribute):
        root = node.func.value
        while isinstance(root, (ast.Attribute, ast.Call, ast.Subscript)):
            root = root.func if isinstance(root, ast.Call) else root.value
        if not (isinstance(root, ast.Name) and root.id in ("np", "torch", "F", "math", "self", "numpy")):
            yield node, node.func.value
