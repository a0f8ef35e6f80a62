"""Options that plugins register: a flag, a key of the config file and an environment variable each."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Literal

import pytest
from frameworkctl.cli.option_fields import plugin_field
from frameworkctl.cli.parser import build, load_options
from frameworkctl.cli.sources import ENV_PREFIX
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces import OptionSpec
from support.plugged.fake_dists import FakeDists, source
from support.serving.programs import frameworkctl

YamlFile = Callable[[str | bytes], str]


class Level(Enum):
    LOW = "low"
    HIGH = "high"


def values(spec: OptionSpec, *argv: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    return load_options(argv, [spec], env or {}).plugin_options


@pytest.mark.parametrize(
    ("type_", "raw", "value"),
    [
        (str, "word", "word"),
        (int, "5", 5),
        (float, "0.5", 0.5),
        (Level, "high", Level.HIGH),
        (Literal["a", "b"], "b", "b"),
        (int | None, "5", 5),
    ],
)
def test_a_flag_a_key_and_a_variable(type_: Any, raw: str, value: Any, yaml_file: YamlFile) -> None:
    spec = OptionSpec(name="guard_level", type=type_, default="unset", help="how strict")
    assert values(spec) == {"guard_level": "unset"}
    assert values(spec, "--guard-level", raw) == {"guard_level": value}
    assert values(spec, "--guard_level", raw) == {"guard_level": value}
    assert values(spec, env={ENV_PREFIX + "GUARD_LEVEL": raw}) == {"guard_level": value}
    config = yaml_file(f"guard-level: {raw}")
    assert values(spec, "--config", config) == {"guard_level": value}


def test_precedence(yaml_file: YamlFile) -> None:
    spec = OptionSpec(name="tone", type=int, default=0)
    env = {ENV_PREFIX + "TONE": "1"}
    config = ["--config", yaml_file("tone: 2")]
    assert values(spec, env=env) == {"tone": 1}
    assert values(spec, *config, env=env) == {"tone": 2}
    assert values(spec, *config, "--tone", "3", env=env) == {"tone": 3}


def test_booleans_and_lists(yaml_file: YamlFile) -> None:
    fast = OptionSpec(name="be_fast", type=bool, default=True)
    assert values(fast, "--no-be-fast") == {"be_fast": False}
    assert values(fast, env={ENV_PREFIX + "BE_FAST": "0"}) == {"be_fast": False}
    words = OptionSpec(name="words", type=list[str], default=[])
    assert values(words, "--words", "a", "b") == {"words": ["a", "b"]}
    assert values(words, env={ENV_PREFIX + "WORDS": "a,b"}) == {"words": ["a", "b"]}
    assert values(words, "--config", yaml_file("words: [a, b]")) == {"words": ["a", "b"]}


def test_a_bad_value_names_the_flag() -> None:
    with pytest.raises(ConfigError, match=r"^--guard-level: .*'loud'"):
        values(OptionSpec(name="guard_level", type=int), "--guard-level", "loud")


def test_help_shows_them_in_a_group_of_their_own() -> None:
    text = build([plugin_field(OptionSpec(name="tone", type=int, default=4, help="100 % pitch"))]).format_help()
    assert "options of plugins:" in text
    assert "--tone TONE" in text
    assert "100 % pitch (default: 4)" in text


def registering(name: str) -> str:
    return source(f"@hookimpl\ndef register_options(register):\n    register(OptionSpec(name={name!r}, type=int))\n")


@pytest.mark.parametrize("name", ["port", "max_model_len", "model", "models", "config", "help", "source", "plugins"])
def test_a_name_of_ours_is_refused(name: str, dists: FakeDists) -> None:
    """Else the plugin's option silently takes the place of the server's, or argparse dies of it."""
    dists.add("acme", {"plugins": {"acme": "acme.p"}}, {"acme.p": registering(name)})
    from frameworkctl.cli.commands.serve import load_plugins, option_specs

    with pytest.raises(ConfigError, match=name):
        load_options([], option_specs(load_plugins(["--plugins", "acme"])), {})


def test_a_name_with_dashes_works_alike_everywhere_or_is_refused(dists: FakeDists, yaml_file: YamlFile) -> None:
    dists.add("acme", {"plugins": {"acme": "acme.p"}}, {"acme.p": registering("my-option")})
    from frameworkctl.cli.commands.serve import load_plugins, option_specs

    try:
        specs = option_specs(load_plugins(["--plugins", "acme"]))
    except ConfigError as e:
        assert "my-option" in str(e)  # noqa: PT017
        return
    [by_flag] = load_options(["--my-option", "3"], specs, {}).plugin_options.values()
    [by_file] = load_options(["--config", yaml_file("my-option: 3")], specs, {}).plugin_options.values()
    [by_env] = load_options([], specs, {ENV_PREFIX + "MY_OPTION": "3"}).plugin_options.values()
    assert (by_flag, by_file, by_env) == (3, 3, 3)


def test_the_option_of_a_plugin_that_is_off_is_unknown(dists: FakeDists) -> None:
    """From the program: registered before the command line is parsed, and only if the plugin is on."""
    dists.add("acme", {"plugins": {"acme": "acme.p"}}, {"acme.p": registering("acme_tone")})
    on = frameworkctl("serve", "--help", "--plugins", "acme", paths=[dists.root])
    assert on.status == 0
    assert "--acme-tone ACME_TONE" in on.out
    off = frameworkctl("serve", "--help", paths=[dists.root])
    assert "--acme-tone" not in off.out
