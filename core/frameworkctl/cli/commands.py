"""The built-in commands, registered as a stranger's would be."""

from __future__ import annotations

import os

from ..interfaces import CommandSpec, Register, hookimpl
from ..plugins import PluginHost, Registered, discover, select
from ..plugins.selection import split


@hookimpl
def register_commands(register: Register[CommandSpec]) -> None:
    register(CommandSpec(name="serve", help="serve models behind the OpenAI API", run=_serve))
    register(CommandSpec(name="plugins", help="show what is installed, what is on, and what it did", run=_plugins))


def _serve(argv: list[str]) -> int:
    from .serve import run

    return run(argv)


def _plugins(argv: list[str]) -> int:
    from .plugins import run

    return run(argv)


def load_commands() -> dict[str, Registered[CommandSpec]]:
    """Commands of every plugin that is on by default or by ``FRAMEWORKCTL_PLUGINS``."""
    host = PluginHost.from_selection(select(discover(), split(os.environ.get("FRAMEWORKCTL_PLUGINS"))))
    host.load_eager()
    return dict(host.registry.commands)
