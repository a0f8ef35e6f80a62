"""Command-line options and commands that plugins add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .markers import API_VERSION


class OptionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An option of ``serve`` (flag, config file key and environment variable, named alike).

    ``type`` is anything msgspec converts from a string (int, float, bool, str, an Enum, list[str]). The value is in
    ``ServedModel.options``, ``EngineScope.options`` and ``ProcessorContext.options`` under ``name``.
    """

    name: str
    type: Any = str
    default: Any = None
    help: str = ""
    api_version: int = API_VERSION


class CommandSpec(msgspec.Struct, frozen=True, kw_only=True):
    """``frameworkctl NAME ARGS``: ``run`` gets the arguments after the name and returns the exit status."""

    name: str
    help: str
    run: Callable[[list[str]], int]
    api_version: int = API_VERSION
