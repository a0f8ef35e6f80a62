"""Work of a worker on a constraint: write it as a grammar, and compile that as an engine will.

What ends, stops or fills this process has not reached an engine. An engine has more stack and more memory, so what
compiles here compiles there.
"""

from __future__ import annotations

import json
import resource
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from frameworkctl.interfaces.generation.structured import (
    Constraint,
    ConstraintError,
    GrammarCompiler,
    GrammarContext,
    PreparedGrammar,
)
from frameworkctl.plugins.importing import import_object, load_class

START = f"{__name__}:start"
COMPILE = f"{__name__}:compile_constraint"
MEMORY = 1 << 30  # bytes that one constraint may add
STACK = 2 << 20  # bytes; an engine's threads have more


class Setup(msgspec.Struct, frozen=True):
    """Compiler and tokenizer of a model. ``plugin`` is what is imported before ``prepare`` and ``implementation``
    (``package.module:name``); ``tokenizer`` is the path of a tokenizer.json.
    """

    plugin: str
    prepare: str
    implementation: str
    tokenizer: str
    vocab_size: int
    eos_token_ids: tuple[int, ...]
    options: dict[str, Any]


class Compiled(msgspec.Struct, frozen=True, omit_defaults=True):
    """The grammar, or (``error``) why there is none, in words for the client. ``param`` is the field at fault."""

    text: str = ""
    loosened: tuple[str, ...] = ()
    error: str | None = None
    param: str | None = None


def start(setup: bytes) -> None:
    """Make the compiler, which takes as long as a second for a large vocabulary."""
    _loaded(setup)


def compile_constraint(argument: tuple[bytes, str]) -> dict[str, Any]:
    """Return the fields of ``Compiled`` for a setup and a constraint as JSON text."""
    setup, text = argument
    prepare, compiler = _loaded(setup)

    def run() -> Compiled:
        try:
            if isinstance(compiler, str):
                raise ValueError(compiler)
            made = prepare(msgspec.convert(json.loads(text), Constraint))
            made = made if isinstance(made, PreparedGrammar) else PreparedGrammar(made)
            compiler.compile(made.text)
        except ConstraintError as e:
            return Compiled(error=str(e), param=e.param)
        except RecursionError:
            return Compiled(error="nested too deeply")
        except ValueError as e:
            return Compiled(error=str(e))
        return Compiled(made.text, made.loosened)

    _allow_memory(MEMORY)
    done: dict[str, Any] = msgspec.to_builtins(_in_thread(run))
    return done


@lru_cache(maxsize=1)
def _loaded(
    setup: bytes,
) -> tuple[Callable[[Constraint], str | PreparedGrammar], GrammarCompiler | str]:
    """Return ``prepare`` and the compiler, or why this tokenizer has none."""
    wanted = msgspec.msgpack.decode(setup, type=Setup)
    import_object(wanted.plugin)
    prepare: Callable[[Constraint], str | PreparedGrammar] = import_object(wanted.prepare)
    context = GrammarContext(
        tokenizer=Path(wanted.tokenizer).read_text(encoding="utf-8"),
        vocab_size=wanted.vocab_size,
        eos_token_ids=wanted.eos_token_ids,
        threads=1,
        options=wanted.options,
    )
    try:
        return prepare, load_class(wanted.implementation)(context)
    except ValueError as e:
        return prepare, str(e)


def _allow_memory(more: int) -> None:
    """Let the process have ``more`` bytes of address space than it has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _in_thread(run: Callable[[], Compiled]) -> Compiled:
    """Run with a small stack; raises what it raises."""
    result: list[Compiled | BaseException] = []

    def target() -> None:
        try:
            result.append(run())
        except BaseException as e:  # noqa: BLE001 - the worker's loop decides
            result.append(e)

    before = threading.stack_size(STACK)
    try:
        thread = threading.Thread(target=target)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]
