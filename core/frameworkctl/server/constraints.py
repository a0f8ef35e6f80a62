"""What a request's output must look like, checked and written down for the engine."""

from __future__ import annotations

import msgspec

from ..errors import RequestError
from ..interfaces.structured import Constraint, ConstraintError, PreparedGrammar, StructuredOutputSpec
from ..params import Grammar


def grammar_of(constraint: Constraint | None, spec: StructuredOutputSpec, max_whitespace: int) -> Grammar | None:
    """Return the grammar of a request's constraint, None if it has none.

    ``max_whitespace`` is the server's limit on blanks between two tokens of JSON.

    Raises:
        RequestError: 400 naming the field that the constraint came from.
    """
    if constraint is None:
        return None
    constraint = msgspec.structs.replace(constraint, max_whitespace=max_whitespace)
    try:
        made = spec.prepare(constraint)
    except ValueError as e:
        own = e.param if isinstance(e, ConstraintError) else None
        words = str(e).rstrip(".")
        message = f"{words}." if own else f"{constraint.param}: {words}."
        raise RequestError(message, param=own or constraint.param, code="invalid_grammar") from e
    if not isinstance(made, PreparedGrammar):
        made = PreparedGrammar(made)
    return Grammar(made.text, constraint.param, constraint.after, constraint.opening, made.loosened)
