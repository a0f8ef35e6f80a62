"""The per-request stages with the plugins around them; where no plugin stands there, the endpoint is called
directly.
"""

from __future__ import annotations

from typing import Any

from ..errors import RequestError
from ..interfaces.endpoint import Call, Formatter, OutputFilter, ServedModel, Work
from ..interfaces.markers import hookimpl
from ..plugins import PluginHost


class Stages:
    """``parse``, ``render`` and ``format`` are made once: through pluggy if a plugin implements the hook, else
    direct.
    """

    def __init__(self, host: PluginHost) -> None:
        hooks = host.hooks
        self._parse = hooks.parse_request if hooks.parse_request.get_hookimpls() else None
        self._render = hooks.render_prompt if hooks.render_prompt.get_hookimpls() else None
        self._format = hooks.format_output if hooks.format_output.get_hookimpls() else None
        self._filter = hooks.filter_output if hooks.filter_output.get_hookimpls() else None
        if any((self._parse, self._render, self._format)):
            host.manager.register(EndpointStages(), name="frameworkctl:core")

    def parse(self, call: Call) -> Any:
        return call.endpoint.parse(call) if self._parse is None else self._parse(call=call)

    def render(self, request: Any, model: ServedModel, call: Call) -> Work:
        if self._render is None:
            return call.endpoint.render(request, model)
        work: Work = self._render(request=request, model=model, call=call)
        return work

    def format(self, request: Any, work: Work, model: ServedModel, call: Call) -> Formatter:
        if self._format is None:
            return call.endpoint.format(request, work, model, call)
        formatter: Formatter = self._format(request=request, work=work, model=model, call=call)
        return formatter

    def filters(self, request: Any, model: ServedModel, call: Call) -> list[OutputFilter]:
        """In the order in which their plugins were loaded; pluggy calls the newest first."""
        if self._filter is None:
            return []
        found = self._filter(request=request, model=model, call=call)
        return [f for f in reversed(found) if f is not None]


class EndpointStages:
    """Core's own implementations, last in every chain: what the endpoint does by itself."""

    @hookimpl(trylast=True)
    def parse_request(self, call: Call) -> Any:
        return call.endpoint.parse(call)

    @hookimpl(trylast=True)
    def render_prompt(self, request: Any, model: ServedModel, call: Call) -> Work:
        return call.endpoint.render(request, model)

    @hookimpl(trylast=True)
    def format_output(self, request: Any, work: Work, model: ServedModel, call: Call) -> Formatter:
        return call.endpoint.format(request, work, model, call)


def plugin_error(host: PluginHost, error: Exception) -> RequestError:
    """An unexpected exception as a 500; names the plugin in whose code it was raised."""
    plugin = host.blame(error)
    where = "" if plugin is None or plugin.builtin else f" in plugin {plugin.label!r} ({plugin.origin})"
    return RequestError(
        f"The server failed{where}: {type(error).__name__}.",
        status=500,
        code="plugin_error" if where else "internal_error",
    )
