"""Families with experts: a dense family's attention, and which layers hold which experts. Torch-free."""

from __future__ import annotations

from typing import Any

from frameworkctl.interfaces import ConfigError

from frameworkctl_models.decoder.config import DecoderConfig, Sparse

from .dense import granite, llama
from .reading import Raw, base, by_layer, every, sliding, windows


def _number(raw: Raw, *names: str) -> int:
    """Return the first of the names that the file has."""
    for name in names:
        if raw.get(name) is not None:
            return int(raw[name])
    raise ConfigError(f"config.json lacks {names[0]!r}")


def _sparse(raw: Raw, *, inner: str = "intermediate_size", every_layer: bool = True, **own: Any) -> Sparse:
    """Return the experts of a config; ``inner`` names an expert's inner size. Without ``every_layer`` the file says
    where the experts are.
    """
    step, dense = raw.get("decoder_sparse_step", 1), raw.get("mlp_only_layers") or ()
    shared: dict[str, Any] = {
        "layers": by_layer(raw, lambda layer: every_layer or (layer not in dense and (layer + 1) % step == 0)),
        "experts": _number(raw, "num_experts", "num_local_experts"),
        "per_token": _number(raw, "num_experts_per_tok"),
        "inner": _number(raw, inner),
        "renormalise": raw.get("norm_topk_prob", False),
    }
    return Sparse(**{**shared, **own})


def mixtral(raw: Raw) -> DecoderConfig:
    block = "block_sparse_moe"
    experts = _sparse(
        raw, renormalise=True, router=f"{block}.gate", gate=f"{block}.experts.{{}}.w1.weight",
        up=f"{block}.experts.{{}}.w3.weight", down=f"{block}.experts.{{}}.w2.weight",
    )  # fmt: skip
    return base(
        raw, max_positions=4096 * 32, default_eps=1e-5, theta=1e6, windows=every(raw.get("sliding_window"), raw),
        sparse=experts,
    )  # fmt: skip


def qwen2_moe(raw: Raw) -> DecoderConfig:
    slides = by_layer(raw, lambda layer: False)
    if raw.get("use_sliding_window"):
        slides = sliding(raw, lambda layer: layer % 2 == 0 and layer < raw.get("max_window_layers", 28))
    return base(
        raw, max_positions=32768, qkv_bias=raw.get("qkv_bias", True),
        windows=windows(slides, raw.get("sliding_window")),
        sparse=_sparse(
            raw, inner="moe_intermediate_size", every_layer=False,
            shared=_number(raw, "shared_expert_intermediate_size"),
        ),
    )  # fmt: skip


def qwen3_moe(raw: Raw) -> DecoderConfig:
    window = raw.get("sliding_window") if raw.get("use_sliding_window") else None
    return llama(
        raw, max_positions=32768, qk_norm="head", windows=every(window, raw),
        sparse=_sparse(raw, inner="moe_intermediate_size", every_layer=False),
    )  # fmt: skip


def olmoe(raw: Raw) -> DecoderConfig:
    return llama(
        raw, max_positions=4096, default_eps=1e-5, qk_norm="full", qkv_clip=raw.get("clip_qkv"), sparse=_sparse(raw)
    )


def granitemoe(raw: Raw) -> DecoderConfig:
    block = "block_sparse_moe"
    experts = _sparse(
        raw, renormalise=True, router=f"{block}.router.layer", gate=f"{block}.input_linear.weight",
        up=f"{block}.input_linear.weight", down=f"{block}.output_linear.weight",
    )  # fmt: skip
    return granite(raw, sparse=experts)
