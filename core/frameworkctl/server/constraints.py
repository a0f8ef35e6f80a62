"""What a request's output must look like, checked and written down for the engine."""

from __future__ import annotations

from ..errors import RequestError
from ..interfaces.structured import Constraint, StructuredOutputSpec
from ..params import Grammar


def grammar_of(constraint: Constraint | None, spec: StructuredOutputSpec) -> Grammar | None:
    """None for a request without a constraint.

    Raises:
        RequestError: 400 naming the field that the constraint came from.
    """
    if constraint is None:
        return None
    try:
        text = spec.prepare(constraint)
    except ValueError as e:
        param = constraint.param
        raise RequestError(f"{param}: {str(e).rstrip('.')}.", param=param, code="invalid_grammar") from e
    return Grammar(text, constraint.param, constraint.after)
