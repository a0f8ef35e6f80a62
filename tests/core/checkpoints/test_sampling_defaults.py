"""Where a model's sampling defaults come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from frameworkctl.checkpoints.sampling_defaults import SamplingDefaults, load_defaults
from frameworkctl.errors import ConfigError

OWN = {"temperature": 0.7, "top_k": 50, "top_p": 0.8, "max_new_tokens": 9, "min_p": "much", "bos_token_id": 1}


def test_sources(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text(json.dumps({"top_k": 7, "max_new_tokens": 5}))
    own = SamplingDefaults(temperature=0.7, top_p=0.8, max_new_tokens=9)  # top_k 50 is what the library writes anyway
    assert load_defaults(OWN, "auto", {}) == own
    assert load_defaults(OWN, "vllm", {}) == SamplingDefaults()
    assert load_defaults(OWN, str(tmp_path), {}) == SamplingDefaults(top_k=7, max_new_tokens=5, cap=5)


def test_what_the_operator_says_wins() -> None:
    assert load_defaults(OWN, "auto", {"temperature": 0, "top_k": 50}) == SamplingDefaults(
        temperature=0.0, top_k=50, top_p=0.8, max_new_tokens=9
    )
    assert load_defaults(OWN, "auto", {"max_new_tokens": 4}).cap == 4
    assert load_defaults(OWN, "auto", {"temperature": None}).temperature == 1.0


def test_what_no_request_could_be_served_with_is_passed_over() -> None:
    """Of a checkpoint: nobody who starts a server can do something about it."""
    assert load_defaults({"temperature": 9, "repetition_penalty": 0, "top_p": 0.5}, "auto", {}) == SamplingDefaults(
        top_p=0.5
    )
    assert load_defaults({}, "auto", {"top_k": -1}).top_k == -1


@pytest.mark.parametrize(
    ("source", "override", "match"),
    [
        ("/nowhere", {}, "generation-config: cannot read /nowhere"),
        ("auto", {"temprature": 1}, "'temprature' is not one"),
        ("auto", {"top_k": "many"}, "top_k: Expected"),
        ("auto", {"cap": 3}, "'cap' is not one"),
        ("auto", {"temperature": 9}, "override-generation-config: temperature must be in"),
        ("auto", {"top_p": 0}, "top_p"),
        ("auto", {"max_new_tokens": 0}, "max_new_tokens"),
        ("auto", {"top_k": -2}, "top_k"),
        ("auto", {"repetition_penalty": 0}, "repetition_penalty"),
        ("auto", {"temperature": "nan"}, "temperature"),
    ],
)
def test_mistakes(source: str, override: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        load_defaults(OWN, source, override)
