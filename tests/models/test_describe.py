"""What families' ``describe`` has in common: where stop tokens and the stored dtype come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.checkpoints.json_files import read_checkpoint
from frameworkctl.interfaces import Checkpoint, ModelInfo
from frameworkctl_models.decoder.plugin import describe as decoder
from frameworkctl_models.generic.plugin import describe as generic

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}
Describe = Callable[[Checkpoint], ModelInfo]


@pytest.fixture(params=[decoder, generic], ids=["decoder", "generic"])
def described(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., ModelInfo]:
    describe: Describe = request.param

    def read(generation: dict[str, Any] | None = None, **config: Any) -> ModelInfo:
        (tmp_path / "config.json").write_text(json.dumps({**LLAMA, **config}))
        if generation is not None:
            (tmp_path / "generation_config.json").write_text(json.dumps(generation))
        return describe(read_checkpoint(tmp_path))

    return read


@pytest.mark.parametrize(
    ("generation", "ids"),
    [
        (None, (2,)),
        ({"temperature": 0.5}, (2,)),
        ({"eos_token_id": None}, (2,)),
        ({"eos_token_id": 0}, (0,)),
        ({"eos_token_id": [7, 9]}, (7, 9)),
    ],
    ids=str,
)
def test_stop_tokens(
    generation: dict[str, Any] | None, ids: tuple[int, ...], described: Callable[..., ModelInfo]
) -> None:
    """The generation config's come first; one that names none leaves those of config.json."""
    assert described(generation, eos_token_id=2).eos_token_ids == ids


def test_no_stop_token_at_all(described: Callable[..., ModelInfo]) -> None:
    assert described({}).eos_token_ids == ()


def test_stored_dtype_under_its_new_and_its_old_name(described: Callable[..., ModelInfo]) -> None:
    assert described().dtype == "float32"
    assert described(torch_dtype="float16").dtype == "float16"
    assert described(dtype="bfloat16", torch_dtype="float16").dtype == "bfloat16"
