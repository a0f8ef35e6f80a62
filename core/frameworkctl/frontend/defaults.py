"""Sampling defaults of a model, from its generation_config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

# A value that equals the library's own default says nothing about the model.
LIBRARY_DEFAULTS: dict[str, Any] = {
    "repetition_penalty": 1.0,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "min_p": None,
}


class SamplingDefaults(msgspec.Struct, frozen=True):
    """What a request gets where it says nothing; ``max_new_tokens`` where it sets no limit either."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    max_new_tokens: int | None = None


def sampling_defaults(generation_config: Mapping[str, Any]) -> SamplingDefaults:
    """Only keys that differ from the library's defaults count; values of a wrong type are passed over."""
    values = {}
    for field in msgspec.structs.fields(SamplingDefaults):
        value = generation_config.get(field.name)
        if value is None or value == LIBRARY_DEFAULTS.get(field.name):
            continue
        try:
            values[field.name] = msgspec.convert(value, field.type, strict=False)
        except msgspec.ValidationError:
            continue
    return SamplingDefaults(**values)
