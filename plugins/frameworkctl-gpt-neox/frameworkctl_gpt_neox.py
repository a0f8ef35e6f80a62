"""GPT-NeoX (Black et al. 2022): attention beside the MLP, one projection per head, rotary on a part of each head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from frameworkctl.interfaces import Checkpoint, ConfigError, ModelInfo, ModelSpec, Register, hookimpl

if TYPE_CHECKING:
    from frameworkctl.interfaces.engine import Batch, Model, ModelContext
    from torch import Tensor
    from torch.nn import ModuleDict


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(ModelSpec(architectures=("GPTNeoXForCausalLM",), implementation=f"{__name__}:build", describe=describe))


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """Return what the server checks requests with. Raises ConfigError."""
    c = checkpoint.config
    eos = checkpoint.generation_config.get("eos_token_id", c.get("eos_token_id"))
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


def layer_of(config: Mapping[str, Any], ctx: ModelContext, name: str) -> ModuleDict:
    """Return one layer's parts; each loads the tensors that are named here."""
    from frameworkctl.layers import Activation, Attention, ColumnLinear, LayerNorm, RowLinear
    from torch import nn

    hidden, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    bias, eps = config.get("attention_bias", True), config.get("layer_norm_eps", 1e-5)
    own, head_dim = heads // ctx.world.size, hidden // heads
    ctx.weights.ignore(f"{name}.attention.bias", f"{name}.attention.masked_bias")  # masks that old checkpoints carry
    return nn.ModuleDict(
        {
            "before_attention": LayerNorm(ctx, f"{name}.input_layernorm", hidden, eps),
            "qkv": ColumnLinear(ctx, f"{name}.attention.query_key_value", hidden, 3 * hidden, bias=bias),
            "attention": Attention(ctx, own, own, head_dim, scale=head_dim**-0.5, rotary=True),
            "output": RowLinear(ctx, f"{name}.attention.dense", hidden, hidden, bias=bias),
            "before_mlp": LayerNorm(ctx, f"{name}.post_attention_layernorm", hidden, eps),
            "mlp": nn.Sequential(
                ColumnLinear(ctx, f"{name}.mlp.dense_h_to_4h", hidden, inner, bias=True),
                Activation(ctx, config.get("hidden_act", "gelu")),
                RowLinear(ctx, f"{name}.mlp.dense_4h_to_h", inner, hidden, bias=True),
            ),
        }
    )


def build(config: Mapping[str, Any], ctx: ModelContext) -> Model:
    """Return the model, in an engine. Functions import what needs torch, because the server imports this file too."""
    from frameworkctl.interfaces.engine import Model
    from frameworkctl.layers import Head, LayerNorm, RotaryTable, VocabEmbedding
    from torch import nn

    hidden, heads, rope = config["hidden_size"], config["num_attention_heads"], rope_of(config)
    if heads % ctx.world.size:
        raise ValueError(f"{heads} attention heads cannot be split over {ctx.world.size} ranks")
    head_dim, parallel = hidden // heads, config.get("use_parallel_residual", True)

    class GPTNeoX(Model):
        takes_embeds = True
        replayable = True

        def __init__(self) -> None:
            super().__init__(config, ctx)
            self.embedding = VocabEmbedding(ctx, "gpt_neox.embed_in", config["vocab_size"], hidden)
            names = [f"gpt_neox.layers.{i}" for i in range(config["num_hidden_layers"])]
            self.layers: Any = nn.ModuleList(layer_of(config, ctx, name) for name in names)
            self.norm = LayerNorm(ctx, "gpt_neox.final_layer_norm", hidden, config.get("layer_norm_eps", 1e-5))
            self.head = Head(ctx, "embed_out", self.embedding, hidden, tied=config.get("tie_word_embeddings", False))
            turned = int(head_dim * rope["partial_rotary_factor"])
            self.rotary = RotaryTable(ctx, rope, turned, config["max_position_embeddings"])

        def forward(self, batch: Batch) -> Tensor:
            x, cos_sin = self.embedding.of(batch), self.rotary.at(batch.positions)
            for layer in self.layers:
                attended = x + self.attend(layer, layer["before_attention"](x), cos_sin, batch)
                x = attended + layer["mlp"](layer["before_mlp"](x if parallel else attended))
            out: Tensor = self.norm(x)
            return out

        def attend(self, layer: ModuleDict, x: Tensor, cos_sin: Tensor, batch: Batch) -> Tensor:
            """Return a head's query, key and value lie together, so that a share of the rows is one of the heads."""
            q, k, v = layer["qkv"](x).view(len(x), -1, 3, head_dim).unbind(2)
            out: Tensor = layer["output"](layer["attention"](q, k, v, batch, cos_sin))
            return out

        def logits(self, hidden: Tensor) -> Tensor:
            out: Tensor = self.head(hidden)
            return out

    return GPTNeoX()
