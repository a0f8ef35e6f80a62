"""Keyword arguments of ``LLM`` as the option tree that the command line fills."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from frameworkctl.config import ModelOptions, NamedModel, Options, ServerOptions
from frameworkctl.errors import ConfigError
from frameworkctl.plugins import PluginHost, discover, select
from frameworkctl.plugins.selection import split
from frameworkctl.suggestions import did_you_mean

SERVER_SIDE = ("log_level", "unknown_fields")  # of the server's options, those that mean something here


def load_plugins(words: str | Sequence[str] | None) -> PluginHost:
    """Plugins that are on: as by ``--plugins``, and by FRAMEWORKCTL_PLUGINS where nothing is said."""
    chosen = os.environ.get("FRAMEWORKCTL_PLUGINS") if words is None else words
    host = PluginHost.from_selection(select(discover(), split(chosen)))
    host.load_eager()
    return host


def make_options(model: str | None, given: Mapping[str, Any], host: PluginHost) -> Options:
    """Options of one model under their names in a config file; None is the bundled model.

    Raises:
        ConfigError: an unknown option (with the nearest name), or a value that is none.
    """
    specs = {r.spec.name: r.spec for r in host.registry.options.values()}
    own = ModelOptions.__struct_fields__
    for name in given:
        if name not in own and name not in SERVER_SIDE and name not in specs:
            known = [*own, *SERVER_SIDE, *specs]
            raise ConfigError(f"LLM: there is no option {name!r}{did_you_mean(name, known)}")
    for_model = {k: _plain(v) for k, v in given.items() if k in own}
    for_server = {k: v for k, v in given.items() if k in SERVER_SIDE}
    # Who writes the requests is the operator, and a list of prompts is no overload.
    settings = _struct(ModelOptions, {"max_num_queued_reqs": -1, "trust_request_chat_template": True, **for_model})
    server = _struct(ServerOptions, {"log_level": "warning", **for_server})
    models = [NamedModel(source=_bundled(host) if model is None else model, options=settings)]
    return Options(
        server=server,
        models=models,
        plugin_options={n: _typed(n, given.get(n, s.default), s.type) for n, s in specs.items()},
    )


def _bundled(host: PluginHost) -> str:
    found = [r.spec.name for r in host.registry.checkpoints.values() if r.spec.default]
    if not found:
        raise ConfigError("LLM: name a model (path or Hub id), or install the demo: pip install frameworkctl-demo")
    return found[0]


def _plain(value: Any) -> Any:
    """Return ``torch.float32`` as its name, and a path as its text."""
    if type(value).__module__ == "torch" and type(value).__name__ == "dtype":
        return str(value).removeprefix("torch.")
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _struct(struct: Any, values: Mapping[str, Any]) -> Any:
    hints = {f.name: f.type for f in msgspec.structs.fields(struct)}
    return struct(**{name: _typed(name, value, hints[name]) for name, value in values.items()})


def _typed(name: str, value: Any, type_: Any) -> Any:
    try:
        return msgspec.convert(value, type_, strict=False)
    except msgspec.ValidationError as e:
        raise ConfigError(f"LLM: {name}: {str(e).partition(' - at ')[0]}, got {value!r}") from None
