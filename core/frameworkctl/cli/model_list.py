"""Models to serve, with their names and own options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frameworkctl.config import ModelOptions, NamedModel
from frameworkctl.errors import ConfigError
from frameworkctl.suggestions import did_you_mean

from .option_fields import Field, convert
from .sources import plain_keys


def named_models(
    given: Mapping[str, Any], file: Mapping[str, Any], defaults: dict[str, Any], fields: Mapping[str, Field]
) -> list[NamedModel]:
    """Command line models replace those of the file; none at all means the bundled default.

    ``given`` are the flags, ``defaults`` the options that all models share, ``fields`` the options a model may have.

    Raises:
        ConfigError: half a model, two of one name, or names given in two ways.
    """
    out = [NamedModel(source=given["source"], options=ModelOptions(**defaults))] if "source" in given else []
    out += [_flag_model(word, defaults) for word in given.get("model", [])]
    if not out:
        out = _file_models(file, defaults, fields)
    if "served_model_name" in given:
        if len(out) > 1:
            raise ConfigError("--served-model-name fits one model; with several use --model NAME=PATH")
        if any("=" in word for word in given.get("model", [])):
            raise ConfigError("--served-model-name and --model NAME=PATH both name the model: use one of them")
    taken: dict[str, str] = {}
    for model in out:
        for name in model.options.served_model_name or [model.source]:
            if name in taken:
                raise ConfigError(f"two models are named {name!r}: {taken[name]} and {model.source}")
            taken[name] = model.source
    return out


def _flag_model(word: str, defaults: dict[str, Any]) -> NamedModel:
    name, eq, source = word.partition("=")
    if not name or (eq and not source):
        raise ConfigError(f"--model: {word!r} is not a path or NAME=PATH")
    if not eq:
        return NamedModel(source=word, options=ModelOptions(**defaults))
    return NamedModel(source=source, options=ModelOptions(**{**defaults, "served_model_name": [name]}))


def _file_models(file: Mapping[str, Any], defaults: dict[str, Any], fields: Mapping[str, Field]) -> list[NamedModel]:
    if "models" in file:
        entries = file["models"] or []
        if not isinstance(entries, list):
            raise ConfigError("--config: models must be a list")
        return [_file_model(entry, defaults, fields) for entry in entries]
    return [_file_model(file["model"], defaults, fields)] if file.get("model") is not None else []


def _file_model(entry: Any, defaults: dict[str, Any], fields: Mapping[str, Field]) -> NamedModel:
    if isinstance(entry, str):
        entry = {"model": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("model"), str):
        raise ConfigError("--config: each of models: needs a 'model' (path, Hub id or bundled name)")
    own = plain_keys(entry)
    source = own.pop("model")
    name = own.pop("name", None)
    refuse_unknown(own, list(fields))
    values = {key: convert(fields[key], value) for key, value in own.items()}
    if name is not None:
        values["served_model_name"] = [str(name)]
    return NamedModel(source=source, options=ModelOptions(**{**defaults, **values}))


def refuse_unknown(given: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise ConfigError for a key of the config file that no option has, with the nearest one."""
    for key in given:
        if key not in known:
            raise ConfigError(f"--config: unknown option {key!r}{did_you_mean(key, known)}")
