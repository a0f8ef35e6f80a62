"""Standing around the stages of every request: refuse, rewrite, replace, guard."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from frameworkctl.interfaces import Call, Formatter, Output, OutputFilter, RequestError, ServedModel, Work, hookimpl


@hookimpl(wrapper=True)
def parse_request(call: Call) -> Generator[None, Any, Any]:
    """A wrapper sees the call before, and the request after everybody else."""
    if "forbidden" in call.headers.get("user-agent", ""):
        raise RequestError("This client is not welcome.", status=403, code="forbidden_client")
    request = yield
    if getattr(request, "max_tokens", None) and request.max_tokens > 1000:
        request.max_tokens = 1000
    return request


@hookimpl
def render_prompt(request: Any, model: ServedModel, call: Call) -> Work | None:
    """A plain implementation answers for what is its own; None means that the endpoint renders."""
    return None


@hookimpl
def format_output(request: Any, work: Work, model: ServedModel, call: Call) -> Formatter | None:
    return None


class Mask(OutputFilter):
    """Sees every output of every family before it is formatted. ``SECRET`` may be cut anywhere, so what could still
    become it is held back."""

    SECRET = "swordfish"

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], str] = {}

    def process(self, output: Output) -> Output:
        key = (output.item, output.index)
        text = (self.held.pop(key, "") + output.text).replace(self.SECRET, "***")
        if output.finish_reason is None:
            keep = next(n for n in range(len(self.SECRET) - 1, -1, -1) if text.endswith(self.SECRET[:n]))
            text, self.held[key] = (text[:-keep], text[-keep:]) if keep else (text, "")
        output.text = text
        return output


@hookimpl
def filter_output(request: Any, model: ServedModel, call: Call) -> OutputFilter | None:
    return Mask()
