"""The option tree from command line, config file and environment: precedence, types, and words for mistakes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.cli.option_fields import fields_of
from frameworkctl.cli.parser import build, load_options
from frameworkctl.config import EngineOptions, ModelOptions, Options, ServerOptions
from frameworkctl.errors import ConfigError
from hypothesis import given, settings
from hypothesis import strategies as st

YamlFile = Callable[[str | bytes], str]


def load(*argv: str, env: dict[str, str] | None = None) -> Options:
    return load_options(argv, (), env or {})


def model(*argv: str, env: dict[str, str] | None = None) -> ModelOptions:
    """Options of the one model."""
    return load("some/model", *argv, env=env).models[0].options


def test_nothing_given_is_the_defaults() -> None:
    options = load()
    assert options.server == ServerOptions()
    assert options.models == []
    assert model() == ModelOptions()


class TestPrecedence:
    """Command line, then file, then environment, then the default."""

    @pytest.mark.parametrize(("line", "file", "env"), list(itertools.product([True, False], repeat=3)))
    def test_of_a_number(self, line: bool, file: bool, env: bool, yaml_file: YamlFile) -> None:
        argv = ["--config", yaml_file("port: 2" if file else "host: h")] + ["--port", "1"] * line
        options = load(*argv, env={"FRAMEWORKCTL_PORT": "3"} if env else {})
        assert options.server.port == (1 if line else 2 if file else 3 if env else 8000)

    def test_of_a_list_nothing_is_merged(self, yaml_file: YamlFile) -> None:
        env = {"FRAMEWORKCTL_API_KEY": "e1,e2"}
        config = yaml_file("api-key: [f1, f2]")
        assert load(env=env).server.api_key == ["e1", "e2"]
        assert load("--config", config, env=env).server.api_key == ["f1", "f2"]
        assert load("--config", config, "--api-key", "c1", env=env).server.api_key == ["c1"]

    def test_of_a_boolean_either_way(self, yaml_file: YamlFile) -> None:
        env = {"FRAMEWORKCTL_ENABLE_PREFIX_CACHING": "false"}
        config = ["--config", yaml_file("enable_prefix_caching: true")]
        assert model(env=env).enable_prefix_caching is False
        assert model(*config, env=env).enable_prefix_caching is True
        assert model(*config, "--no-enable-prefix-caching", env=env).enable_prefix_caching is False

    def test_the_last_of_a_repeated_flag(self) -> None:
        assert load("--port", "1", "--port=2").server.port == 2

    def test_an_unrelated_environment_is_left_alone(self) -> None:
        env = {"FRAMEWORKCTL_TRACE_HOOKS": "1", "FRAMEWORKCTL_UNKNOWN": "x", "PORT": "9"}
        assert load(env=env).server == ServerOptions()


class TestBooleans:
    def test_flags(self) -> None:
        assert load("--enable-request-id-headers").server.enable_request_id_headers is True
        assert load("--no-enable-request-id-headers").server.enable_request_id_headers is False
        assert model("--no-async-scheduling").async_scheduling is False
        assert model("--async-scheduling").async_scheduling is True
        assert model().async_scheduling is None

    @pytest.mark.parametrize(("raw", "value"), [("1", True), ("true", True), ("0", False), ("False", False)])
    def test_from_the_environment(self, raw: str, value: bool) -> None:
        assert load(env={"FRAMEWORKCTL_ENABLE_REQUEST_ID_HEADERS": raw}).server.enable_request_id_headers is value


class TestSizes:
    SIZES = [
        ("8192", 8192),
        ("8k", 8000),
        ("8K", 8192),
        ("1m", 10**6),
        ("2M", 2 << 20),
        ("4g", 4 * 10**9),
        ("4G", 4 << 30),
        ("1.5k", 1500),
        ("0.5K", 512),
    ]

    @pytest.mark.parametrize(("raw", "value"), SIZES)
    def test_everywhere(self, raw: str, value: int, yaml_file: YamlFile) -> None:
        assert load("--max-body-bytes", raw).server.max_body_bytes == value
        assert load(env={"FRAMEWORKCTL_MAX_BODY_BYTES": raw}).server.max_body_bytes == value
        assert load("--config", yaml_file(f"max-body-bytes: {raw}")).server.max_body_bytes == value
        assert model("--max-model-len", raw).max_model_len == value
        assert model("--kv-cache-memory-bytes", raw).kv_cache_memory_bytes == value

    @pytest.mark.parametrize("raw", ["k", "8kk", "8 k", "-1k", "8t", "4GB", "x", ""])
    def test_what_is_none(self, raw: str) -> None:
        with pytest.raises(ConfigError, match="--max-model-len"):
            load(f"--max-model-len={raw}")

    def test_only_sizes_have_suffixes(self) -> None:
        with pytest.raises(ConfigError, match="--port"):
            load("--port", "8k")

    @settings(max_examples=30)
    @given(st.integers(0, 10**6), st.sampled_from("kmgKMG"))
    def test_suffixes_multiply(self, number: int, suffix: str) -> None:
        exponent = "kmg".index(suffix.lower()) + 1
        factor = (1000 if suffix.islower() else 1024) ** exponent
        assert load("--max-body-bytes", f"{number}{suffix}").server.max_body_bytes == number * factor


class TestLists:
    def test_several_values_and_several_flags(self) -> None:
        assert load("--api-key", "a", "b", "--api-key", "c").server.api_key == ["a", "b", "c"]
        assert model("--served-model-name", "x", "y").served_model_name == ["x", "y"]

    def test_one_string_in_a_file(self, yaml_file: YamlFile) -> None:
        assert load("--config", yaml_file("api_key: only")).server.api_key == ["only"]

    def test_the_environment_has_commas(self) -> None:
        assert load(env={"FRAMEWORKCTL_API_KEY": " a, b ,"}).server.api_key == ["a", "b"]

    def test_plugins_are_one_word_with_commas(self) -> None:
        """So that a model may follow."""
        options = load("--plugins", "a,b", "some/model", "--plugins", "no:c")
        assert options.server.plugins == ["a,b", "no:c"]
        assert options.models[0].source == "some/model"


class TestSpelling:
    @pytest.mark.parametrize("flag", ["--max-model-len", "--max_model_len"])
    def test_underscores_are_dashes(self, flag: str) -> None:
        assert model(flag, "5").max_model_len == 5
        assert model(f"{flag}=6").max_model_len == 6

    @pytest.mark.parametrize(
        "flag", ["--no-enable-prefix-caching", "--no-enable_prefix_caching", "--no_enable_prefix_caching"]
    )
    def test_underscores_in_negations(self, flag: str) -> None:
        assert model(flag).enable_prefix_caching is False

    @pytest.mark.parametrize(
        ("flag", "hint"),
        [
            ("--prot", "--port"),
            ("--max-model-length", "--max-model-len"),
            ("--max_modl_len", "--max-model-len"),
            ("--no-enable-prefix-cache", "--no-enable-prefix-caching"),
            ("--served-model-names", "--served-model-name"),
            ("--plugin", "--plugins"),
        ],
    )
    def test_an_unknown_flag_is_answered_with_the_nearest(self, flag: str, hint: str) -> None:
        for argv in ([flag], [flag, "7"], [f"{flag}=7"]):
            with pytest.raises(ConfigError) as caught:
                load(*argv)
            assert f"unknown option {flag!r}; did you mean {hint!r}?" in str(caught.value)

    def test_an_unknown_flag_near_nothing(self) -> None:
        with pytest.raises(ConfigError, match=r"^unknown option '--zzzzzzzz'$"):
            load("--zzzzzzzz")

    def test_flags_are_not_abbreviated(self) -> None:
        with pytest.raises(ConfigError, match="unknown option '--max-model'"):
            load("--max-model", "5")

    def test_a_flag_without_its_value(self) -> None:
        with pytest.raises(ConfigError, match="--port"):
            load("--port")


@pytest.mark.parametrize(
    ("argv", "flag"),
    [
        (["--port", "x"], "--port"),
        (["--port", "8.5"], "--port"),
        (["--max-num-seqs", "0"], "--max-num-seqs"),
        (["--block-size", "-1"], "--block-size"),
        (["--dtype", "int8"], "--dtype"),
        (["--log-level", "loud"], "--log-level"),
        (["--unknown-fields", "?"], "--unknown-fields"),
        (["--watermark", "some"], "--watermark"),
        (["--shutdown-timeout", "soon"], "--shutdown-timeout"),
        (["--seed", "one"], "--seed"),
    ],
)
def test_a_bad_value_names_its_flag_and_the_value(argv: list[str], flag: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(*argv)
    assert str(caught.value).startswith(f"{flag}: ")
    assert repr(argv[1]) in str(caught.value)
    with pytest.raises(ConfigError, match=flag):
        load(env={"FRAMEWORKCTL_" + flag[2:].replace("-", "_").upper(): argv[1]})


def test_negative_numbers_are_values() -> None:
    assert model("--seed", "-5").seed == -5
    assert model("--max-logprobs", "-1").max_logprobs == -1


class TestHelp:
    """Made from the option tree, grouped; every option says what it is for."""

    FIELDS = [*fields_of(ServerOptions), *fields_of(ModelOptions)]

    def test_every_option_has_a_text_and_a_group(self) -> None:
        text = build(self.FIELDS).format_help()
        for field in self.FIELDS:
            assert field.help, field.name
            assert f"{field.flag} " in text or f"{field.flag}," in text, field.name
        for title in ("server:", "model (", "text:", "engine:", "scheduling:", "KV cache:"):
            assert f"\n{title}" in text

    def test_no_name_is_in_two_structs(self) -> None:
        names = [f.name for f in self.FIELDS]
        assert len(set(names)) == len(names)
        assert set(EngineOptions.__struct_fields__) <= set(ModelOptions.__struct_fields__)

    def test_defaults_are_shown(self) -> None:
        assert "port to listen on; 0: any free one (default: 8000)" in build(self.FIELDS).format_help()


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(["port", "max_num_seqs", "block_size", "max_logprobs"]), st.integers(1, 9999)))
def test_flags_and_environment_say_the_same(values: dict[str, int]) -> None:
    argv: list[Any] = [w for k, v in values.items() for w in ("--" + k.replace("_", "-"), str(v))]
    env = {"FRAMEWORKCTL_" + k.upper(): str(v) for k, v in values.items()}
    assert load_options(["m", *argv], (), {}) == load_options(["m"], (), env)


@pytest.mark.parametrize("argv", [["--api-key", ""], ["--api-key", "k", ""], ["--api-key", " \t"], ["--api-key=", "k"]])
def test_an_empty_key_is_refused(argv: list[str]) -> None:
    with pytest.raises(ConfigError, match="--api-key: an empty key protects nothing"):
        load(*argv)


@pytest.mark.parametrize("raw", ["", " ", ",", " , "])
def test_an_empty_key_of_the_environment_is_refused(raw: str) -> None:
    with pytest.raises(ConfigError, match="--api-key"):
        load(env={"FRAMEWORKCTL_API_KEY": raw})


@pytest.mark.parametrize("text", ['""', '[""]', '["k", " "]'])
def test_an_empty_key_of_the_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"api_key: {text}\n")
    with pytest.raises(ConfigError, match="--api-key"):
        load("--config", str(path))


def test_origins_as_json_or_words() -> None:
    wanted = ["http://a:1", "https://b"]
    assert load("--allowed-origins", '["http://a:1", "https://b"]').server.allowed_origins == wanted
    assert load("--allowed-origins", "http://a:1", "https://b").server.allowed_origins == wanted
    assert load(env={"FRAMEWORKCTL_ALLOWED_ORIGINS": '["http://a:1","https://b"]'}).server.allowed_origins == wanted
    assert load(env={"FRAMEWORKCTL_ALLOWED_ORIGINS": "http://a:1, https://b"}).server.allowed_origins == wanted
    assert load("--allowed-origins", "[]").server.allowed_origins == []
    assert load().server.allowed_origins is None


@pytest.mark.parametrize(
    "argv",
    [
        ["--allowed-origins", "example.com"],
        ["--allowed-origins", "http://a/"],
        ["--allowed-origins", "[1]"],
        ["--allowed-origins", '["*"'],
        ["--allow-credentials"],
        ["--allow-credentials", "--allowed-origins", '["*"]'],
    ],
)
def test_origins_that_cannot_be_meant(argv: list[str]) -> None:
    with pytest.raises(ConfigError, match="--allow"):
        load(*argv)
