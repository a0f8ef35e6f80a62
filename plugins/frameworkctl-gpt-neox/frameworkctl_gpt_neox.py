"""GPT-NeoX (Black et al. 2022): attention beside the MLP, one projection per head, rotary on a part of each head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from frameworkctl.interfaces import Checkpoint, ConfigError, ModelInfo, ModelSpec, Register, hookimpl

if TYPE_CHECKING:
    from frameworkctl.interfaces.engine import Batch, Model, ModelContext
    from torch import Tensor


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(ModelSpec(architectures=("GPTNeoXForCausalLM",), implementation=f"{__name__}:build", describe=describe))


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """What the server checks requests with. Raises ConfigError."""
    c = checkpoint.config
    eos = (checkpoint.generation_config or c).get("eos_token_id")
    try:
        return ModelInfo(
            architecture="GPTNeoXForCausalLM",
            tasks=frozenset({"generate"}),
            vocab_size=c["vocab_size"],
            hidden_size=c["hidden_size"],
            num_layers=c["num_hidden_layers"],
            max_model_len=c["max_position_embeddings"],
            eos_token_ids=() if eos is None else tuple(eos) if isinstance(eos, list) else (eos,),
            dtype=str(c.get("dtype") or c.get("torch_dtype") or "float32"),
        )
    except KeyError as e:
        raise ConfigError(f"config.json lacks {e.args[0]!r}") from None


def rope_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary parameters, from ``rope_parameters`` or the names they had when the model was released."""
    rope = {"rope_type": "default", **(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}
    rope.setdefault("rope_theta", config.get("rotary_emb_base", 10000))
    rope.setdefault("partial_rotary_factor", config.get("rotary_pct", 0.25))
    return rope


def build(config: Mapping[str, Any], ctx: ModelContext) -> Model:
    """The model, in an engine. Torch is imported in here, because the server imports this file too."""
    from frameworkctl.interfaces.engine import Model
    from frameworkctl.layers import (
        Activation,
        Attention,
        ColumnLinear,
        Head,
        LayerNorm,
        RotaryTable,
        RowLinear,
        VocabEmbedding,
    )
    from torch import nn

    hidden, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head_dim, bias, eps = hidden // heads, config.get("attention_bias", True), config.get("layer_norm_eps", 1e-5)
    if heads % ctx.world.size:
        raise ValueError(f"{heads} attention heads cannot be split over {ctx.world.size} ranks")

    class SelfAttention(nn.Module):
        """Query, key and value of a head lie together, so that a share of the rows is a share of the heads."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.heads = heads // ctx.world.size
            self.qkv = ColumnLinear(ctx, f"{name}.query_key_value", hidden, 3 * hidden, bias=bias)
            self.attention = Attention(ctx, self.heads, self.heads, head_dim, scale=head_dim**-0.5)
            self.output = RowLinear(ctx, f"{name}.dense", hidden, hidden, bias=bias)
            self.rotary = ctx.ops("rotary", dtype=ctx.dtype, head_dim=head_dim)
            ctx.weights.ignore(f"{name}.bias", f"{name}.masked_bias")  # masks that old checkpoints carry

        def forward(self, x: Tensor, cos_sin: Tensor, batch: Batch) -> Tensor:
            by_head = self.qkv(x).view(-1, self.heads, 3, head_dim)
            rows = by_head.transpose(1, 2).reshape(-1, 3 * self.heads, head_dim)  # queries, keys, values
            self.rotary.rotary(rows[:, : 2 * self.heads], cos_sin)
            q, k, v = rows.chunk(3, dim=1)
            out: Tensor = self.output(self.attention(q, k, v, batch))
            return out

    class Block(nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.before_attention = LayerNorm(ctx, f"{name}.input_layernorm", hidden, eps)
            self.before_mlp = LayerNorm(ctx, f"{name}.post_attention_layernorm", hidden, eps)
            self.attention = SelfAttention(f"{name}.attention")
            self.mlp = nn.Sequential(
                ColumnLinear(ctx, f"{name}.mlp.dense_h_to_4h", hidden, inner, bias=True),
                Activation(config.get("hidden_act", "gelu")),
                RowLinear(ctx, f"{name}.mlp.dense_4h_to_h", inner, hidden, bias=True),
            )
            self.parallel = config.get("use_parallel_residual", True)

        def forward(self, x: Tensor, cos_sin: Tensor, batch: Batch) -> Tensor:
            attended = x + self.attention(self.before_attention(x), cos_sin, batch)
            out: Tensor = attended + self.mlp(self.before_mlp(x if self.parallel else attended))
            return out

    class GPTNeoX(Model):
        takes_embeds = True

        def __init__(self) -> None:
            super().__init__(config, ctx)
            rope, vocab = rope_of(config), config["vocab_size"]
            self.embedding = VocabEmbedding(ctx, "gpt_neox.embed_in", vocab, hidden)
            self.blocks = nn.ModuleList(Block(f"gpt_neox.layers.{i}") for i in range(config["num_hidden_layers"]))
            self.norm = LayerNorm(ctx, "gpt_neox.final_layer_norm", hidden, eps)
            self.head = Head(ctx, "embed_out", self.embedding, hidden, tied=config.get("tie_word_embeddings", False))
            turned = int(head_dim * rope["partial_rotary_factor"])
            self.rotary = RotaryTable(ctx, rope, turned, config["max_position_embeddings"])

        def forward(self, batch: Batch) -> Tensor:
            x, cos_sin = self.embedding.of(batch), self.rotary.at(batch.positions)
            for block in self.blocks:
                x = block(x, cos_sin, batch)
            return self.norm(x)

        def logits(self, hidden: Tensor) -> Tensor:
            return self.head(hidden)

    return GPTNeoX()
