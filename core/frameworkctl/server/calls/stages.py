"""The per-request stages, with the plugins around them."""

from __future__ import annotations

from typing import Any

from frameworkctl.errors import RequestError
from frameworkctl.interfaces.endpoint import Call, Formatter, OutputFilter, Work
from frameworkctl.interfaces.pooling import PoolFormatter
from frameworkctl.interfaces.served_model import ServedModel
from frameworkctl.plugins import PluginHost, tracing


class Stages:
    """Stages of a call. Unless a plugin implements a stage's hook, the endpoint is called directly, not through
    pluggy.
    """

    def __init__(self, host: PluginHost) -> None:
        self._parse = host.with_default("parse_request", _parse)
        self._render = host.with_default("render_prompt", _render)
        self.render_is_plain = self._render is _render  # no plugin stands around it
        self._format = host.with_default("format_output", _format)
        filters = host.hooks.filter_output.get_hookimpls()
        self._filters = sorted(filters, key=lambda f: 2 if f.trylast else 0 if f.tryfirst else 1)

    def parse(self, call: Call) -> Any:
        return self._parse(call=call)

    def render(self, request: Any, model: ServedModel, call: Call) -> Work:
        work: Work = self._render(request=request, model=model, call=call)
        return work

    def format(self, request: Any, work: Work, model: ServedModel, call: Call) -> Formatter | PoolFormatter:
        formatter: Formatter | PoolFormatter = self._format(request=request, work=work, model=model, call=call)
        return formatter

    def filters(self, request: Any, model: ServedModel, call: Call) -> list[OutputFilter]:
        """Return filters in the order in which plugins were loaded, except for ``tryfirst`` and ``trylast``."""
        given = {"request": request, "model": model, "call": call}
        found = []
        for implementation in self._filters:
            with tracing.span("filter_output", implementation.plugin_name):
                found.append(implementation.function(*[given[name] for name in implementation.argnames]))
        return [f for f in found if f is not None]


def _parse(call: Call) -> Any:
    return call.endpoint.parse(call)


def _render(request: Any, model: ServedModel, call: Call) -> Work:
    return call.endpoint.render(request, model)


def _format(request: Any, work: Work, model: ServedModel, call: Call) -> Formatter | PoolFormatter:
    return call.endpoint.format(request, work, model, call)


def plugin_error(host: PluginHost, error: Exception) -> RequestError:
    """Return an unexpected exception as a 500; names the plugin in whose code it was raised."""
    plugin = host.blame(error)
    where = "" if plugin is None or plugin.builtin else f" in plugin {plugin.label!r} ({plugin.origin})"
    return RequestError(
        f"The server failed{where}: {type(error).__name__}.",
        status=500,
        code="plugin_error" if where else "internal_error",
    )
