"""The built-in commands, registered as a stranger's would be."""

from __future__ import annotations

import os

from frameworkctl.errors import ConfigError
from frameworkctl.interfaces import CommandSpec, Register, hookimpl
from frameworkctl.plugins import PluginHost, Registered, discover, select
from frameworkctl.plugins.selection import split


@hookimpl
def register_commands(register: Register[CommandSpec]) -> None:
    register(CommandSpec(name="serve", help="serve models behind the OpenAI API", run=_serve))
    register(CommandSpec(name="chat", help="talk with a running server", run=_chat))
    register(CommandSpec(name="complete", help="have a running server continue a text", run=_complete))
    register(CommandSpec(name="run-batch", help="answer the requests of an OpenAI batch file", run=_run_batch))
    register(CommandSpec(name="bench", help="measure a server, an engine or a start", run=_bench))
    register(CommandSpec(name="doctor", help="look at what the server needs, and say what is wrong", run=_doctor))
    register(CommandSpec(name="models", help="show what runs natively, or check a model", run=_models))
    register(CommandSpec(name="plugins", help="show what is installed, what is on, and what it did", run=_plugins))


def _serve(argv: list[str]) -> int:
    from .serve import run

    return run(argv)


def _chat(argv: list[str]) -> int:
    from frameworkctl.cli.commands.talk.chat import run

    return run(argv)


def _complete(argv: list[str]) -> int:
    from frameworkctl.cli.commands.talk.complete import run

    return run(argv)


def _run_batch(argv: list[str]) -> int:
    from .run_batch import run

    return run(argv)


def _bench(argv: list[str]) -> int:
    from frameworkctl.cli.commands.bench.command import run

    return run(argv)


def _doctor(argv: list[str]) -> int:
    from frameworkctl.cli.commands.doctor.command import run

    return run(argv)


def _models(argv: list[str]) -> int:
    from .models import run

    return run(argv)


def _plugins(argv: list[str]) -> int:
    from .plugins import run

    return run(argv)


def load_commands() -> tuple[dict[str, Registered[CommandSpec]], ConfigError | None]:
    """Commands of every plugin that is on by default or by ``FRAMEWORKCTL_PLUGINS``, and what went wrong on the way.

    A plugin that cannot be loaded must not take away the command that shows why.
    """
    problem = None
    try:
        selection = select(discover(), split(os.environ.get("FRAMEWORKCTL_PLUGINS")))
    except ConfigError as e:
        problem = e
        selection = select(discover(), [])
    host = PluginHost.from_selection(selection)
    try:
        host.load_eager()
    except ConfigError as e:
        problem = e
    return dict(host.registry.commands), problem
