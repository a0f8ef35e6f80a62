"""Layers that model plugins are built of; every layer takes a ModelContext and loads its own part of the checkpoint."""

from __future__ import annotations

from frameworkctl.layers.attention.bidirectional import BidirectionalAttention
from frameworkctl.layers.attention.latent import LatentAttention
from frameworkctl.layers.attention.paged import Attention
from frameworkctl.layers.attention.rope_types import rope_frequencies, yarn_mscale
from frameworkctl.layers.attention.rotary import RotaryTable

from .activation import XIELU, Activation, GatedActivation
from .embedding import Head, VocabEmbedding
from .linear import ColumnLinear, GateUpLinear, QKVLinear, ReplicatedLinear, RowLinear
from .mamba import MambaMixer
from .mlp import GatedMLP
from .moe import Experts, top_k_softmax
from .norm import LayerNorm, RMSNorm

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
