"""Fills the option tree from command line, config file and environment, in that order of precedence."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from frameworkctl.config import ModelOptions, Options, ServerOptions
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces import OptionSpec
from frameworkctl.suggestions import did_you_mean

from .model_list import named_models, refuse_unknown
from .option_fields import Field, convert, fields_of, plugin_field
from .sources import from_environment, read_file, with_dashes

ABOUT = """\
Serve models behind the OpenAI API. Without a model, the bundled demo models are served; options
of the groups `model` and `text` are then the chat model's, the others are for all of them."""
GROUPS = {
    "server": "server",
    "model": "model (for all models; per model in a config file)",
    "text": "text",
    "engine": "engine",
    "scheduling": "scheduling",
    "cache": "KV cache",
    "plugin": "options of plugins",
}


HOW_IT_RUNS = ("engine", "scheduling", "cache")  # groups of options that fit whatever model


class _Parser(argparse.ArgumentParser):
    """argparse, but mistakes are ConfigErrors, and an unknown flag is answered with the nearest one."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def build(
    fields: Iterable[Field],
    prog: str = "frameworkctl serve",
    about: str = ABOUT,
    parents: Sequence[argparse.ArgumentParser] = (),
) -> argparse.ArgumentParser:
    """Return a parser whose help is made from the option tree, and from ``parents`` with a command's own options."""
    parser = _Parser(
        prog=prog,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawTextHelpFormatter,
        description=about,
        parents=list(parents),
    )
    parser.add_argument("source", nargs="?", help="path, Hub id or bundled name of the model")
    parser.add_argument(
        "--model", action="append", metavar="NAME=PATH", help="a model under a name of its own; may be repeated"
    )
    parser.add_argument("--config", metavar="FILE", help="YAML file with any of these options, and models: a list")
    groups = {key: parser.add_argument_group(title) for key, title in GROUPS.items()}
    for field in fields:
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
        groups[field.group].add_argument(field.flag, **kwargs)
    return parser


def parse_known(parser: argparse.ArgumentParser, argv: Sequence[str]) -> dict[str, Any]:
    """Parse, and name the nearest flag for one that does not exist."""
    namespace, rest = parser.parse_known_args(with_dashes(argv))
    if rest:
        words = [word.partition("=")[0] for word in argv]  # as they were typed
        wrong = rest[0].partition("=")[0]
        word = next((typed for typed in words if with_dashes([typed])[0] == wrong), wrong)
        known = [s for a in parser._actions for s in a.option_strings if s.startswith("--")]
        raise ConfigError(f"unknown option {word!r}{did_you_mean(wrong, known)}")
    return vars(namespace)


def load_options(
    argv: Sequence[str], plugin_specs: Sequence[OptionSpec] = (), environ: Mapping[str, str] = os.environ
) -> Options:
    """Return all options of ``serve``.

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
    refuse_unknown(file, [*fields, "model", "models"])
    shared = {f.name: values[f.name] for f in model if f.name in values}
    models = named_models(given, file, shared, {f.name: f for f in model})
    return Options(
        server=ServerOptions(**{f.name: values[f.name] for f in server if f.name in values}),
        models=models,
        first=ModelOptions(**shared),
        beside=ModelOptions(**{name: value for name, value in shared.items() if fields[name].group in HOW_IT_RUNS}),
        plugin_options={f.name: values.get(f.name, f.default) for f in extra},
    )
