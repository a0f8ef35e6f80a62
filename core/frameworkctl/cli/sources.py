"""Sources of option values besides flags: the config file and the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from frameworkctl.errors import ConfigError

from .option_fields import Field

ENV_PREFIX = "FRAMEWORKCTL_"


def with_dashes(argv: Sequence[str]) -> list[str]:
    """Flags may be written with underscores; values stay as they are."""
    out = []
    for word in argv:
        head, eq, tail = word.partition("=")
        out.append(head.replace("_", "-") + eq + tail if head.startswith("--") else word)
    return out


def read_file(path: str) -> dict[str, Any]:
    """Return a YAML file of options, with dashes or underscores in its keys. Raises ConfigError."""
    import yaml

    if not path.endswith((".yaml", ".yml")):
        raise ConfigError(f"--config: {path!r} is not a .yaml file")
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as e:
        raise ConfigError(f"--config: cannot read {path!r}: {e.strerror}") from e
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise ConfigError(f"--config: {path!r} is not valid YAML: {e}") from e
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"--config: {path!r} must be a mapping of options")
    return plain_keys(data)


def plain_keys(data: Mapping[str, Any]) -> dict[str, Any]:
    return {str(k).replace("-", "_"): v for k, v in data.items()}


def from_environment(fields: Iterable[Field], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return ``FRAMEWORKCTL_MAX_MODEL_LEN=8k``; lists are comma-separated, or JSON where the option takes that."""
    out: dict[str, Any] = {}
    for field in fields:
        raw = environ.get(ENV_PREFIX + field.name.upper())
        if raw is None:
            continue
        if not field.is_list or (field.json and raw.lstrip().startswith("[")):
            out[field.name] = raw
        else:
            words = [word.strip() for word in raw.split(",")]
            blank = [""] if field.blanks else []  # of an option that refuses it rather than do without
            out[field.name] = [word for word in words if word] or blank
    return out


def peek(argv: Sequence[str], name: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return an option that is read before the whole command line: plugins add options, so they are chosen first.

    Raises:
        ConfigError: the config file cannot be read, or has something there that is no text or list.
    """
    argv = with_dashes(argv)
    words = _flag_values(argv, name)
    if words:
        return words
    config = _flag_values(argv, "config")
    if config and name in (data := read_file(config[-1])):
        value = data[name]
        if value is None:
            return []
        if not isinstance(value, (str, list)):
            raise ConfigError(f"--config: {name} must be a list, got {value!r}")
        return [value] if isinstance(value, str) else [str(v) for v in value]
    raw = environ.get(ENV_PREFIX + name.upper())
    return [raw] if raw else []


def _flag_values(argv: Sequence[str], name: str) -> list[str]:
    flag = "--" + name.replace("_", "-")
    words: list[str] = []
    for i, word in enumerate(argv):
        head, eq, tail = word.partition("=")
        if head == flag:
            words += [tail] if eq else list(argv[i + 1 : i + 2])
    return words
