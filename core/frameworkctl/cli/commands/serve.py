"""``frameworkctl serve``: starts the process that loads torch at once, then everything else beside it."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import get_args

from frameworkctl import logs
from frameworkctl.cli.option_fields import fields_of, plugin_field
from frameworkctl.cli.parser import build, load_options
from frameworkctl.cli.sources import peek
from frameworkctl.config import LogLevel, Options
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces import OptionSpec
from frameworkctl.plugins import PluginHost, discover, select
from frameworkctl.plugins.discovery import stale_builtins
from frameworkctl.plugins.selection import split
from frameworkctl.server.engines.supervisor import NurseryProcess


def run(argv: list[str]) -> int:
    """Serve until a signal; returns the exit status."""
    started = time.monotonic()
    if "-h" in argv or "--help" in argv:
        _print_help(argv)
        return 0
    nursery = NurseryProcess(log_level(argv))
    try:
        host = load_plugins(argv)
        options = load_options(argv, option_specs(host))
        logs.configure(options.server.log_level)
        for line in (stale_builtins(), _installed_but_off(host)):
            if line:
                logging.getLogger("frameworkctl").warning("%s", line)
        return _serve(options, host, nursery, started)
    finally:
        nursery.close()


def log_level(argv: list[str]) -> str:
    """Return the log level for the nursery, which starts before options are checked: mistakes are reported later."""
    try:
        level = peek(argv, "log_level")
    except ConfigError:
        return "info"
    return level[-1] if level and level[-1] in get_args(LogLevel) else "info"


def _serve(options: Options, host: PluginHost, nursery: NurseryProcess, started: float) -> int:
    from frameworkctl.server.run import serve

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(serve(options, host, nursery, started))


def loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return factory


def load_plugins(argv: list[str]) -> PluginHost:
    """Plugins that are on and act without being asked for by name."""
    host = PluginHost.from_selection(select(discover(), split(peek(argv, "plugins"))))
    host.load_eager()
    return host


def option_specs(host: PluginHost) -> list[OptionSpec]:
    return [r.spec for r in host.registry.options.values()]


def _installed_but_off(host: PluginHost) -> str | None:
    off = sorted({f"{r.label} ({r.distribution})" for r in host.records if r.state == "off"})
    return f"installed but off: {', '.join(off)}; switch on with --plugins" if off else None


def _print_help(argv: list[str]) -> None:
    from frameworkctl.config import ModelOptions, ServerOptions

    try:
        extra = [plugin_field(s) for s in option_specs(load_plugins(argv))]
    except ConfigError as e:
        print(f"frameworkctl: {e}", file=sys.stderr)
        extra = []
    print(build([*fields_of(ServerOptions), *fields_of(ModelOptions), *extra]).format_help())
