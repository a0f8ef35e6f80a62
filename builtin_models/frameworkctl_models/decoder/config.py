"""The switches in which Llama-like decoders differ. Torch-free."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

NormKind = Literal["rms", "layer", "layer_no_bias", "none"]


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Names of a layer's parts in the checkpoint; one name for several parts where they are one tensor."""

    qkv: tuple[str, str, str] = ("q_proj", "k_proj", "v_proj")
    output: str = "o_proj"
    gate: str = "gate_proj"
    up: str = "up_proj"
    down: str = "down_proj"
    q_norm: str = "q_norm"
    k_norm: str = "k_norm"
    last_norm: str = "model.norm"


class Norms(msgspec.Struct, frozen=True, kw_only=True):
    """Names of a layer's norms: of the inputs and outputs of its two blocks. Without ``before_mlp`` and after it,
    where ``parallel`` is set, both blocks read the first."""

    before_attention: str | None = "input_layernorm"
    after_attention: str | None = None
    before_mlp: str | None = "post_attention_layernorm"
    after_mlp: str | None = None


POST = Norms(
    before_attention=None,
    after_attention="post_attention_layernorm",
    before_mlp=None,
    after_mlp="post_feedforward_layernorm",
)
SANDWICH = Norms(
    after_attention="post_attention_layernorm",
    before_mlp="pre_feedforward_layernorm",
    after_mlp="post_feedforward_layernorm",
)
ONE = Norms(before_mlp=None)


class Sparse(msgspec.Struct, frozen=True, kw_only=True):
    """A block of experts in the place of an MLP. Names are relative to the layer; ``{}`` is an expert's number.

    ``shared`` is the inner size of an expert that every token takes, times a sigmoid gate.
    """

    layers: tuple[bool, ...]
    experts: int
    per_token: int
    inner: int
    renormalise: bool
    router: str = "mlp.gate"
    gate: str = "mlp.experts.{}.gate_proj.weight"
    up: str = "mlp.experts.{}.up_proj.weight"
    down: str = "mlp.experts.{}.down_proj.weight"
    shared: int | None = None


class DecoderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A decoder as the implementation builds it; defaults are Llama's.

    By layer: ``windows[i]`` is the sliding window in tokens, None for full attention; ``layer_ropes[i]`` the index into
    ``ropes``, None where nothing is rotated. Scales multiply: ``attention_scale`` q k^T, ``row_scale`` the embeddings
    of tokens, ``embedding_scale`` those that stand in their place too, ``residual_scale`` the output of each block,
    ``logits_scale`` the logits. ``norm_plus_one``: weights are stored minus one. ``late_cast``: a norm's weight is
    multiplied in float32. ``parallel``: attention and MLP read the same norm and are added together. ``qk_norm`` works
    on each head with one weight for all (``head``) or with one for each (``own``), or on all heads at once (``full``);
    ``own_tensors`` where every head's weight is its own tensor. ``query_scale`` (beta, length): rotated queries are
    multiplied by 1 + beta ln(1 + position // length).
    ``bidirectional``: tokens see later ones too, within a window's length, and nothing is kept.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    heads: int
    kv_heads: int
    head_dim: int
    max_positions: int
    norm_eps: float
    ropes: tuple[dict[str, Any], ...]
    layer_ropes: tuple[int | None, ...]
    activation: str
    tied: bool
    windows: tuple[int | None, ...]
    attention_scale: float
    names: Names = Names()
    norms: Norms = Norms()
    norm: NormKind = "rms"
    norm_plus_one: bool = False
    late_cast: bool = False
    parallel: bool = False
    rope_interleaved: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    head_bias: bool = False
    qk_norm: Literal["head", "own", "own_tensors", "full"] | None = None
    qk_norm_kind: NormKind = "rms"
    qk_norm_after_rope: bool = False
    qkv_clip: float | None = None
    gated: bool = True
    block_norms: bool = False
    sparse: Sparse | None = None
    row_scale: float | None = None
    embedding_scale: float | None = None
    residual_scale: float | None = None
    logits_scale: float | None = None
    query_scale: tuple[float, int] | None = None
    attention_softcap: float | None = None
    final_softcap: float | None = None
    bidirectional: bool = False
