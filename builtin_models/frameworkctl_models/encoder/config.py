"""The switches in which encoders differ. Torch-free."""

from __future__ import annotations

from typing import Any

import msgspec


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Names of the parts in the checkpoint, without the model's prefix; those of a layer below ``layer`` and its
    number.

    One name for several parts where they are one tensor; None where there is no such part. Norms stand before a block
    where the config is ``prenorm``, else after it.
    """

    words: str = "embeddings.word_embeddings"
    positions: str | None = "embeddings.position_embeddings"
    types: str | None = "embeddings.token_type_embeddings"
    embedding_norm: str = "embeddings.LayerNorm"
    layer: str = "encoder.layer"
    qkv: tuple[str, str, str] = ("attention.self.query", "attention.self.key", "attention.self.value")
    output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    mlp_norm: str = "output.LayerNorm"
    last_norm: str | None = None
    relative: str | None = None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A classifier over pooled states: ``out(norm(act(dense(x))))``; without ``dense`` only ``out``."""

    out: str
    dense: str | None = None
    activation: str = "tanh"
    norm: str | None = None
    dense_bias: bool = True


class EncoderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An encoder as the implementation builds it; defaults are BERT's.

    ``max_positions`` is the longest text in tokens; token i takes row ``position_offset`` + i of the table of
    positions. ``token_types`` is how many kinds of text a token can be of. By layer: ``windows[i]`` is how far a token
    sees to either side, None for all; ``layer_ropes[i]`` the index into ``ropes``, None where nothing is rotated.
    ``buckets`` (and ``names.relative``): scores have a learned number added for each head and distance, distances in
    that many buckets. ``prenorm``: blocks read normed states, layer 0 those of the embeddings' norm. ``prefix`` stands
    before the names of all but the heads in files of models with one. ``unused`` are beginnings of names, without it,
    that a checkpoint of the family may hold and embeddings do not need.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    heads: int
    max_positions: int
    norm_eps: float
    activation: str
    prefix: str
    sequence_head: Head
    token_head: Head
    windows: tuple[int | None, ...]
    layer_ropes: tuple[int | None, ...]
    names: Names = Names()
    ropes: tuple[dict[str, Any], ...] = ()
    position_offset: int = 0
    token_types: int = 0
    buckets: int | None = None
    prenorm: bool = False
    gated: bool = False
    norm_bias: bool = True
    attention_bias: bool = True
    mlp_bias: bool = True
    sequence_pooler: str = "cls"
    unused: tuple[str, ...] = ("pooler.", "cls.", "lm_head.", "classifier.")

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.heads
