"""An architecture name that the built-in decoder can run: a Llama under another name."""

from __future__ import annotations

from frameworkctl.interfaces import Checkpoint, ModelInfo, ModelSpec, Register, hookimpl


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """From json files only; this runs in the server, where there is no torch."""
    config = checkpoint.config
    return ModelInfo(
        architecture="OtherLlamaForCausalLM",
        tasks=frozenset({"generate"}),
        vocab_size=config["vocab_size"],
        hidden_size=config["hidden_size"],
        num_layers=config["num_hidden_layers"],
        max_model_len=config["max_position_embeddings"],
    )


@hookimpl
def register_models(register: Register[ModelSpec]) -> None:
    register(
        ModelSpec(
            architectures=("OtherLlamaForCausalLM",),
            implementation="other_llama.model:OtherLlama",  # an interfaces.engine.Model; imported in engines only
            describe=describe,
        )
    )
