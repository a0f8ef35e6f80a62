"""The program behind ``frameworkctl models check``: a checkpoint in an engine, and in transformers.

Reads a ``Request`` as JSON from stdin and writes a ``Report`` to stdout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import safe_open

from frameworkctl.checkpoints.hub import locate
from frameworkctl.checkpoints.json_files import read_checkpoint
from frameworkctl.errors import ConfigError
from frameworkctl.execution.weights.loading import weight_files
from frameworkctl.interfaces.engine import CacheLayer
from frameworkctl.interfaces.model import FALLBACK
from frameworkctl.interfaces.pooling import PoolParams
from frameworkctl.params import SamplingParams
from frameworkctl.plugins import PluginHost, discover, select
from frameworkctl.plugins.architectures import choose

from .inprocess import InProcessEngine

PROMPT, TOKENS = 24, 16
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}  # of the largest logit


class Request(msgspec.Struct):
    """Request for a check, and how to run it: as the options of ``serve``."""

    model: str
    model_impl: str = "auto"
    dtype: str = "auto"
    device: str = "auto"
    plugins: list[str] = []


class Window(msgspec.Struct):
    window: int
    layers: int


class Cache(msgspec.Struct):
    """Cache of a sequence: bytes per token by dtype over all layers, and per sequence."""

    bytes_per_token: dict[str, int]
    windows: list[Window]
    state_bytes: int


class Comparison(msgspec.Struct):
    """With transformers on the same weights, in the same dtype. ``reason``: why there is none.

    ``agrees``: logits differ by no more than rounding explains, and every token was, by that much, transformers' best.
    Of a model that pools the hidden ``states`` of a text are compared instead; those of a token agree or not.
    """

    agrees: bool = False
    states: bool = False
    tokens: int = TOKENS
    difference: float = 0.0
    largest: float = 0.0
    agreeing: int = 0
    reason: str | None = None


class Report(msgspec.Struct):
    """``ok``: it runs, and agrees with transformers. ``error``: why it does not run."""

    ok: bool
    error: str | None = None
    architecture: str = ""
    implementation: str = ""
    plugin: str = ""
    tasks: list[str] = []
    dtype: str = ""
    stored_dtype: str = ""
    device: str = ""
    backend: str = ""
    parameters: int = 0
    max_model_len: int = 0
    cache: Cache | None = None
    comparison: Comparison | None = None


def check(request: Request) -> Report:
    """Raise ConfigError if the model does not run."""
    host = PluginHost.from_selection(select(discover(), request.plugins))
    host.load_eager()
    folder = locate(request.model, {name: r.spec for name, r in host.registry.checkpoints.items()})
    choice = choose(host, read_checkpoint(folder), request.model_impl)
    engine = InProcessEngine(
        folder,
        model_impl=request.model_impl,
        plugins=request.plugins,
        max_model_len=PROMPT + TOKENS,
        max_num_seqs=1,
        dtype=request.dtype,
        device=request.device,
    )
    vocab = choice.info.vocab_size
    prompt = [(7 + 7919 * i) % vocab for i in range(min(PROMPT, engine.max_model_len - 1))]
    compare = _states(engine, prompt) if engine.pooling is not None else _logits(engine, prompt)
    layers = engine.runner.model.cache_layers()
    report = Report(
        ok=False,
        architecture=choice.info.architecture,
        implementation="native" if choice.native else f"through the fallback {choice.name.removeprefix(FALLBACK)}",
        plugin=choice.registered.plugin.origin,
        tasks=sorted(engine.info.tasks),
        dtype=engine.built.dtype,
        stored_dtype=choice.info.dtype,
        device=engine.built.device,
        backend=engine.built.backend,
        parameters=_parameters(folder),
        max_model_len=choice.info.max_model_len,
        cache=_cache(layers),
    )
    del engine
    report.comparison = compare(folder)
    report.ok = report.comparison.agrees
    return report


def _parameters(folder: Path) -> int:
    """Numbers in the weight files."""
    total = 0
    for file in weight_files(folder):
        with safe_open(file, framework="pt") as shard:
            for name in shard.keys():  # noqa: SIM118  not a dict
                total += int(torch.Size(shard.get_slice(name).get_shape()).numel())
    return total


def _cache(layers: list[CacheLayer]) -> Cache:
    windows = [layer.window for layer in layers if layer.window is not None]
    return Cache(
        {str(d).removeprefix("torch."): sum(layer.token_bytes(d) for layer in layers) for d in DTYPES},
        [Window(w, windows.count(w)) for w in sorted(set(windows))],
        sum(layer.state_bytes for layer in layers),
    )


def _logits(engine: InProcessEngine, prompt: list[int]) -> Callable[[Path], Comparison]:
    """Greedy tokens of a language model, to be compared when the engine is gone."""
    engine.record_logits = True
    [output] = engine.generate([prompt], SamplingParams(max_tokens=TOKENS, temperature=0.0, ignore_eos=True))
    ctx, logits = engine.runner.model.ctx, torch.stack(engine.logits[1]).float()
    return lambda folder: _compare(folder, prompt, output, logits, ctx.dtype, ctx.device)


def _states(engine: InProcessEngine, prompt: list[int]) -> Callable[[Path], Comparison]:
    """Return the same of a model that pools: what its forward gives for every token."""
    model, pooling = engine.runner.model, engine.pooling
    assert pooling is not None
    found: list[torch.Tensor] = []
    hook = model.register_forward_hook(lambda module, given, states: found.append(states))
    engine.pool([prompt], PoolParams(pooling.task, activate=False))
    hook.remove()
    ctx, states = model.ctx, torch.cat(found).float()
    return lambda folder: _compare_states(folder, prompt, states, pooling.whole, ctx.dtype, ctx.device)


def _compare_states(
    folder: Path, prompt: list[int], states: torch.Tensor, whole: bool, dtype: torch.dtype, device: torch.device
) -> Comparison:
    """Return ``states [tokens, hidden]`` float32 are the engine's."""
    from transformers import AutoConfig, AutoModel

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if whole:
            config.is_causal = False
        auto: Any = AutoModel
        model = auto.from_pretrained(folder, config=config, dtype=dtype, attn_implementation="eager")
        with torch.inference_mode():
            want = model.eval().to(device)(torch.tensor([prompt], device=device)).last_hidden_state[0].float()
    except (ImportError, KeyError, OSError, RuntimeError, ValueError) as e:
        first = str(e).strip().partition("\n")[0]
        return Comparison(reason=f"transformers cannot run it: {type(e).__name__}: {first}")
    if want.shape != states.shape:
        return Comparison(reason=f"states are {tuple(states.shape)}, transformers' {tuple(want.shape)}")
    largest, off = float(want.abs().max()), (states - want).abs().amax(dim=-1)
    close = off <= TOLERANCE[dtype] * max(largest, 1e-6)  # False for NaN
    return Comparison(bool(close.all()), True, len(prompt), float(off.max()), largest, int(close.sum()))


def _compare(
    folder: Path, prompt: list[int], output: list[int], logits: torch.Tensor, dtype: torch.dtype, device: torch.device
) -> Comparison:
    """Return ``logits [tokens, vocab]`` float32 are the engine's."""
    from transformers import AutoModelForCausalLM

    auto: Any = AutoModelForCausalLM
    try:
        model = auto.from_pretrained(folder, dtype=dtype, attn_implementation="eager", trust_remote_code=False)
        with torch.inference_mode():
            ids = torch.tensor([prompt + output], device=device)
            want = model.eval().to(device)(ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    except (ImportError, KeyError, OSError, RuntimeError, ValueError) as e:
        first = str(e).strip().partition("\n")[0]
        return Comparison(reason=f"transformers cannot run it: {type(e).__name__}: {first}")
    if want.shape != logits.shape:
        return Comparison(reason=f"logits are {tuple(logits.shape)}, transformers' {tuple(want.shape)}")
    largest, difference = float(want.abs().max()), float((logits - want).abs().max())
    behind = want.amax(dim=-1) - want.gather(1, torch.tensor(output, device=device)[:, None])[:, 0]
    limit = TOLERANCE[dtype] * max(largest, 1e-6)
    agrees = difference <= limit and float(behind.max()) <= 2 * limit  # False for NaN
    return Comparison(agrees, False, len(output), difference, largest, int((behind == 0).sum()))


def main() -> int:
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    try:
        report = check(request)
    except ConfigError as e:
        report = Report(ok=False, error=str(e))
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
