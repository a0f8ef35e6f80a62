"""What model plugins are built of; every layer takes a ModelContext and loads its own part of the checkpoint."""

from __future__ import annotations

from .activation import XIELU, Activation, GatedActivation
from .attention import Attention
from .bidirectional import BidirectionalAttention
from .embedding import Head, VocabEmbedding
from .latent import LatentAttention
from .linear import ColumnLinear, GateUpLinear, QKVLinear, ReplicatedLinear, RowLinear
from .mamba import MambaMixer
from .mlp import GatedMLP
from .moe import Experts, top_k_softmax
from .norm import LayerNorm, RMSNorm
from .rope_types import rope_frequencies, yarn_mscale
from .rotary import RotaryTable

__all__ = [
    "XIELU",
    "Activation",
    "Attention",
    "BidirectionalAttention",
    "ColumnLinear",
    "Experts",
    "GateUpLinear",
    "GatedActivation",
    "GatedMLP",
    "Head",
    "LayerNorm",
    "LatentAttention",
    "MambaMixer",
    "QKVLinear",
    "RMSNorm",
    "ReplicatedLinear",
    "RotaryTable",
    "RowLinear",
    "VocabEmbedding",
    "rope_frequencies",
    "top_k_softmax",
    "yarn_mscale",
]
