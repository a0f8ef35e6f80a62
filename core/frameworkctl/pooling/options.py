"""``--pooler-config``: what the user says of how a model pools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.pooling import PoolTask
from frameworkctl.suggestions import did_you_mean

Runner = Literal["auto", "generate", "pooling"]
Convert = Literal["auto", "none", "embed", "classify"]
FLAG = "--pooler-config"


class PoolerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names are those that people know; None: the model's own. ``pooling_type`` stands for whichever of the two fits
    its kind; types are names of poolers in any case of letters. ``options`` are for poolers of plugins.
    """

    task: PoolTask | None = None
    pooling_type: str | None = None
    seq_pooling_type: str | None = None
    tok_pooling_type: str | None = None
    use_activation: bool | None = None
    dimensions: int | None = None
    enable_chunked_processing: bool = False
    max_embed_len: int | None = None
    logit_mean: float | None = None
    logit_sigma: float | None = None
    step_tag_id: int | None = None
    returned_token_ids: list[int] | None = None
    options: dict[str, Any] = {}


def pooler_config(given: Mapping[str, Any]) -> PoolerConfig:
    """Raise ConfigError naming the key that is wrong, with the nearest known one."""
    known = PoolerConfig.__struct_fields__
    for key in given:
        if key not in known:
            raise ConfigError(f"{FLAG}: unknown key {key!r}{did_you_mean(key, known)}; known are {', '.join(known)}")
    try:
        config = msgspec.convert(dict(given), PoolerConfig, strict=False)
    except msgspec.ValidationError as e:
        raise ConfigError(f"{FLAG}: {e}") from None
    if config.pooling_type is not None and (config.seq_pooling_type or config.tok_pooling_type):
        raise ConfigError(f"{FLAG}: pooling_type stands for seq_pooling_type or tok_pooling_type: give one of them")
    if config.logit_sigma == 0:
        raise ConfigError(f"{FLAG}: logit_sigma must not be 0")
    for name in ("dimensions", "max_embed_len"):
        if (value := getattr(config, name)) is not None and value < 1:
            raise ConfigError(f"{FLAG}: {name} must be at least 1, got {value}")
    return config
