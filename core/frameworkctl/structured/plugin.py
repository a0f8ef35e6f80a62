"""Registers llguidance. Torch-free, and light until a request brings a constraint."""

from __future__ import annotations

from frameworkctl.interfaces import Constraint, PreparedGrammar, Register, StructuredOutputSpec, hookimpl


def prepare(constraint: Constraint) -> PreparedGrammar:
    """Write a constraint down as ``StructuredOutputSpec.prepare`` does."""
    from .grammars import write

    return write(constraint)


@hookimpl
def register_structured_output(register: Register[StructuredOutputSpec]) -> None:
    register(
        StructuredOutputSpec(
            name="llguidance", prepare=prepare, implementation="frameworkctl.structured.matching:GuidanceCompiler"
        )
    )
