"""``--config``: a YAML file of options, with several models that have options of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from frameworkctl.cli.parser import load_options
from frameworkctl.cli.sources import peek
from frameworkctl.config import Options
from frameworkctl.errors import ConfigError

YamlFile = Callable[[str | bytes], str]


def load(path: str, *argv: str) -> Options:
    return load_options(["--config", path, *argv], (), {})


def test_dashes_or_underscores(yaml_file: YamlFile) -> None:
    options = load(yaml_file("max-body-bytes: 1k\nunknown_fields: reject\nmodel: a/b\nmax-model-len: 8K\n"))
    assert options.server.max_body_bytes == 1000
    assert options.server.unknown_fields == "reject"
    assert [(m.source, m.options.max_model_len) for m in options.models] == [("a/b", 8192)]


def test_several_models_with_options_of_their_own(yaml_file: YamlFile) -> None:
    text = """
    max-num-seqs: 7
    dtype: bfloat16
    models:
      - model: org/one
        name: one
        dtype: float32
      - model: ./two
        served-model-name: [two, zwei]
        max_model_len: 2k
      - org/three
    """
    one, two, three = load(yaml_file(text)).models
    assert [m.source for m in (one, two, three)] == ["org/one", "./two", "org/three"]
    assert [m.options.max_num_seqs for m in (one, two, three)] == [7, 7, 7]
    assert [m.options.dtype for m in (one, two, three)] == ["float32", "bfloat16", "bfloat16"]
    assert [m.options.served_model_name for m in (one, two, three)] == [["one"], ["two", "zwei"], []]
    assert [m.options.max_model_len for m in (one, two, three)] == [None, 2000, None]


def test_flags_are_defaults_for_all_and_yield_to_a_models_own(yaml_file: YamlFile) -> None:
    path = yaml_file("models:\n  - {model: a, max-num-seqs: 3}\n  - b\n")
    assert [m.options.max_num_seqs for m in load(path, "--max-num-seqs", "9").models] == [3, 9]


def test_models_of_the_command_line_replace_those_of_the_file(yaml_file: YamlFile) -> None:
    path = yaml_file("dtype: float16\nmodels:\n  - a\n  - b\n")
    assert [(m.source, m.options.dtype) for m in load(path, "c").models] == [("c", "float16")]
    assert [m.source for m in load(path, "--model", "x=d").models] == ["d"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("prot: 1", "'port'"),
        ("max-modl-len: 1", "'max_model_len'"),
        ("modles: []", "'models'"),
        ("models:\n  - {model: a, dtpye: float32}", "'dtype'"),
        ("config: other.yaml", None),
    ],
)
def test_unknown_keys_are_answered_with_the_nearest(text: str, hint: str | None, yaml_file: YamlFile) -> None:
    with pytest.raises(ConfigError) as caught:
        load(yaml_file(text))
    assert "--config: unknown option" in str(caught.value)
    assert hint is None or f"did you mean {hint}" in str(caught.value)


def test_options_of_the_server_are_not_a_models(yaml_file: YamlFile) -> None:
    with pytest.raises(ConfigError, match="unknown option 'port'"):
        load(yaml_file("models:\n  - {model: a, port: 1}"))


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("port: x", "--port"),
        ("dtype: [a]", "--dtype"),
        ("seed: 1.5", "--seed"),
        ("port: true", "--port"),
        ("models:\n  - {model: a, max-num-seqs: 0}", "--max-num-seqs"),
    ],
)
def test_bad_values_name_the_flag(text: str, flag: str, yaml_file: YamlFile) -> None:
    with pytest.raises(ConfigError, match=f"^{flag}: "):
        load(yaml_file(text))


def test_null_is_unset_where_there_is_an_unset(yaml_file: YamlFile) -> None:
    assert load(yaml_file("model: a\nseed: null\nmax-model-len:\n")).models[0].options.seed is None


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file(text: str, yaml_file: YamlFile) -> None:
    assert load(yaml_file(text)).models == []


@pytest.mark.parametrize(
    "text",
    ["- a\n- b\n", "just words", "a: [1", "a: !!python/object:os.system {}", b"\xff\xfe\x00", "a: b: c", "a: 1\nb"],
)
def test_what_is_not_a_mapping_of_options(text: str | bytes, yaml_file: YamlFile) -> None:
    with pytest.raises(ConfigError, match=r"^--config: .*config\.yaml"):
        load(yaml_file(text))


@pytest.mark.parametrize(
    "text",
    [
        "models: some/model",
        "models: {a: some/model}",
        "models: 3",
        "models:\n  - {name: a}",
        "models:\n  - 3",
        "models:\n  - {model: [a, b]}",
        "model: [a, b]",
    ],
)
def test_models_that_are_no_list_of_models(text: str, yaml_file: YamlFile) -> None:
    with pytest.raises(ConfigError, match=r"--config: .*model"):
        load(yaml_file(text))


@pytest.mark.parametrize("text", ["models:\n", "models: []"])
def test_an_empty_list_of_models_is_refused_or_none(text: str, yaml_file: YamlFile) -> None:
    try:
        assert load(yaml_file(text)).models == []
    except ConfigError as e:
        assert "model" in str(e)  # noqa: PT017


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: No such file"):
        load(str(tmp_path / "missing.yaml"))
    with pytest.raises(ConfigError, match=r"is not a \.yaml file"):
        load(str(tmp_path / "config.json"))
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"cannot read .*: Is a directory"):
        load(str(tmp_path / "folder.yaml"))


class TestPeek:
    """The list of plugins is read before the rest, since plugins add options."""

    def test_precedence(self, yaml_file: YamlFile) -> None:
        env = {"FRAMEWORKCTL_PLUGINS": "e"}
        config = ["--config", yaml_file("plugins: [f, g]")]
        assert peek([], "plugins", {}) == []
        assert peek([], "plugins", env) == ["e"]
        assert peek(config, "plugins", env) == ["f", "g"]
        assert peek([*config, "--plugins", "c", "--plugins=d"], "plugins", env) == ["c", "d"]
        assert peek(["--config=" + config[1]], "plugins", env) == ["f", "g"]

    def test_one_string_in_a_file(self, yaml_file: YamlFile) -> None:
        assert peek(["--config", yaml_file("plugins: a,b")], "plugins", {}) == ["a,b"]

    @pytest.mark.parametrize("text", ["plugins:\n", "plugins: 3", "plugins: {a: b}"])
    def test_what_is_no_list_is_refused_in_words(self, text: str, yaml_file: YamlFile) -> None:
        path = yaml_file(text)
        with pytest.raises(ConfigError, match="plugins"):
            load_options(["--config", path], (), {})
        try:
            peek(["--config", path], "plugins", {})
        except ConfigError as e:
            assert "plugins" in str(e)  # noqa: PT017
