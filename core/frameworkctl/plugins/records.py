"""Origin and state of a plugin."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["loaded", "available", "off", "failed", "unavailable"]


class LoadedPlugin(msgspec.Struct, frozen=True):
    """Identity of a plugin that the server loaded; an engine imports exactly this or refuses to start."""

    group: str
    names: tuple[str, ...]
    value: str  # "package.module", "package.module:object" or "./file.py"
    distribution: str | None
    version: str | None
    file: str | None
    sha256: str | None = None  # of a plugin that is a single file
    builtin: bool = False


class PluginRecord(msgspec.Struct):
    """One row of ``frameworkctl plugins``. ``state`` available: on, but nothing has asked for it yet."""

    group: str
    names: tuple[str, ...]
    value: str
    distribution: str | None
    version: str | None
    builtin: bool
    state: State
    named: bool = False  # the user asked for it, so that a failure is fatal
    file: str | None = None
    sha256: str | None = None
    error: str | None = None
    hooks: list[str] = []
    registered: list[str] = []
    overrides: list[str] = []
    load_ms: float | None = None

    @property
    def id(self) -> str:
        """Return the name pluggy knows it by."""
        return f"{self.group}:{self.distribution or ''}:{self.value}"

    @property
    def origin(self) -> str:
        """Return ``distribution version (module)``, for messages."""
        where = f"{self.distribution} {self.version}" if self.distribution else "file or module"
        return f"{where} ({self.value})"

    @property
    def label(self) -> str:
        return self.names[0] if self.names else self.value

    def loaded(self) -> LoadedPlugin:
        return LoadedPlugin(
            self.group, self.names, self.value, self.distribution, self.version, self.file, self.sha256, self.builtin
        )
