"""Python literals as models write them, and as JSON can say them."""

from __future__ import annotations

import ast
import math
import warnings
from typing import Any

_WORDS = {"true": True, "false": False, "null": None}


def expression(text: str) -> ast.expr:
    """Return the tree of an expression. Raises ValueError for what is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes that Python does not know
            return ast.parse(text, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as e:
        raise ValueError(str(e)) from None


def literal(node: ast.expr) -> Any:
    """Return the value of a literal; JSON's words count too. Raises ValueError for anything else, and for what JSON
    cannot say.
    """
    match node:
        case ast.Constant(value=str() | bool() | int() | None):
            return node.value
        case ast.Constant(value=float() as number) if math.isfinite(number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if math.isfinite(number):
            return -number
        case ast.Name(id=word) if word in _WORDS:
            return _WORDS[word]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [literal(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_key(key): literal(value) for key, value in zip(keys, values, strict=True)}
    raise ValueError("not a literal")


def _key(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ValueError("a key that is no string")
