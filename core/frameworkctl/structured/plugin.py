"""Registers llguidance. Torch-free, and light until a request brings a constraint."""

from __future__ import annotations

from ..interfaces import Constraint, Register, StructuredOutputSpec, hookimpl


def prepare(constraint: Constraint) -> str:
    """As ``StructuredOutputSpec.prepare`` says."""
    from .grammars import write

    return write(constraint)


@hookimpl
def register_structured_output(register: Register[StructuredOutputSpec]) -> None:
    register(
        StructuredOutputSpec(
            name="llguidance", prepare=prepare, implementation="frameworkctl.structured.matching:GuidanceCompiler"
        )
    )
