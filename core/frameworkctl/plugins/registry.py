"""What plugins have registered, by kind and name, with who registered it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..interfaces.markers import API_VERSION

if TYPE_CHECKING:
    from frameworkctl_kernels.protocol import BackendSpec

    from ..interfaces import (
        CheckpointSpec,
        CommandSpec,
        Endpoint,
        LogitsProcessorSpec,
        ModelSpec,
        OptionSpec,
        PolicySpec,
    )
    from .records import PluginRecord

SpecT = TypeVar("SpecT")


class RegistrationError(Exception):
    """A plugin tried to register something it may not."""


class Registered(Generic[SpecT]):
    """A spec and the plugin it came from."""

    __slots__ = ("plugin", "spec")

    def __init__(self, spec: SpecT, plugin: PluginRecord) -> None:
        self.spec = spec
        self.plugin = plugin


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
        """What the plugin's ``register_*`` hook is called with."""

        def register(spec: SpecT, *, override: bool = False) -> None:
            self._accept(spec, plugin, override)

        return register

    def _accept(self, spec: SpecT, plugin: PluginRecord, override: bool) -> None:
        version = getattr(spec, "api_version", API_VERSION)
        if version != API_VERSION:
            raise RegistrationError(f"{self.kind} made for api_version {version}, this is {API_VERSION}")
        names = tuple(self.names(spec))
        for name in names:
            taken = self.get(name)
            if taken is not None and not override:
                raise RegistrationError(
                    f"the {self.kind} {name!r} of {plugin.origin} is already registered by {taken.plugin.origin}"
                )
        if self.check is not None:
            self.check(spec, self, override)
        for name in names:
            taken = self.get(name)
            if taken is not None:
                plugin.overrides.append(f"{self.kind} {name} of {taken.plugin.origin}")
            self[name] = Registered(spec, plugin)
            plugin.registered.append(f"{self.kind} {name}")


def _endpoint_routes(spec: type[Endpoint], shelf: Shelf[type[Endpoint]], override: bool) -> None:
    """Two families must not answer the same route, unless the one is replaced."""
    taken = {
        (route.method, route.path): other
        for other in shelf.values()
        if not (override and other.spec.family == spec.family)
        for route in other.spec.routes
    }
    for route in spec.routes:
        other = taken.get((route.method, route.path))
        if other is not None:
            raise RegistrationError(
                f"the route {route.method} {route.path} of family {spec.family!r} is already answered by"
                f" {other.spec.family!r} of {other.plugin.origin}"
            )


class Registry:
    """Every kind of thing that plugins register. Attribute names are those of the ``register_*`` hooks."""

    def __init__(self) -> None:
        self.endpoints: Shelf[type[Endpoint]] = Shelf("endpoint", lambda s: (s.family,), _endpoint_routes)
        self.models: Shelf[ModelSpec] = Shelf("model", lambda s: s.architectures)
        self.backends: Shelf[BackendSpec] = Shelf("backend", lambda s: (s.name,))
        self.checkpoints: Shelf[CheckpointSpec] = Shelf("checkpoint", lambda s: (s.name,))
        self.logits_processors: Shelf[LogitsProcessorSpec] = Shelf("logits processor", lambda s: (s.name,))
        self.policies: Shelf[PolicySpec] = Shelf("policy", lambda s: (s.name,))
        self.options: Shelf[OptionSpec] = Shelf("option", lambda s: (s.name,))
        self.commands: Shelf[CommandSpec] = Shelf("command", lambda s: (s.name,))

    def shelves(self) -> dict[str, Shelf[Any]]:
        return vars(self)

    def snapshot(self) -> dict[str, dict[str, Registered[Any]]]:
        return {kind: dict(shelf) for kind, shelf in self.shelves().items()}

    def restore(self, snapshot: dict[str, dict[str, Registered[Any]]]) -> None:
        """Forget what was registered since ``snapshot``: a plugin that fails half way leaves nothing behind."""
        for kind, shelf in self.shelves().items():
            shelf.clear()
            shelf.update(snapshot[kind])
