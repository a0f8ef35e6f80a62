"""Structured output: how a request says what its output must look like, and what holds the engine to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from frameworkctl.interfaces.markers import API_VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ConstraintKind = Literal["json", "json_object", "regex", "choice", "grammar", "structural_tag"]


class SchemaPart(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON Schema that a constraint was made of. ``param`` is the field that it came from, ``title`` names it to a
    reader (``the tool 'search'``).
    """

    param: str
    schema: Any
    strict: bool = False
    title: str = ""


class Constraint(msgspec.Struct, frozen=True, kw_only=True):
    """Constraint on an output, in a request's words. ``ServedModel.sampling`` takes it as ``constraint``.

    ``value`` is a JSON Schema (``json``: as JSON text, an object or a boolean), a pattern the whole output matches
    (``regex``), texts one of which is the output (``choice``), a grammar in Lark (start rule ``start``) or EBNF (start
    rule ``root``), or free text with constrained regions (``structural_tag``: an object or JSON text); None for
    ``json_object``. ``param`` is the field that errors name.

    With ``strict``, a keyword of a schema that cannot be held is an error. Else it is loosened: more documents are
    accepted, and the reply names the keyword. ``parts`` are the schemas that were put into ``value``, in order that
    errors and replies can name the field that each came from; their own ``strict`` counts then.

    ``ends`` are texts, each of which ends a reasoning part: the constraint begins after the first of them in the
    output. What comes before is free, except that the output cannot end there. Empty: from the first token on.
    ``openings`` are the texts one of which begins the reasoning part, if the prompt has not begun it: an output that
    begins with none of them is constrained from its first token on. ``after`` is another way to give one end: the token
    ids of its text.
    """

    kind: ConstraintKind
    value: Any = None
    param: str = "structured_outputs"
    strict: bool = False
    parts: tuple[SchemaPart, ...] = ()
    any_whitespace: bool = True  # False: compact JSON only
    max_whitespace: int = 8  # blanks between two tokens of JSON, next to one line break; -1: no limit
    additional_properties: bool = True  # False: objects whose schema does not say so have no others
    whitespace_pattern: str | None = None  # a regular expression for what stands between the tokens of JSON
    after: tuple[int, ...] = ()
    ends: tuple[str, ...] = ()
    openings: tuple[str, ...] = ()


class ConstraintError(ValueError):
    """A constraint that cannot be kept. ``param`` is the field at fault, None for the constraint's own."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class PreparedGrammar(msgspec.Struct, frozen=True):
    """A constraint written down for a compiler. ``loosened`` are the paths, in the request, of what is not held."""

    text: str
    loosened: tuple[str, ...] = ()


class StructuredOutputSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A way to constrain outputs, chosen by its name with ``--structured-output NAME``.

    ``prepare`` checks a constraint and writes it down as a text for ``implementation`` (``package.module:Class``, a
    ``GrammarCompiler``). It raises ValueError, with words for the client, for what it cannot do (``ConstraintError``
    names another field than the constraint's). Both run in worker processes with limits on time and memory first, so
    ``prepare`` has to be a function of a module; an engine compiles only what has compiled there. A worker has neither
    the server's environment (keys, tokens) nor files to write.
    """

    name: str
    prepare: Callable[[Constraint], str | PreparedGrammar]
    implementation: str
    api_version: int = API_VERSION


class GrammarContext(msgspec.Struct, frozen=True, kw_only=True):
    """Given to a compiler once, at the first constrained request.

    ``tokenizer`` is the content of a tokenizer.json; ``vocab_size`` that of the logits, which may be more than the
    tokenizer has.
    """

    tokenizer: str
    vocab_size: int
    eos_token_ids: Sequence[int]
    threads: int
    options: Mapping[str, Any]


class Matcher(ABC):
    """Position of one output in its grammar."""

    @abstractmethod
    def accept(self, token: int) -> bool:
        """Go on by a token; False where the grammar has no place for it, or the matcher failed."""

    @property
    @abstractmethod
    def may_end(self) -> bool:
        """Return whether the output is complete as it is."""

    @property
    @abstractmethod
    def must_end(self) -> bool:
        """Return whether the output is complete and nothing can follow."""

    @abstractmethod
    def copy(self) -> Matcher:
        """Another one at the same place."""


class GrammarCompiler(ABC):
    """Makes matchers, and masks of what may come next. One per engine."""

    api_version: ClassVar[int] = API_VERSION

    def __init__(self, ctx: GrammarContext) -> None:
        self.ctx = ctx

    @abstractmethod
    def compile(self, grammar: str) -> Matcher:
        """Return a matcher at the start of a grammar that ``prepare`` wrote. Runs in a thread beside the engine's
        steps.

        Raises:
            ValueError: it cannot be, or is too large; the request ends with HTTP 400 and these words.
        """

    @abstractmethod
    def fill(self, matchers: Sequence[Matcher], masks: NDArray[np.int32]) -> list[str | None]:
        """Write ``masks [n, ceil(vocab_size / 32)]``: bit b of word w of row i is 1 where token ``32 w + b`` may follow
        in matcher i. End tokens need no bits: core sets them where ``may_end``. Returns per matcher why it failed.
        """

    def token_bytes(self, token: int) -> bytes:
        """Return what a token is in a text; of a special token, its name. Asked for while reasoning goes on."""
        raise NotImplementedError(f"{type(self).__name__} cannot wait for the end of reasoning")

    def tokens_past(self, text: bytes) -> Sequence[int]:
        """Return the tokens that begin with ``text`` and go on with more than white space.

        They must not end reasoning, since a constraint could not have a say in what they go on with.
        """
        return ()
