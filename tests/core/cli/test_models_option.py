"""Which models are served under which names: positional, ``--model NAME=PATH``, ``--served-model-name``."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from frameworkctl.cli.parser import load_options
from frameworkctl.errors import ConfigError

YamlFile = Callable[[str | bytes], str]


def served(*argv: str) -> list[tuple[str, list[str]]]:
    return [(m.source, m.options.served_model_name) for m in load_options(argv, (), {}).models]


def test_none_one_and_several() -> None:
    assert served() == []
    assert served("org/name") == [("org/name", [])]
    assert served("--model", "a=/x", "--model", "b=org/y") == [("/x", ["a"]), ("org/y", ["b"])]
    assert served("--model", "/x") == [("/x", [])]
    assert served("/x", "--model", "b=/y") == [("/x", []), ("/y", ["b"])]


def test_flags_before_and_after() -> None:
    assert served("--port", "1", "/x", "--dtype", "float32") == [("/x", [])]


def test_two_positional_ones_are_refused() -> None:
    with pytest.raises(ConfigError, match="'/y'"):
        served("/x", "/y")


def test_the_name_ends_at_the_first_equals_sign() -> None:
    assert served("--model", "a=/data/run=3/model") == [("/data/run=3/model", ["a"])]


def test_a_positional_path_is_a_path_whatever_is_in_it() -> None:
    assert served("/data/run=3/model") == [("/data/run=3/model", [])]


@pytest.mark.parametrize("word", ["=x", "a=", "=", ""])
def test_half_a_model_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="--model"):
        served("--model", word)


def test_served_names() -> None:
    assert served("/x", "--served-model-name", "a", "b") == [("/x", ["a", "b"])]
    with pytest.raises(ConfigError, match="--served-model-name fits one model"):
        served("--model", "a=/x", "--model", "b=/y", "--served-model-name", "c")


def test_a_name_given_in_both_ways_is_not_dropped() -> None:
    """Refused, or both; requests for the one that is silently forgotten would be 404."""
    try:
        [(_, names)] = served("--model", "a=/x", "--served-model-name", "b")
    except ConfigError as e:
        assert "--served-model-name" in str(e)  # noqa: PT017
    else:
        assert {"a", "b"} <= set(names)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["--model", "a=/x", "--model", "a=/y"], "a"),
        (["--model", "/x", "--model", "/x"], "/x"),
        (["demo", "--model", "demo=/y"], "demo"),
        (["--model", "demo=/y", "--model", "demo"], "demo"),
    ],
)
def test_two_models_of_one_name_are_refused(argv: list[str], name: str) -> None:
    """A model without a name of its own is served under its path or id; that is a name as well."""
    with pytest.raises(ConfigError, match=f"two models are named '{name}'"):
        served(*argv)


@pytest.mark.parametrize(
    "text",
    [
        "models:\n  - {model: /x, name: a}\n  - {model: /y, served-model-name: [b, a]}",
        "served-model-name: a\nmodels:\n  - /x\n  - /y",
    ],
)
def test_two_models_of_one_name_in_a_file(text: str, yaml_file: YamlFile) -> None:
    with pytest.raises(ConfigError, match="two models are named 'a'"):
        served("--config", yaml_file(text))


def test_the_environment_is_a_default_for_all() -> None:
    env = {"FRAMEWORKCTL_DTYPE": "float16", "FRAMEWORKCTL_MAX_MODEL_LEN": "4k"}
    models = load_options(["--model", "a=/x", "--model", "b=/y"], (), env).models
    assert [(m.options.dtype, m.options.max_model_len) for m in models] == [("float16", 4000)] * 2


def test_without_a_model_its_options_are_kept_and_what_runs_any_model_for_the_others_too() -> None:
    flags = [
        "--dtype",
        "float32",
        "--max-model-len",
        "64",
        "--chat-template",
        "x",
        "--threads",
        "1",
        "--block-size",
        "8",
    ]
    options = load_options([*flags, "--max-num-queued-reqs", "5"], (), {"FRAMEWORKCTL_MAX_NUM_SEQS": "3"})
    first, beside = options.first, options.beside
    assert (first.dtype, first.max_model_len, first.chat_template, first.threads) == ("float32", 64, "x", 1)
    assert (beside.dtype, beside.max_model_len, beside.chat_template) == ("auto", None, None)
    for own in (first, beside):
        assert (own.threads, own.block_size, own.max_num_queued_reqs, own.max_num_seqs) == (1, 8, 5, 3)
