"""What model plugins are built of; every layer takes a ModelContext and loads its own part of the checkpoint."""

from __future__ import annotations

from .activation import GatedActivation
from .attention import Attention
from .embedding import Head, VocabEmbedding
from .latent import LatentAttention
from .linear import ColumnLinear, GateUpLinear, QKVLinear, RowLinear
from .norm import RMSNorm
from .rotary import RotaryTable, rope_frequencies

__all__ = [
    "Attention",
    "ColumnLinear",
    "GateUpLinear",
    "GatedActivation",
    "Head",
    "LatentAttention",
    "QKVLinear",
    "RMSNorm",
    "RotaryTable",
    "RowLinear",
    "VocabEmbedding",
    "rope_frequencies",
]
