"""Choice of the plugin that runs a checkpoint: one that has its architecture, else a fallback that takes any."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.model import FALLBACK, Checkpoint, ModelInfo, ModelSpec
from frameworkctl.interfaces.quantization import block_to_expand

from .conversions import Renamed, bases_of
from .discovery import MODELS
from .host import PluginHost
from .registry import Registered

AUTO, NATIVE = "auto", "native"
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # what values of odd types end in

log = logging.getLogger("frameworkctl.plugins")


class Choice(msgspec.Struct, frozen=True):
    """Model plugin that runs a checkpoint. ``name`` is that under which its spec is registered."""

    name: str
    registered: Registered[ModelSpec]
    info: ModelInfo

    @property
    def native(self) -> bool:
        return not self.name.startswith(FALLBACK)


def choose(host: PluginHost, checkpoint: Checkpoint, impl: str = AUTO) -> Choice:
    """Return ``impl`` as ``--model-impl``: ``auto`` takes native code where it runs the checkpoint, else the first
    fallback that does; ``native`` no fallback; anything else is a fallback's name.

    Raises:
        ConfigError: nothing runs it, with the reason of each that was asked.
    """
    reasons = []
    for name in _candidates(host, checkpoint, impl):
        registered = host.registry.models[name]
        try:
            block_to_expand(checkpoint.config, registered.spec)  # refuses what the engine could not load
            choice = Choice(name, registered, registered.spec.describe(_as_seen(checkpoint, registered.spec)))
        except ConfigError as e:
            reasons.append(f"{name.removeprefix(FALLBACK)}: {e}")
            continue
        except _UNREADABLE as e:  # values that no other reader looks at
            log.debug("%s: config.json", checkpoint.root, exc_info=True)
            reasons.append(f"{name.removeprefix(FALLBACK)} cannot read config.json: {type(e).__name__}: {e}")
            continue
        if reasons:
            log.warning("%s is run by %s instead (%s)", checkpoint.root, name.removeprefix(FALLBACK), reasons[0])
        return choice
    architectures = list(checkpoint.config.get("architectures") or ())
    why = "; ".join(reasons) or "frameworkctl models list shows what does"
    raise ConfigError(f"{checkpoint.root}: no plugin runs the architectures {architectures} ({why})")


def _candidates(host: PluginHost, checkpoint: Checkpoint, impl: str) -> Iterator[str]:
    """Yield names of registered specs in the order in which they are asked; their plugins are loaded on the way."""
    fallbacks = fallback_names(host)
    if impl not in (AUTO, NATIVE):
        if FALLBACK + impl not in fallbacks:
            known = ", ".join([AUTO, NATIVE, *(n.removeprefix(FALLBACK) for n in fallbacks)])
            raise ConfigError(f"--model-impl: {impl!r} is not one of {known}")
        host.load_named(MODELS, FALLBACK + impl)
        yield FALLBACK + impl
        return
    for name in checkpoint.config.get("architectures") or ():
        if _has(host, str(name)):
            yield str(name)
            break
        if converted := next((base for base in bases_of(str(name)) if _has(host, base)), None):
            yield converted
            break
    for name in fallbacks if impl == AUTO else ():
        host.load_named(MODELS, name)
        if name in host.registry.models:
            yield name


def _has(host: PluginHost, name: str) -> bool:
    host.load_named(MODELS, name)
    return name in host.registry.models


def _as_seen(checkpoint: Checkpoint, spec: ModelSpec) -> Checkpoint:
    """Return what ``describe`` reads: where the class is run by another of the same model, that one's name."""
    for name in checkpoint.config.get("architectures") or () if spec.fallback is None else ():
        if name in spec.architectures:
            return checkpoint
        for base in bases_of(str(name)):
            if base in spec.architectures:
                return Renamed(checkpoint, base)
    return checkpoint


def fallback_names(host: PluginHost) -> list[str]:
    """Return names under which fallbacks are or would be registered; those of strangers before ours."""
    ours = {n for r in host.records if r.builtin for n in r.names}
    known = {*host.names(MODELS), *host.registry.models}
    return sorted((n for n in known if n.startswith(FALLBACK)), key=lambda n: (n in ours, n))
