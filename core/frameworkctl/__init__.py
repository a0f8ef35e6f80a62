"""An OpenAI-compatible inference server in which every part is a plugin."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .offline.llm import LLM as LLM
    from .offline.outputs import CompletionOutput as CompletionOutput
    from .offline.outputs import Logprob as Logprob
    from .offline.outputs import RequestOutput as RequestOutput
    from .offline.pooling_outputs import ClassificationRequestOutput as ClassificationRequestOutput
    from .offline.pooling_outputs import EmbeddingRequestOutput as EmbeddingRequestOutput
    from .offline.pooling_outputs import PoolingRequestOutput as PoolingRequestOutput
    from .offline.pooling_outputs import ScoringRequestOutput as ScoringRequestOutput
    from .offline.pooling_params import PoolingParams as PoolingParams
    from .offline.sampling import SamplingParams as SamplingParams

__version__ = "0.1.0"
_LAZY = {  # imported when first asked for: most who import this package want none of it
    "LLM": ".offline.llm",
    "SamplingParams": ".offline.sampling",
    "PoolingParams": ".offline.pooling_params",
    "RequestOutput": ".offline.outputs",
    "CompletionOutput": ".offline.outputs",
    "Logprob": ".offline.outputs",
    "EmbeddingRequestOutput": ".offline.pooling_outputs",
    "ClassificationRequestOutput": ".offline.pooling_outputs",
    "ScoringRequestOutput": ".offline.pooling_outputs",
    "PoolingRequestOutput": ".offline.pooling_outputs",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
