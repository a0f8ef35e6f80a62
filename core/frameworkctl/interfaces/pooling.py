"""Pooling: what endpoints ask of a model that gives vectors and scores instead of text, and what they get."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from .markers import API_VERSION

if TYPE_CHECKING:
    from frameworkctl.interfaces.requests.outputs import Reply, Usage
    from frameworkctl.interfaces.requests.prompts import Prompt

PoolTask = Literal["embed", "classify", "token_embed", "token_classify"]
TOKEN_TASKS: frozenset[PoolTask] = frozenset({"token_embed", "token_classify"})  # a vector per token
EMBED_TASKS: frozenset[PoolTask] = frozenset({"embed", "token_embed"})
Activation = Literal["identity", "sigmoid", "softmax"]


class PoolingInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Pooling of a model, from its json files and ``--pooler-config``. Part of ``ModelInfo``; None there: it does not.

    A model plugin's ``describe`` gives what its class says: ``pooler``, ``token_pooler``, ``size``, ``whole``,
    ``activate``, ``task``. Core adds what config.json and the files of sentence-transformers say in the same way for
    all of them (labels, activation, dense layers, normalisation, sizes, prompts), and then what the user says.

    ``pooler`` and ``token_pooler`` are names of registered poolers, of one vector per text and of one per token.
    ``size`` is that of an embedding, after the ``dense`` layers. ``matryoshka``: sizes that an embedding may be cut to
    (empty: any; None: none). ``labels`` are the classes in order. ``whole``: every token sees every other (an encoder),
    so that a text is computed in one step and nothing is kept. ``pairs``: how the two texts of a score are put
    together: by the tokenizer with its ``separator``, or one text behind the other (``joined``). ``task`` is what a
    request gets that names none, and what scores are made of; those that it may name are ``ModelInfo.tasks``.
    ``normalize`` and ``activate`` are what a request gets that does not say whether to: of embeddings and of classes.
    ``dimensions`` likewise. ``max_embed_len`` limits inputs of embeddings; with ``chunked``, those longer than the
    context are embedded piece by piece, and their vectors averaged by length.
    """

    task: PoolTask = "embed"
    pooler: str = "last"
    token_pooler: str = "all"
    size: int
    normalize: bool = True
    matryoshka: tuple[int, ...] | None = None
    dense: tuple[str, ...] = ()  # folders of sentence-transformers' Dense modules, in order
    labels: tuple[str, ...] = ()
    activation: Activation = "identity"  # of classes
    activate: bool = True
    logit_mean: float = 0.0
    logit_sigma: float = 1.0
    step_tag_id: int | None = None  # the ``step`` pooler keeps the rows of these tokens
    returned_token_ids: tuple[int, ...] = ()  # and these columns
    classifier_from_token: tuple[int, ...] = ()  # rows of the language model's head that make the classifier
    classifier_method: str = ""  # from_2_way_softmax or no_post_processing
    whole: bool = False
    pairs: Literal["separator", "joined"] = "separator"
    prompts: Mapping[str, str] = {}  # by input type: what is put before a text
    lower_case: bool = False
    dimensions: int | None = None
    chunked: bool = False
    max_embed_len: int | None = None
    options: Mapping[str, object] = {}  # of ``--pooler-config``, for poolers of plugins

    def activates(self, task: PoolTask) -> bool:
        """Return what ``PoolParams.activate`` is where the request does not say."""
        return self.normalize if task in EMBED_TASKS else self.activate


class PoolParams(msgspec.Struct, frozen=True, array_like=True):
    """Parameters of pooling one text. ``activate``: embeddings are normalised, classes go through their activation.

    ``dimensions`` cuts an embedding before it is normalised. ``second`` is the index of the first token of the second
    text of a pair (0: there is none): models with token types tell the two apart by it.
    """

    task: PoolTask
    activate: bool = True
    dimensions: int | None = None
    second: int = 0

    def at(self, second: int) -> PoolParams:
        """Return the same for another pair."""
        return self if second == self.second else PoolParams(self.task, self.activate, self.dimensions, second)


class PoolItem(msgspec.Struct, frozen=True, kw_only=True):
    """One text to pool. ``priority`` and ``cache_salt`` as of a ``GenerateItem``."""

    prompt: Prompt
    params: PoolParams
    priority: int = 0
    cache_salt: str | None = None


class PoolOutput(msgspec.Struct, frozen=True, kw_only=True):
    """Result of pooling one text: float32, little-endian, row by row. ``rows`` is None where the task gives one vector.

    ``width`` is the length of a row.
    """

    item: int
    data: bytes
    width: int
    rows: int | None = None


class PoolFormatter(ABC):
    """Turns pooled vectors into the family's answer. Synchronous, no I/O, in a worker thread, one instance per call."""

    @abstractmethod
    def pooled(self, outputs: list[PoolOutput], usage: Usage) -> Reply:
        """Return the answer; outputs are in the order of ``Work.pool``."""


class PoolerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A way to pool hidden states. ``implementation`` is ``package.module:Class`` of an ``engine.Pooler``.

    ``tasks`` it serves. ``needs_all``: it looks at all positions, so that none may come from the prefix cache.
    """

    name: str
    implementation: str
    tasks: frozenset[PoolTask]
    needs_all: bool = True
    api_version: int = API_VERSION
