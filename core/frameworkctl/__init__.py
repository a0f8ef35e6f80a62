"""An OpenAI-compatible inference server in which every part is a plugin."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import VERSION

if TYPE_CHECKING:
    from frameworkctl.offline.llm import LLM as LLM
    from frameworkctl.offline.outputs import CompletionOutput as CompletionOutput
    from frameworkctl.offline.outputs import Logprob as Logprob
    from frameworkctl.offline.outputs import RequestOutput as RequestOutput
    from frameworkctl.offline.pooling.outputs import ClassificationRequestOutput as ClassificationRequestOutput
    from frameworkctl.offline.pooling.outputs import EmbeddingRequestOutput as EmbeddingRequestOutput
    from frameworkctl.offline.pooling.outputs import PoolingRequestOutput as PoolingRequestOutput
    from frameworkctl.offline.pooling.outputs import ScoringRequestOutput as ScoringRequestOutput
    from frameworkctl.offline.pooling.params import PoolingParams as PoolingParams
    from frameworkctl.offline.sampling import SamplingParams as SamplingParams

__version__ = VERSION
_LAZY = {  # imported when first asked for: most who import this package want none of it
    "LLM": ".offline.llm",
    "SamplingParams": ".offline.sampling",
    "PoolingParams": ".offline.pooling.params",
    "RequestOutput": ".offline.outputs",
    "CompletionOutput": ".offline.outputs",
    "Logprob": ".offline.outputs",
    "EmbeddingRequestOutput": ".offline.pooling.outputs",
    "ClassificationRequestOutput": ".offline.pooling.outputs",
    "ScoringRequestOutput": ".offline.pooling.outputs",
    "PoolingRequestOutput": ".offline.pooling.outputs",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
