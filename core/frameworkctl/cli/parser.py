"""Fills the option tree from command line, config file and environment, in that order of precedence."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args, get_origin, get_type_hints

import msgspec

from ..config import ModelOptions, NamedModel, Options, ServerOptions
from ..errors import ConfigError
from ..interfaces import OptionSpec

ENV_PREFIX = "FRAMEWORKCTL_"
GROUPS = {
    "server": "server",
    "model": "model (for all models; per model in a config file)",
    "text": "text",
    "engine": "engine",
    "scheduling": "scheduling",
    "cache": "KV cache",
    "plugin": "options of plugins",
}
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

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def _is(type_: Any, wanted: Any) -> bool:
    """Whether ``wanted`` is the type, or one of a union's, under any Annotated."""
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
    """The options that a Struct declares."""
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
        where, comma = extra.get("group", "server"), bool(extra.get("comma"))
        out.append(Field(info.name, hint, default, where, extra.get("help", ""), comma=comma, **kind))
    return out


def plugin_field(spec: OptionSpec) -> Field:
    many, flag = _is(spec.type, list), _is(spec.type, bool)
    return Field(spec.name, spec.type, spec.default, "plugin", spec.help, is_list=many, is_bool=flag, is_size=False)


class _Parser(argparse.ArgumentParser):
    """argparse, but mistakes are ConfigErrors, and an unknown flag is answered with the nearest one."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def build(fields: Iterable[Field], prog: str = "frameworkctl serve") -> argparse.ArgumentParser:
    """A parser whose help is made from the option tree."""
    parser = _Parser(
        prog=prog, allow_abbrev=False, argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawTextHelpFormatter,
        description="Serve models behind the OpenAI API. Without a model, the bundled demo is served.",
    )  # fmt: skip
    parser.add_argument("source", nargs="?", help="path, Hub id or bundled name of the model")
    parser.add_argument(
        "--model", action="append", metavar="NAME=PATH", help="a model under a name of its own; may be repeated"
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file with any of these options, and models: a list")
    groups = {key: parser.add_argument_group(title) for key, title in GROUPS.items()}
    for field in fields:
        flags = list(dict.fromkeys([field.flag, "--" + field.name]))
        shown = f" (default: {field.default})" if field.default not in (None, [], "") else ""
        text = (field.help + shown).replace("%", "%%")
        kwargs: dict[str, Any] = {"dest": field.name, "help": text}
        if field.is_bool:
            kwargs["action"] = argparse.BooleanOptionalAction
        elif field.comma:
            kwargs |= {"action": "append", "metavar": "A,B"}
        elif field.is_list:
            kwargs |= {"nargs": "+", "action": "extend", "metavar": field.name.upper()}
        else:
            kwargs["metavar"] = field.name.upper()
        groups[field.group].add_argument(*flags, **kwargs)
    return parser


def parse_known(parser: argparse.ArgumentParser, argv: Sequence[str]) -> dict[str, Any]:
    """Parse, and name the nearest flag for one that does not exist."""
    namespace, rest = parser.parse_known_args(list(argv))
    if rest:
        word = rest[0].partition("=")[0]
        known = [s for a in parser._actions for s in a.option_strings if s.startswith("--")]
        close = difflib.get_close_matches(word.replace("_", "-"), known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(f"unknown option {word!r}{hint}")
    return vars(namespace)


def read_file(path: str) -> dict[str, Any]:
    """A YAML file of options, with dashes or underscores in its keys."""
    import yaml

    if not path.endswith((".yaml", ".yml")):
        raise ConfigError(f"--config: {path!r} is not a .yaml file")
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as e:
        raise ConfigError(f"--config: cannot read {path!r}: {e.strerror}") from e
    except yaml.YAMLError as e:
        raise ConfigError(f"--config: {path!r} is not valid YAML: {e}") from e
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"--config: {path!r} must be a mapping of options")
    return _plain_keys(data)


def _plain_keys(data: Mapping[str, Any]) -> dict[str, Any]:
    return {str(k).replace("-", "_"): v for k, v in data.items()}


def from_environment(fields: Iterable[Field], environ: Mapping[str, str]) -> dict[str, Any]:
    """``FRAMEWORKCTL_MAX_MODEL_LEN=8k``; lists are comma-separated."""
    out: dict[str, Any] = {}
    for field in fields:
        raw = environ.get(ENV_PREFIX + field.name.upper())
        if raw is not None:
            out[field.name] = [w.strip() for w in raw.split(",") if w.strip()] if field.is_list else raw
    return out


def convert(field: Field, value: Any) -> Any:
    """A raw value as the option's type. Raises ConfigError naming the flag."""
    if field.is_size and isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgKMG])", value)
        if match:
            value = int(float(match[1]) * _SUFFIX[match[2]])
    if field.is_list and isinstance(value, str):
        value = [value]
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as e:
        raise ConfigError(f"{field.flag}: {str(e).partition(' - at ')[0]}, got {value!r}") from None


def peek(argv: Sequence[str], name: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """A list option read before the whole command line can be: plugins add options, so they are chosen first."""
    flag = "--" + name
    words: list[str] = []
    for i, argument in enumerate(argv):
        head, eq, tail = argument.partition("=")
        if head == flag:
            words += [tail] if eq else list(argv[i + 1 : i + 2])
    if words:
        return words
    config = peek_one(argv, "config")
    if config is not None and name in (data := read_file(config)):
        value = data[name]
        return [value] if isinstance(value, str) else [str(v) for v in value]
    raw = environ.get(ENV_PREFIX + name.upper())
    return [raw] if raw else []


def peek_one(argv: Sequence[str], name: str) -> str | None:
    """The value of a flag that takes one."""
    flag = "--" + name
    for i, word in enumerate(argv):
        head, eq, tail = word.partition("=")
        if head == flag:
            return tail if eq else (argv[i + 1] if i + 1 < len(argv) else None)
    return None


def load_options(
    argv: Sequence[str], plugin_specs: Sequence[OptionSpec] = (), environ: Mapping[str, str] = os.environ
) -> Options:
    """All options of ``serve``.

    Raises:
        ConfigError: an unknown option (with the nearest name), a bad value, or models that contradict each other.
    """
    server, model = fields_of(ServerOptions), fields_of(ModelOptions)
    extra = [plugin_field(s) for s in plugin_specs]
    fields = {f.name: f for f in [*server, *model, *extra]}
    given = parse_known(build(fields.values()), argv)
    file = read_file(given["config"]) if "config" in given else {}
    layers = [from_environment(fields.values(), environ), file, given]
    values = {f.name: convert(f, layer[f.name]) for layer in layers for f in fields.values() if f.name in layer}
    _refuse_unknown(file, [*fields, "model", "models"])
    models = _models(
        given, file, {f.name: values[f.name] for f in model if f.name in values}, {f.name: f for f in model}
    )
    return Options(
        server=ServerOptions(**{f.name: values[f.name] for f in server if f.name in values}),
        models=models,
        plugin_options={f.name: values.get(f.name, f.default) for f in extra},
    )


def _refuse_unknown(file: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in file:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ConfigError(f"--config: unknown option {key!r}{hint}")


def _models(
    given: Mapping[str, Any], file: Mapping[str, Any], defaults: dict[str, Any], fields: Mapping[str, Field]
) -> list[NamedModel]:
    """Command line models replace those of the file; none at all means the bundled default."""
    out: list[NamedModel] = []
    words = ([given["source"]] if "source" in given else []) + given.get("model", [])
    if words:
        for word in words:
            name, eq, source = word.partition("=")
            named = {"served_model_name": [name]} if eq else {}
            out.append(NamedModel(source=source if eq else word, options=ModelOptions(**{**defaults, **named})))
    elif "models" in file or "model" in file:
        entries = file.get("models") or [{"model": file["model"]}]
        out = [_file_model(entry, defaults, fields) for entry in entries]
    if len(out) > 1 and "served_model_name" in given:
        raise ConfigError("--served-model-name fits one model; with several use --model NAME=PATH")
    taken: dict[str, str] = {}
    for model in out:
        for name in model.options.served_model_name:
            if name in taken:
                raise ConfigError(f"two models are named {name!r}: {taken[name]} and {model.source}")
            taken[name] = model.source
    return out


def _file_model(entry: Any, defaults: dict[str, Any], fields: Mapping[str, Field]) -> NamedModel:
    if isinstance(entry, str):
        entry = {"model": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("model"), str):
        raise ConfigError("--config: each of models: needs a 'model' (path, Hub id or bundled name)")
    own = _plain_keys(entry)
    source = own.pop("model")
    name = own.pop("name", None)
    _refuse_unknown(own, list(fields))
    values = {key: convert(fields[key], value) for key, value in own.items()}
    if name is not None:
        values["served_model_name"] = [str(name)]
    return NamedModel(source=source, options=ModelOptions(**{**defaults, **values}))
