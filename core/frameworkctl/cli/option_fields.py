"""The options that the option tree declares, one by one, and raw values as their types."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from frameworkctl.errors import ConfigError
from frameworkctl.interfaces import OptionSpec

_SUFFIX = {"k": 10**3, "m": 10**6, "g": 10**9, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Field(msgspec.Struct, frozen=True):
    """One option: its name with underscores, its type, where and how ``--help`` shows it."""

    name: str
    type: Any
    default: Any
    group: str
    help: str
    is_list: bool
    is_bool: bool
    is_size: bool
    comma: bool = False  # one argument with commas rather than several
    json: bool = False  # a list may be written as JSON
    blanks: bool = False  # an environment variable without entries is an empty entry, which the option refuses

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def _is(type_: Any, wanted: Any) -> bool:
    """Return whether ``wanted`` is the type, or one of a union's, under any Annotated."""
    if get_origin(type_) is Annotated:
        return _is(get_args(type_)[0], wanted)
    args = get_args(type_)
    if type_ is wanted or get_origin(type_) is wanted:
        return True
    return get_origin(type_) is not list and any(_is(a, wanted) for a in args if isinstance(a, type) or get_args(a))


def _has_size(type_: Any) -> bool:
    meta = [m for m in getattr(type_, "__metadata__", ()) if isinstance(m, msgspec.Meta)]
    return any((m.extra or {}).get("size") for m in meta) or any(_has_size(a) for a in get_args(type_))


def fields_of(struct: type[msgspec.Struct]) -> list[Field]:
    """Return the options that a Struct declares."""
    hints = get_type_hints(struct, include_extras=True)
    out = []
    for info in msgspec.structs.fields(struct):
        hint = hints[info.name]
        extra: dict[str, Any] = {}
        for meta in getattr(hint, "__metadata__", ()):
            extra.update(getattr(meta, "extra", None) or {})
        factory: Any = info.default_factory
        default = factory() if info.default is msgspec.NODEFAULT else info.default
        kind = {"is_list": _is(hint, list), "is_bool": _is(hint, bool), "is_size": _has_size(hint)}
        kind |= {name: bool(extra.get(name)) for name in ("comma", "json", "blanks")}
        out.append(Field(info.name, hint, default, extra.get("group", "server"), extra.get("help", ""), **kind))
    return out


def plugin_field(spec: OptionSpec) -> Field:
    many, flag = _is(spec.type, list), _is(spec.type, bool)
    return Field(spec.name, spec.type, spec.default, "plugin", spec.help, is_list=many, is_bool=flag, is_size=False)


def _json_list(field: Field, word: Any) -> list[Any]:
    """Return the entries of ``word``, which is a JSON list or one entry. Raises ConfigError naming the flag."""
    if not isinstance(word, str) or not word.lstrip().startswith("["):
        return [word]
    try:
        return msgspec.json.decode(word, type=list[Any])
    except msgspec.DecodeError as e:
        raise ConfigError(f"{field.flag}: {word!r:.80} is not a JSON list: {e}") from None


def convert(field: Field, value: Any) -> Any:
    """Return a raw value as the option's type. Raises ConfigError naming the flag."""
    if field.is_size and isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgKMG])", value)
        if match:
            value = int(float(match[1]) * _SUFFIX[match[2]])
    if field.is_list and isinstance(value, str):
        value = [value]
    if field.json and isinstance(value, list):
        value = [entry for word in value for entry in _json_list(field, word)]
    if isinstance(value, str) and _is(field.type, dict):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError as e:
            raise ConfigError(f"{field.flag}: {value!r:.80} is not JSON: {e}") from None
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as e:
        raise ConfigError(f"{field.flag}: {str(e).partition(' - at ')[0]}, got {value!r}") from None
