"""Registered parts of plugins, by kind and name, with who registered it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from frameworkctl.config import ModelOptions, ServerOptions
from frameworkctl.interfaces.markers import API_VERSION

if TYPE_CHECKING:
    from frameworkctl_kernels.protocol import BackendSpec

    from frameworkctl.interfaces import (
        CheckpointSpec,
        CommandSpec,
        Endpoint,
        LogitsProcessorSpec,
        ModelSpec,
        OptionSpec,
        PolicySpec,
        PoolerSpec,
        ReasoningParserSpec,
        Route,
        SpeculatorSpec,
        StructuredOutputSpec,
        ToolParserSpec,
    )

    from .records import PluginRecord

SpecT = TypeVar("SpecT")


class RegistrationError(Exception):
    """A plugin tried to register something it may not."""


class Registered(Generic[SpecT]):
    """A spec and the plugin it came from; ``replaces`` says that it was meant to stand in for another."""

    __slots__ = ("plugin", "replaces", "spec")

    def __init__(self, spec: SpecT, plugin: PluginRecord, *, replaces: bool = False) -> None:
        self.spec = spec
        self.plugin = plugin
        self.replaces = replaces


class Shelf(dict[str, Registered[SpecT]]):
    """All registrations of one kind. ``names`` says under which names a spec stands; ``check`` refuses a bad one."""

    def __init__(
        self,
        kind: str,
        names: Callable[[SpecT], Iterable[str]],
        check: Callable[[SpecT, Shelf[SpecT], bool], None] | None = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.names = names
        self.check = check

    def registrar(self, plugin: PluginRecord) -> Callable[..., None]:
        """Return what the plugin's ``register_*`` hook is called with."""

        def register(spec: SpecT, *, override: bool = False) -> None:
            self._accept(spec, plugin, override)

        return register

    def _accept(self, spec: SpecT, plugin: PluginRecord, override: bool) -> None:
        version = getattr(spec, "api_version", API_VERSION)
        if version != API_VERSION:
            raise RegistrationError(f"{self.kind} made for api_version {version}, this is {API_VERSION}")
        names = [name for name in self.names(spec) if not self._already_replaced(name, plugin)]
        for name in names:
            taken = self.get(name)
            if taken is not None and not override:
                raise RegistrationError(
                    f"the {self.kind} {name!r} of {plugin.origin} is already registered by {taken.plugin.origin}"
                )
        if self.check is not None and names:
            self.check(spec, self, override)
        for name in names:
            taken = self.get(name)
            if taken is not None:
                plugin.overrides.append(f"{self.kind} {name} of {taken.plugin.origin}")
            self[name] = Registered(spec, plugin, replaces=override)
            plugin.registered.append(f"{self.kind} {name}")

    def _already_replaced(self, name: str, plugin: PluginRecord) -> bool:
        """Built-ins are loaded when they are needed, which may be after the plugin that replaces them."""
        taken = self.get(name)
        if taken is None or not taken.replaces or not plugin.builtin:
            return False
        taken.plugin.overrides.append(f"{self.kind} {name} of {plugin.origin}")
        return True


CORE_ROUTES = frozenset({("GET", "/docs"), ("GET", "/openapi.json")})
_PARAMETER = re.compile(r"\{\w+(?::(str|int|path))?\}")
_PATH = re.compile(r"/|(/([\w.~-]+|\{\w+(:(str|int|path))?\}))+")


def _shape(route: Route) -> tuple[str, str]:
    """Method and path without the names of parameters: what the router tells apart."""
    return route.method, _PARAMETER.sub(lambda m: f"{{{m[1] or 'str'}}}", route.path)


def _found_by_name(spec: StructuredOutputSpec, shelf: Shelf[StructuredOutputSpec], override: bool) -> None:
    """Refuse a ``prepare`` that a worker process cannot import."""
    name = f"{getattr(spec.prepare, '__module__', '')}:{getattr(spec.prepare, '__qualname__', '<>')}"
    if "<" in name:
        raise RegistrationError(f"prepare of {spec.name!r} must be a function of a module: a worker imports it by name")


def _endpoint_routes(spec: type[Endpoint], shelf: Shelf[type[Endpoint]], override: bool) -> None:
    """Paths must be ones the router takes, and no two families may answer the same, unless the one is replaced."""
    taken = {
        _shape(route): other
        for other in shelf.values()
        if not (override and other.spec.family == spec.family)
        for route in other.spec.routes
    }
    for route in spec.routes:
        if not _PATH.fullmatch(route.path):
            raise RegistrationError(
                f"the path {route.path!r} of family {spec.family!r} is no path of /words or /{{name:type}}"
            )
        if _shape(route) in CORE_ROUTES:
            raise RegistrationError(f"the route {route.method} {route.path} belongs to the server itself")
        other = taken.get(_shape(route))
        if other is not None:
            raise RegistrationError(
                f"the route {route.method} {route.path} of family {spec.family!r} is already answered by"
                f" {other.spec.family!r} of {other.plugin.origin}"
            )


def _option_name(spec: OptionSpec, shelf: Shelf[OptionSpec], override: bool) -> None:
    """Check an option's name, which is a flag, a key and a variable, and not one of the server's own."""
    own = {*ServerOptions.__struct_fields__, *ModelOptions.__struct_fields__}
    if not re.fullmatch(r"[a-z][a-z0-9_]*", spec.name):
        raise RegistrationError(f"the option name {spec.name!r} must be lower-case words joined by underscores")
    if spec.name in own or spec.name in ("model", "models", "config", "help", "source"):
        raise RegistrationError(f"the option {spec.name!r} is the server's own")


Snapshot = dict[str, dict[str, Registered[Any]]]


class Registry:
    """Every kind of thing that plugins register. Attribute names are those of the ``register_*`` hooks."""

    def __init__(self) -> None:
        self.endpoints: Shelf[type[Endpoint]] = Shelf("endpoint", lambda s: (s.family,), _endpoint_routes)
        self.models: Shelf[ModelSpec] = Shelf("model", lambda s: s.names)
        self.backends: Shelf[BackendSpec] = Shelf("backend", lambda s: (s.name,))
        self.checkpoints: Shelf[CheckpointSpec] = Shelf("checkpoint", lambda s: (s.name,))
        self.logits_processors: Shelf[LogitsProcessorSpec] = Shelf("logits processor", lambda s: (s.name,))
        self.structured_output: Shelf[StructuredOutputSpec] = Shelf(
            "structured output", lambda s: (s.name,), _found_by_name
        )
        self.policies: Shelf[PolicySpec] = Shelf("policy", lambda s: (s.name,))
        self.speculators: Shelf[SpeculatorSpec] = Shelf("speculator", lambda s: (s.name,))
        self.poolers: Shelf[PoolerSpec] = Shelf("pooler", lambda s: (s.name,))
        self.tool_parsers: Shelf[ToolParserSpec] = Shelf("tool parser", lambda s: s.names)
        self.reasoning_parsers: Shelf[ReasoningParserSpec] = Shelf("reasoning parser", lambda s: s.names)
        self.options: Shelf[OptionSpec] = Shelf("option", lambda s: (s.name,), _option_name)
        self.commands: Shelf[CommandSpec] = Shelf("command", lambda s: (s.name,))

    def shelves(self) -> dict[str, Shelf[Any]]:
        return vars(self)

    def snapshot(self) -> Snapshot:
        return {kind: dict(shelf) for kind, shelf in self.shelves().items()}

    def restore(self, snapshot: Snapshot) -> None:
        """Forget what was registered since ``snapshot``: a plugin that fails half way leaves nothing behind."""
        for kind, shelf in self.shelves().items():
            shelf.clear()
            shelf.update(snapshot[kind])
