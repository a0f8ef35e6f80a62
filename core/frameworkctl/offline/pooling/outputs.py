"""Results of the pooling methods of ``LLM``, in the shape that vLLM gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import numpy as np

O = TypeVar("O")  # noqa: E741


@dataclass
class EmbeddingOutput:
    """A text as a vector."""

    embedding: list[float]

    @property
    def hidden_size(self) -> int:
        return len(self.embedding)


@dataclass
class ClassificationOutput:
    """One number for each of the model's labels, in their order."""

    probs: list[float]

    @property
    def num_classes(self) -> int:
        return len(self.probs)


@dataclass
class ScoringOutput:
    """Score of two texts."""

    score: float


@dataclass
class PoolingOutput:
    """Result of a pooling task: float32, ``[size]``, or ``[tokens, size]`` where it is a vector for each token."""

    data: np.ndarray[Any, np.dtype[np.float32]]


@dataclass
class PooledRequestOutput(Generic[O]):
    """A prompt and what it was pooled to. ``prompt_token_ids`` are those that were computed, special tokens included.

    Of a score: the ids of the pair, or of the one text and then the other where each is read alone.
    """

    request_id: str
    outputs: O
    prompt_token_ids: list[int]
    finished: bool = True


class EmbeddingRequestOutput(PooledRequestOutput[EmbeddingOutput]):
    """Of ``LLM.embed``."""


class ClassificationRequestOutput(PooledRequestOutput[ClassificationOutput]):
    """Of ``LLM.classify``."""


class ScoringRequestOutput(PooledRequestOutput[ScoringOutput]):
    """Of ``LLM.score``."""


class PoolingRequestOutput(PooledRequestOutput[PoolingOutput]):
    """Of ``LLM.encode``."""
