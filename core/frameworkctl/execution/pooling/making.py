"""Makes the poolers of an engine by name, and refuses models that lack the head they would need."""

from __future__ import annotations

from frameworkctl.config import EngineConfig
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.engine import Model, Pooler, PoolingInfo
from frameworkctl.plugins import PluginHost
from frameworkctl.plugins.importing import load_class


def make_poolers(host: PluginHost, info: PoolingInfo) -> dict[str, Pooler]:
    """Return the poolers of texts and of tokens. Raises ConfigError where no plugin has one of a name."""

    def create_pooler(name: str, info: PoolingInfo) -> Pooler:
        registered = host.registry.poolers.get(name)
        if registered is None:
            raise ConfigError(f"no plugin registered the pooler {name!r}; known are {', '.join(host.registry.poolers)}")
        made: Pooler = load_class(registered.spec.implementation)(info)
        return made

    create = host.with_default("create_pooler", create_pooler)
    return {name: create(name=name, info=info) for name in dict.fromkeys((info.pooler, info.token_pooler))}


def check_head(model: Model, given: EngineConfig) -> None:
    """Refuse a model that is to give classes without a ``classify`` head. Raises ConfigError."""
    labels = given.pooling is not None and given.pooling.labels
    if labels and type(model).classify is Model.classify:
        raise ConfigError(f"{given.architecture} has no classifier: its plugin cannot make one (--convert embed can)")
