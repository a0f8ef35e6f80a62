"""Loads plugins one by one, each on its own: what fails is rolled back, reported, and fatal only where it must be."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import importlib_metadata
import pluggy

from frameworkctl import hookspecs
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.markers import PROJECT, hookimpl

from . import tracing
from .discovery import CHECKPOINTS, ENDPOINTS, PLUGINS, Candidate
from .importing import import_object, source_of
from .inspection import check_hooks, hook_names
from .records import LoadedPlugin, PluginRecord
from .registry import RegistrationError, Registry, Snapshot
from .selection import Selection

log = logging.getLogger("frameworkctl.plugins")

EAGER = (ENDPOINTS, CHECKPOINTS, PLUGINS)  # groups whose members act without being asked for by name


class PluginHost:
    """The plugin manager of one process, the registry it fills, and a record of every plugin.

    ``hooks`` is pluggy's hook relay; ``registry`` what was registered.
    """

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(hookspecs)
        tracing.install(self.manager)
        self.registry = Registry()
        self.records: list[PluginRecord] = []
        self._objects: dict[str, Any] = {}  # by record id, in the order of loading

    @property
    def hooks(self) -> Any:
        return self.manager.hook

    @classmethod
    def from_selection(cls, selection: Selection) -> PluginHost:
        """Return a host that knows the selection; nothing is imported yet."""
        host = cls()
        named = set(selection.named)
        for candidate in selection.on:
            host.records.append(_record(candidate, named=candidate in named, on=True))
        for candidate in selection.off:
            host.records.append(_record(candidate, named=False, on=False))
        for path in dict.fromkeys(selection.paths):
            host.records.append(
                PluginRecord(PLUGINS, (), path, None, None, builtin=False, state="available", named=True)
            )
        return host

    @classmethod
    def from_loaded(cls, plugins: Sequence[LoadedPlugin]) -> PluginHost:
        """Return the same plugins again in another process.

        Raises:
            ConfigError: one cannot be loaded, or is not the one that the server loaded.
        """
        host = cls()
        for plugin in plugins:
            record = PluginRecord(
                plugin.group,
                plugin.names,
                plugin.value,
                plugin.distribution,
                _installed(plugin.distribution),
                builtin=plugin.builtin,
                state="available",
                named=True,
            )
            host.records.append(record)
            host._load(record)
            if (record.file, record.version, record.sha256) != (plugin.file, plugin.version, plugin.sha256):
                raise ConfigError(f"plugin {record.origin} changed since the server loaded it: restart the server")
        return host

    def load_eager(self) -> None:
        """Load everything that is on and acts without being asked for: endpoints, checkpoints, plugins."""
        self._load_all(r for r in self.records if r.group in EAGER)

    def load_everything(self) -> None:
        """Load all that is on, models and backends too: for the report."""
        self._load_all(self.records)

    def load_named(self, group: str, name: str) -> None:
        """Load what ``group`` has under ``name``; quietly nothing where it has nothing."""
        self._load_all(r for r in self.records if r.group == group and name in r.names)

    def names(self, group: str) -> list[str]:
        """Return all names of a group that are on, loaded or not."""
        on = (r for r in self.records if r.group == group and r.state in ("available", "loaded"))
        return sorted({name for record in on for name in record.names})

    def loaded(self) -> list[LoadedPlugin]:
        """Return what an engine has to import, in the order of loading."""
        by_id = {r.id: r for r in self.records}
        return [by_id[id_].loaded() for id_ in self._objects]

    def with_default(self, hook: str, default: Callable[..., Any]) -> Callable[..., Any]:
        """Return a caller of a first-result hook that ends in ``default``, a function of (some of) the hook's
        arguments.

        Where no plugin implements the hook, that is ``default`` itself; else ``default`` is the last in the chain, so
        that wrappers see what it returns.
        """
        caller: Callable[..., Any] = getattr(self.hooks, hook)
        if not getattr(self.hooks, hook).get_hookimpls():
            return default
        last = SimpleNamespace()
        setattr(last, hook, hookimpl(default, trylast=True))
        self.manager.register(last, name=f"frameworkctl:{hook}")
        return caller

    def blame(self, error: BaseException) -> PluginRecord | None:
        """Return the plugin in whose code an exception was raised, by the innermost frame that belongs to one."""
        owners = [(self._module_names(r), r) for r in self.records if r.state == "loaded"]
        blamed = None
        trace = error.__traceback__
        while trace is not None:
            module = str(trace.tb_frame.f_globals.get("__name__", ""))
            # The longest name wins: several plugins of one distribution share its top package.
            fits = [(len(n), r) for names, r in owners for n in names if module == n or module.startswith(n + ".")]
            if fits:
                blamed = max(fits, key=lambda fit: fit[0])[1]
            trace = trace.tb_next
        return blamed

    def _module_names(self, record: PluginRecord) -> set[str]:
        """Return the plugin's own module, and for a stranger's package all that is beside it."""
        obj = self._objects[record.id]
        module = obj.__name__ if isinstance(obj, ModuleType) else type(obj).__module__
        if record.builtin or record.distribution is None:
            return {module}
        return {module, module.rpartition(".")[0] or module, module.partition(".")[0]}

    def _load_all(self, records: Iterable[PluginRecord]) -> None:
        for record in list(records):
            if record.state == "unavailable" and record.named:
                raise ConfigError(f"plugin {record.label!r} is unavailable: {record.error}")
            if record.state != "available":
                continue
            try:
                self._load(record)
            except ConfigError as e:
                if record.named or record.builtin:
                    raise
                log.warning("%s", e)

    def _load(self, record: PluginRecord) -> None:
        """Import, check, register; on any failure roll back, note it in the record and raise ConfigError."""
        started = time.perf_counter()
        snapshot = self.registry.snapshot()
        try:
            obj = import_object(record.value)
            record.file, record.sha256 = source_of(obj, single_file=record.value.endswith(".py"))
            check_hooks(obj, hookspecs)
            record.hooks = hook_names(obj)
            if not any(known is obj for known in self._objects.values()):  # it may have names in several groups
                self.manager.register(obj, name=record.id)
                self._call_registrations(record, obj)
        except BaseException as e:
            self._undo(record, snapshot, e)
            if not isinstance(e, (Exception, SystemExit)):
                raise
            raise ConfigError(f"plugin {record.label!r} of {record.origin} failed to load: {record.error}") from e
        self._objects[record.id] = obj
        record.state = "loaded"
        record.load_ms = round((time.perf_counter() - started) * 1e3, 2)

    def _undo(self, record: PluginRecord, snapshot: Snapshot, error: BaseException) -> None:
        """Load a plugin; one that fails half way leaves nothing except the reason."""
        self.registry.restore(snapshot)
        if self.manager.has_plugin(record.id):
            self.manager.unregister(name=record.id)
        record.state, record.registered, record.overrides, record.hooks = "failed", [], [], []
        known = isinstance(error, (RegistrationError, ConfigError))
        record.error = str(error) if known else f"{type(error).__name__}: {error}"

    def _call_registrations(self, record: PluginRecord, obj: Any) -> None:
        for kind, shelf in self.registry.shelves().items():
            implementation = getattr(obj, f"register_{kind}", None)
            if implementation is None or f"register_{kind}" not in record.hooks:
                continue
            with tracing.span(f"register_{kind}", record.label):
                implementation(shelf.registrar(record))


def _record(candidate: Candidate, *, named: bool, on: bool) -> PluginRecord:
    record = PluginRecord(
        candidate.group,
        candidate.names,
        candidate.value,
        candidate.distribution,
        candidate.version,
        builtin=candidate.builtin,
        state="available" if on else "off",
        named=named,
    )
    if candidate.problem and on:
        record.state, record.error = "unavailable", candidate.problem
    elif candidate.missing_extra:
        record.state = "unavailable"
        record.error = f"pip install '{candidate.distribution}[{candidate.missing_extra}]'"
    return record


def _installed(distribution: str | None) -> str | None:
    """Return the version that is installed now."""
    try:
        return None if distribution is None else importlib_metadata.version(distribution)
    except importlib_metadata.PackageNotFoundError:
        return None
