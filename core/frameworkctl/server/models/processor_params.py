"""Logits processors that a request switches on, and their parameters: checked here, so that an engine need not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from frameworkctl.errors import bad
from frameworkctl.interfaces.generation.logits import LogitsProcessorSpec

from .view import ModelView

_QUALNAME = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_][\w.]*)?")


class ProcessorCall(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of ``logits_processors`` with arguments; ``qualname`` may be a registered name."""

    qualname: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}


def processor_params(model: ModelView, fields: Mapping[str, Any]) -> dict[str, bytes] | None:
    """Name of each processor a request asks for -> its parameters as JSON; None for a request that asks for none.

    They are named in ``extra_args`` (name -> parameters), in ``vllm_xargs`` (flat arguments that a processor's spec
    claims, or name -> its first parameter), or listed in ``logits_processors``.

    Raises:
        RequestError: 400 for an unknown name or parameters that do not fit.
    """
    given: dict[str, tuple[str, Any]] = {}  # name -> field it was named in, raw parameters
    for name, value in (fields.get("extra_args") or {}).items():
        path = f"extra_args.{name}"
        if name not in model.processors:
            raise bad(path, f"{path:.80}: no logits processor has this name (enabled: {_known(model)}).")
        given[name] = (path, value)
    for name, path, value in _from_flat(model, fields.get("vllm_xargs") or {}):
        _put(given, name, path, value)
    out: dict[str, bytes] = {}
    for index, entry in enumerate(fields.get("logits_processors") or ()):
        path = f"logits_processors[{index}]"
        call = _call(entry, path)
        if call.qualname in model.processors:
            _put(given, call.qualname, path, _arguments(call, model.processors[call.qualname].spec, path))
        elif call.qualname in out:
            raise bad(path, f"{path}: {call.qualname!r:.80} is named twice.")
        else:
            _check_allowed(model, call.qualname, path)
            out[call.qualname] = msgspec.json.encode({"args": call.args, "kwargs": call.kwargs})
    for name, (path, value) in given.items():
        out[name] = _checked(model, model.processors[name].spec, path, value)
    return out or None


def _put(given: dict[str, tuple[str, Any]], name: str, path: str, value: Any) -> None:
    if name in given:
        raise bad(path, f"{path:.80}: {name!r} has its parameters already in {given[name][0]:.80}.")
    given[name] = (path, value)


def _from_flat(model: ModelView, arguments: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Arguments that a processor claims; others are for the plugins that read the request."""
    found: dict[str, dict[str, Any]] = {}
    out = []
    for name, registered in model.processors.items():
        claimed = {key: arguments[key] for key in registered.spec.arguments if key in arguments}
        if claimed:
            found[name] = claimed
    for name, claimed in found.items():
        out.append((name, "vllm_xargs", claimed))
    for key, value in arguments.items():
        if key in model.processors:
            first = msgspec.structs.fields(model.processors[key].spec.params)[0].encode_name
            out.append((key, f"vllm_xargs.{key}", {first: value}))
    return out


def _call(entry: Any, path: str) -> ProcessorCall:
    if isinstance(entry, str):
        return ProcessorCall(entry)
    try:
        return msgspec.convert(entry, ProcessorCall)
    except msgspec.ValidationError as e:
        raise bad(path, f"{path} must be a name or an object with qualname, args and kwargs: {e}.") from None


def _arguments(call: ProcessorCall, spec: LogitsProcessorSpec, path: str) -> dict[str, Any]:
    """Positional ones are the Struct's fields in their order."""
    names = [f.encode_name for f in msgspec.structs.fields(spec.params)]
    if len(call.args) > len(names):
        raise bad(path, f"{path}: {spec.name!r} takes at most {len(names)} arguments, got {len(call.args)}.")
    return {**dict(zip(names, call.args, strict=False)), **call.kwargs}


def _check_allowed(model: ModelView, qualname: str, path: str) -> None:
    """Raise unless the operator's pattern lets an engine import this name."""
    pattern = model.settings.logits_processor_pattern
    if pattern is not None and _QUALNAME.fullmatch(qualname) and re.fullmatch(pattern, qualname):
        return
    why = "the server allows no others" if pattern is None else "--logits-processor-pattern does not allow it"
    raise bad(path, f"{path}: {qualname!r:.80} is no enabled logits processor ({_known(model)}), and {why}.")


def _checked(model: ModelView, spec: LogitsProcessorSpec, path: str, value: Any) -> bytes:
    try:
        params = msgspec.convert(value, spec.params, strict=False)
    except msgspec.ValidationError as e:
        what, _, where = str(e).partition(" - at `$")
        raise bad(path + where.rstrip("`"), f"{what} at `{path}{where.rstrip('`')}`.") from None
    return msgspec.json.encode(spec.prepare(params, model) if spec.prepare is not None else params)


def _known(model: ModelView) -> str:
    return ", ".join(sorted(model.processors)) or "none"
