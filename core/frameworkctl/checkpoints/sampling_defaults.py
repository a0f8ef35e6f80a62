"""Sampling defaults of a model, from its generation_config.json and from the operator."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from frameworkctl.errors import ConfigError
from frameworkctl.params import RANGES

log = logging.getLogger("frameworkctl.text")

# A value that equals the library's own default says nothing about the model.
LIBRARY_DEFAULTS: dict[str, Any] = {
    "repetition_penalty": 1.0,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "min_p": None,
}


class SamplingDefaults(msgspec.Struct, frozen=True):
    """Defaults of a request's sampling fields; ``max_new_tokens`` is that of its limit.

    ``cap`` is the most tokens of output that any request gets, whatever it asks for; None: no limit but the context.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    max_new_tokens: int | None = None
    cap: int | None = None


def load_defaults(checkpoint: Mapping[str, Any], source: str, override: Mapping[str, Any]) -> SamplingDefaults:
    """Defaults of a model whose own generation config is ``checkpoint``.

    ``source`` is ``auto`` (that), ``vllm`` (none) or a folder with a ``generation_config.json``; ``override`` comes on
    top. ``max_new_tokens`` of a folder or of ``override`` is what the operator says, and so a cap as well.

    Raises:
        ConfigError: the folder has no such file, or ``override`` a key or value that means nothing.
    """
    own = source not in ("auto", "vllm")
    config = _read(Path(source)) if own else {} if source == "vllm" else checkpoint
    values = _known(config)
    for name, value in override.items():
        if name not in _TYPES:
            raise ConfigError(f"--override-generation-config: {name!r} is not one of {', '.join(_TYPES)}")
        try:
            values[name] = None if value is None else msgspec.convert(value, _TYPES[name], strict=False)
        except msgspec.ValidationError as e:
            raise ConfigError(f"--override-generation-config: {name}: {e}") from None
        if problem := _out_of_range(name, values[name]):
            raise ConfigError(f"--override-generation-config: {problem}")
    cap = values.get("max_new_tokens") if own or "max_new_tokens" in override else None
    return SamplingDefaults(**{k: v for k, v in values.items() if v is not None}, cap=cap)


def _known(generation_config: Mapping[str, Any]) -> dict[str, Any]:
    """Read the keys that differ from the library's defaults; skip values that cannot be served."""
    values = {}
    for name, type_ in _TYPES.items():
        value = generation_config.get(name)
        if value is None or value == LIBRARY_DEFAULTS.get(name):
            continue
        try:
            converted = msgspec.convert(value, type_, strict=False)
        except msgspec.ValidationError:
            continue
        if problem := _out_of_range(name, converted):
            log.warning("generation_config.json: %s; it is passed over", problem)
            continue
        values[name] = converted
    return values


def _out_of_range(name: str, value: float | None) -> str | None:
    """Return what is wrong with a default that no request could be served with; None where nothing is."""
    if value is None or (name == "top_k" and value == -1):
        return None
    if name in RANGES:
        return None if value in RANGES[name] else f"{name} must be {RANGES[name]}, got {value}"
    least = 1 if name == "max_new_tokens" else 0
    return None if least <= value < 2**31 else f"{name} must be in [{least}, {2**31 - 1}], got {value}"


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "generation_config.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as e:
        raise ConfigError(f"--generation-config: cannot read {path}: {e}") from None


_TYPES = {f.name: f.type for f in msgspec.structs.fields(SamplingDefaults) if f.name != "cap"}
