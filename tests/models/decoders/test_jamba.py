"""Jamba against transformers on the same weights: recurrent state as a cache group, in every way of running."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from frameworkctl.checkpoints.json_files import read_checkpoint
from frameworkctl.errors import ConfigError
from frameworkctl.testing import InProcessEngine, Parity, randomize
from frameworkctl.testing.parity import GREEDY, compare, prompts
from frameworkctl_models.jamba.config import jamba_config
from frameworkctl_models.jamba.plugin import describe
from support.engine.ranks import check_two_ranks
from support.engine.rounding import run_in_bfloat16
from support.serving.watch import watched

pytest_plugins = ["frameworkctl.testing.fixtures"]

SIZE: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "attn_layer_period": 4,
    "attn_layer_offset": 2,
    "expert_layer_period": 2,
    "expert_layer_offset": 1,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "mamba_d_state": 8,
    "max_position_embeddings": 1024,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "dense, tied": {"num_experts": 1, "tie_word_embeddings": True},
    "other sizes and biases": {
        "mamba_d_state": 5,
        "mamba_d_conv": 3,
        "mamba_expand": 3,
        "mamba_dt_rank": 7,
        "mamba_conv_bias": False,
        "mamba_proj_bias": True,
        "num_experts_per_tok": 1,
        "num_key_value_heads": 4,
    },
    "no attention": {"attn_layer_period": 9, "attn_layer_offset": 8, "use_cache": False},  # for transformers' sake
}


def make(folder: Path, dtype: torch.dtype = torch.float32, **changes: Any) -> Path:
    """Every channel decays in its own way; transformers begins with all of them equal."""
    from transformers import JambaConfig, JambaForCausalLM

    torch.manual_seed(0)
    model = randomize(JambaForCausalLM(JambaConfig(**{**SIZE, **changes}, initializer_range=0.15)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("A_log"):
                parameter.add_(0.3 * torch.randn(parameter.shape))
    model.to(dtype).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("jamba"))


@pytest.mark.parametrize("overlap", [False, True], ids=["sync", "overlap"])
def test_parity(parity: Parity, overlap: bool) -> None:
    """One batch of mixed lengths, alone, prefill in chunks, prompts with a common beginning, preemption."""
    parity.check(overlap=overlap)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=list(VARIANTS))
def test_variants(changes: dict[str, Any], tmp_path: Path) -> None:
    Parity(make(tmp_path, **changes), "chunks").check()


def test_two_ranks_compute_the_same(checkpoint: Path, tmp_path: Path) -> None:
    """Each rank has half of the mixers' channels, of their states, and of the heads and experts' columns."""
    check_two_ranks(checkpoint, (5, 40), tmp_path / "store")


def test_bfloat16_keeps_its_state_in_float32(tmp_path: Path) -> None:
    engine = run_in_bfloat16(make(tmp_path, torch.bfloat16))
    mixer = engine.runner.model.layers[0].mixer
    assert mixer.scan_state.dtype == mixer.conv_state.dtype == torch.float32


# -- state


def test_state_is_a_cache_group(checkpoint: Path) -> None:
    """One page per sequence and group, however long it is; and nothing that the prefix cache could find."""
    engine = InProcessEngine(checkpoint)
    groups = engine.built.layout.groups
    assert [g.kind for g in groups].count("full") == 1
    states = [i for i, g in enumerate(groups) if g.kind == "state"]
    assert sorted(layer for i in states for layer in groups[i].layers) == [0, 1, 3, 4]
    sequence = engine.add(prompts(engine, (300,))[0], GREEDY)
    for _ in range(20):
        engine.step()
        assert all(len(sequence.tables[i]) == 1 for i in states)
    assert not engine.cache.prefix_caching


def test_a_page_used_before_starts_clean(checkpoint: Path) -> None:
    """A pool for one sequence: the second one, and the third, get the pages with what others left in them."""
    need = InProcessEngine(checkpoint).built.layout.max_pages(200, 2048)
    engine = InProcessEngine(checkpoint, max_model_len=200, num_gpu_blocks_override=need)
    engine.record_logits = True
    given = prompts(engine, (50, 3, 17))
    outputs = [engine.generate([prompt], GREEDY)[0] for prompt in given]
    compare(engine, checkpoint, given, outputs, tolerance=1e-3)


def test_an_aborted_sequence_leaves_nothing(checkpoint: Path) -> None:
    """Aborted with a step of its own planned; its pages are taken over while others go on."""
    engine = InProcessEngine(checkpoint, overlap=True, max_num_seqs=3)
    engine.record_logits = True
    given = prompts(engine, (20, 33, 8, 12))
    seqs = [engine.add(p, GREEDY) for p in given]
    for _ in range(5):
        engine.step()
    engine.scheduler.finish(seqs[0])
    engine.run()
    outputs = [list(s.tokens[s.prompt_len :]) for s in seqs]
    engine.logits = {n - 1: engine.logits[n] for n in (2, 3, 4)}
    compare(engine, checkpoint, given[1:], outputs[1:], tolerance=1e-3)


def test_a_session_keeps_its_state_while_it_waits(checkpoint: Path) -> None:
    """Input that comes in pieces, with another sequence running between them."""
    engine = InProcessEngine(checkpoint)
    engine.record_logits = True
    session, other = prompts(engine, (60, 25))
    seq = engine.add(session[:23], GREEDY)
    seq.input_open = True
    engine.run()
    assert seq.idle
    engine.scheduler.append(seq, array("i", session[23:40]), final=False)
    second = engine.add(other, GREEDY)
    for _ in range(10):
        engine.step()
    engine.scheduler.append(seq, array("i", session[40:]), final=True)
    engine.run()
    outputs = [list(s.tokens[s.prompt_len :]) for s in (seq, second)]
    compare(engine, checkpoint, [session, other], outputs, tolerance=1e-3)


# -- what lets a step be captured


def calls(folder: Path, sequences: int) -> tuple[Counter[str], Counter[str]]:
    """Operations of a decode step, and of one in which a prompt is computed beside decodes."""
    engine = InProcessEngine(folder, max_num_seqs=17)
    seen = watched(engine)
    for prompt in prompts(engine, (20,) * sequences):
        engine.add(prompt, GREEDY)
    engine.step()
    engine.step()
    engine.add(prompts(engine, (40,))[0], GREEDY)
    engine.step()
    (_, _), (decode, of_decode), (mixed, of_mixed) = seen
    assert (decode.shape.seqs, decode.shape.decode_only) == (sequences, True)
    assert (mixed.shape.seqs, mixed.shape.max_query) == (sequences + 1, 40)
    return of_decode, of_mixed


def test_operations_do_not_grow_with_sequences(tmp_path: Path) -> None:
    """Without experts: of these, those that are hit by a token are run."""
    folder = make(tmp_path, num_experts=1)
    assert calls(folder, 2) == calls(folder, 16)


def test_state_slots_keep_their_addresses_and_nothing_waits(checkpoint: Path) -> None:
    """Through chunks of prompts, steps that leave some sequences out, and decodes."""
    engine = InProcessEngine(checkpoint, max_num_batched_tokens=7)
    seen = watched(engine)
    engine.generate(prompts(engine, (9, 20, 9)), GREEDY)
    slots = [[v.state_slot for v in batch.groups if v.state_slot is not None] for batch, _ in seen]
    assert {len(s) for s in slots} == {4}
    assert len({tuple(t.data_ptr() for t in s) for s in slots}) == 1


# -- config.json


def test_what_the_config_says(checkpoint: Path) -> None:
    config = jamba_config({**SIZE, "hidden_size": 72, "num_attention_heads": 6, "num_key_value_heads": None})
    assert (config.dt_rank, config.inner, config.kv_heads, config.head_dim) == (5, 144, 6, 12)
    assert config.attention == (False, False, True, False, False)
    assert config.experts == (1, 4, 1, 4, 1)
    sizes = {k: SIZE[k] for k in ("vocab_size", "hidden_size", "intermediate_size", "num_attention_heads")}
    defaults = jamba_config({**sizes, "num_hidden_layers": 32})
    assert [i for i, attends in enumerate(defaults.attention) if attends] == [4, 12, 20, 28]
    assert defaults.experts == (1, 16) * 16
    assert (defaults.state, defaults.conv_width, defaults.conv_bias, defaults.mixer_bias) == (16, 4, True, False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"num_experts_per_tok": 5}, "num_experts_per_tok"),
        ({"attn_layer_offset": 4}, "attn_layer_offset"),
        ({"expert_layer_offset": 2}, "expert_layer_offset"),
    ],
)
def test_a_config_that_cannot_be_run(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        jamba_config({**SIZE, **changes})


def test_a_config_that_lacks_a_size() -> None:
    with pytest.raises(ConfigError, match="intermediate_size"):
        jamba_config({k: v for k, v in SIZE.items() if k != "intermediate_size"})


def test_stop_tokens_and_dtype(tmp_path: Path) -> None:
    """The generation config's stop tokens come first; one without any leaves those of config.json."""
    config = {**SIZE, "architectures": ["JambaForCausalLM"], "dtype": "bfloat16", "use_mamba_kernels": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    info = describe(read_checkpoint(tmp_path))
    assert (info.eos_token_ids, info.dtype, info.max_model_len) == ((2,), "bfloat16", 1024)
    (tmp_path / "generation_config.json").write_text(json.dumps({"temperature": 0.5}))
    assert describe(read_checkpoint(tmp_path)).eos_token_ids == (2,)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 9]}))
    assert describe(read_checkpoint(tmp_path)).eos_token_ids == (7, 9)
