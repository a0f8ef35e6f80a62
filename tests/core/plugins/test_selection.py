"""Which plugins are on: defaults and the words of ``--plugins``."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworkctl.errors import ConfigError
from frameworkctl.plugins import Candidate, Selection, discover, select
from frameworkctl.plugins.discovery import BACKENDS, CHECKPOINTS, ENDPOINTS, MODELS, PLUGINS
from frameworkctl.plugins.selection import is_essential, split
from hypothesis import given
from hypothesis import strategies as st


def candidate(group: str, names: str, distribution: str = "frameworkctl", module: str | None = None) -> Candidate:
    words = tuple(names.split())
    value = f"{distribution.replace('-', '_')}.{module or words[0]}"
    return Candidate(group, words, value, distribution, "1.0", builtin=distribution == "frameworkctl")


CHAT = candidate(ENDPOINTS, "chat")
SERVICE = candidate(ENDPOINTS, "service")
COMMANDS = candidate(PLUGINS, "commands")
POLICIES = candidate(PLUGINS, "policies")
REQUEST_LOG = candidate(PLUGINS, "request-log")
LLAMA = candidate(MODELS, "LlamaForCausalLM Qwen2ForCausalLM")
REFERENCE = candidate(BACKENDS, "reference")
PING = candidate(ENDPOINTS, "ping", "acme-tools")
GUARD = candidate(PLUGINS, "guard", "acme-tools")
ACME = candidate(MODELS, "AcmeForCausalLM", "acme-tools")
FAST = candidate(BACKENDS, "fast", "acme-tools")
TINY = candidate(CHECKPOINTS, "tiny", "acme-tools")
OURS = [CHAT, SERVICE, COMMANDS, POLICIES, REQUEST_LOG, LLAMA, REFERENCE]
THEIRS = [PING, GUARD, ACME, FAST, TINY]
ALL = [*OURS, *THEIRS]
ESSENTIAL = [SERVICE, COMMANDS, POLICIES, LLAMA, REFERENCE]


def choose(words: str, candidates: list[Candidate] | None = None) -> Selection:
    return select(ALL if candidates is None else candidates, split(words))


def test_defaults_builtins_models_backends_and_checkpoints() -> None:
    selection = choose("")
    assert selection.on == [*OURS, ACME, FAST, TINY]
    assert selection.off == [PING, GUARD]
    assert selection.named == []
    assert selection.paths == []


@pytest.mark.parametrize(
    ("words", "changed", "named"),
    [
        ("ping", [PING], [PING]),
        ("ping,guard", [PING, GUARD], [PING, GUARD]),
        (" ping , guard ,", [PING, GUARD], [PING, GUARD]),
        ("acme-tools", [PING, GUARD], THEIRS),
        ("Acme_Tools", [PING, GUARD], THEIRS),
        ("all", [PING, GUARD], []),
        ("ping,ping", [PING], [PING]),
        ("chat", [], [CHAT]),
        ("ping,no:ping", [], []),
        ("no:ping,ping", [PING], [PING]),
        ("all,no:guard", [PING], []),
        ("Qwen2ForCausalLM", [], [LLAMA]),
    ],
)
def test_words_switch_on(words: str, changed: list[Candidate], named: list[Candidate]) -> None:
    selection = choose(words)
    default = choose("").on
    assert [c for c in selection.on if c not in default] == changed
    assert selection.named == named
    assert set(default) <= set(selection.on)


@pytest.mark.parametrize(
    ("word", "dropped"),
    [
        ("no:chat", [CHAT]),
        ("no:request-log", [REQUEST_LOG]),
        ("no:AcmeForCausalLM", [ACME]),
        ("no:acme-tools", [ACME, FAST, TINY]),
        ("no:tiny", [TINY]),
    ],
)
def test_no_switches_off(word: str, dropped: list[Candidate]) -> None:
    selection = choose(word)
    assert [c for c in choose("").on if c not in selection.on] == dropped
    assert set(dropped) <= set(selection.off)


def test_none_leaves_what_is_essential() -> None:
    assert choose("none").on == ESSENTIAL
    assert choose("none,chat").on == [CHAT, *ESSENTIAL]
    assert choose("none,chat").named == [CHAT]
    assert choose("none,tiny").on == [*ESSENTIAL, TINY]
    with pytest.raises(ConfigError, match="'none' must come first"):
        choose("ping,none")


@pytest.mark.parametrize(
    "word", ["service", "commands", "policies", "LlamaForCausalLM", "Qwen2ForCausalLM", "reference", "frameworkctl"]
)
def test_the_essential_cannot_be_dropped(word: str) -> None:
    with pytest.raises(ConfigError, match=r"is essential and cannot be switched off"):
        choose(f"no:{word}")


def test_a_strangers_thing_of_an_essential_name_is_not_essential() -> None:
    theirs = candidate(ENDPOINTS, "service", "acme-tools")
    assert choose("none", [SERVICE, theirs]).on == [SERVICE]
    assert not is_essential(FAST)
    assert not is_essential(ACME)


def test_a_name_of_two_distributions_is_refused_with_both_origins() -> None:
    other = candidate(ENDPOINTS, "ping", "rival", "pong")
    with pytest.raises(ConfigError) as caught:
        choose("ping", [*ALL, other])
    message = str(caught.value)
    assert "acme-tools 1.0 (acme_tools.ping)" in message
    assert "rival 1.0 (rival.pong)" in message
    assert "distribution" in message
    with pytest.raises(ConfigError, match="claimed by"):
        choose("no:ping", [*ALL, other])
    assert choose("rival", [*ALL, other]).named == [other]


def test_one_name_in_two_groups_of_a_distribution_means_both() -> None:
    endpoint, plugin = candidate(ENDPOINTS, "acme", "acme-tools"), candidate(PLUGINS, "acme", "acme-tools")
    assert choose("acme", [endpoint, plugin, GUARD]).on == [endpoint, plugin]


@pytest.mark.parametrize(
    ("word", "hint"),
    [("gard", "'guard'"), ("acme-tool", "'acme-tools'"), ("LamaForCausalLM", "'LlamaForCausalLM'"), ("zzzz", None)],
)
def test_the_unknown_is_answered_with_the_nearest_name(word: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(word)
    assert repr(word) in str(caught.value)
    assert ("did you mean" in str(caught.value)) is (hint is not None)
    assert hint is None or f"did you mean {hint}" in str(caught.value)


@pytest.mark.parametrize("word", ["no:gard", "no:acme.module", "no:"])
def test_dropping_the_unknown_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="--plugins"):
        choose(word)


def test_dotted_paths_and_files_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").touch()
    (tmp_path / "other.py").touch()
    monkeypatch.chdir(tmp_path)
    selection = choose("acme.guard,./mine.py,acme.ring:plugin,other.py")
    assert selection.paths == ["acme.guard", str(tmp_path / "mine.py"), "acme.ring:plugin", str(tmp_path / "other.py")]
    assert selection.on == choose("").on
    monkeypatch.setenv("HOME", str(tmp_path))
    assert choose("~/mine.py").paths == [str(tmp_path / "mine.py")]


@pytest.mark.parametrize("word", ["./missing.py", "missing.py", "/no/such/folder/x.py", "./"])
def test_a_file_that_is_not_there(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no file"):
        choose(word)


def test_split() -> None:
    assert split(None) == []
    assert split("a,b") == ["a", "b"]
    assert split(["a, b", "no:c", " "]) == ["a", "b", "no:c"]


WORDS = [n for c in ALL for n in c.names] + ["acme-tools", "frameworkctl", "all"]


@given(st.booleans(), st.lists(st.sampled_from([*WORDS, *(f"no:{w}" for w in WORDS)]), max_size=6))
def test_whatever_is_said_the_essential_stays_and_nothing_is_lost(empty: bool, words: list[str]) -> None:
    try:
        selection = select(ALL, (["none"] if empty else []) + words)
    except ConfigError:
        return
    assert set(ESSENTIAL) <= set(selection.on)
    assert not set(selection.on) & set(selection.off)
    assert [c for c in ALL if c in selection.on] == selection.on
    assert sorted(selection.on + selection.off, key=ALL.index) == ALL
    assert set(selection.named) <= set(selection.on)


def test_the_installed_essentials_exist() -> None:
    """Names in the list of essentials that nobody has would protect nothing."""
    essential = {n for c in discover() if is_essential(c) for n in c.names}
    assert {"service", "commands", "policies", "reference"} <= essential
