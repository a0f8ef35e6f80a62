"""Builds an engine's runner from its configuration: device, backend, model, weights, cache."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import msgspec
import torch
from frameworkctl_kernels.protocol import Backend

from frameworkctl.config import EngineConfig
from frameworkctl.errors import ConfigError
from frameworkctl.execution.pooling.heads import Heads
from frameworkctl.execution.pooling.making import check_head, make_poolers
from frameworkctl.execution.pooling.runner import PoolingRunner
from frameworkctl.execution.sampling.logits_processors import ProcessorSet
from frameworkctl.execution.weights.fp8 import expanded, read_scales
from frameworkctl.execution.weights.loading import Counted, Progress, file_of, iterate_weights, weight_files
from frameworkctl.interfaces.engine import MisfitError, Model, ModelContext, World
from frameworkctl.interfaces.generation.logits import ProcessorContext
from frameworkctl.interfaces.model import ModelSpec
from frameworkctl.interfaces.quantization import block_to_expand
from frameworkctl.plugins import PluginHost
from frameworkctl.plugins.importing import load_class
from frameworkctl.scheduling.cache.groups import LayerNeed, PoolLayout, plan_layout

from . import memory
from .backends import Backends, Later
from .runner import Runner

log = logging.getLogger("frameworkctl.engine")

_DTYPES = {
    "float32": torch.float32,
    "float": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "half": torch.float16,
}


class Built(msgspec.Struct):
    """A runner, and the pool that a scheduler has to plan for. ``cache_tokens`` fit in it as full-length sequences."""

    runner: Runner | PoolingRunner
    layout: PoolLayout
    pages: int
    dtype: str
    device: str
    backend: str
    asynchronous: bool
    long_after: int | None
    parameters: int
    cache_tokens: int


class OneRank:
    """A world of one: nothing to exchange."""

    rank, size = 0, 1

    def all_reduce(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def all_gather(self, x: torch.Tensor) -> torch.Tensor:
        return x


def choose_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(name)
    except RuntimeError as e:
        raise ConfigError(f"--device: {name!r} is not a device: {e}") from None


def choose_dtype(name: str, checkpoint: str, backend: Backend) -> torch.dtype:
    """Return ``auto``: the checkpoint's type, but float32 where the backend computes half precision slowly."""
    if name != "auto":
        return _DTYPES[name]
    dtype = _DTYPES.get(checkpoint, torch.float32)
    return dtype if backend.computes_fast(dtype) else torch.float32


def create_model(spec: ModelSpec, config: dict[str, Any], ctx: ModelContext) -> Model:
    model: Model = load_class(spec.implementation)(config, ctx)
    return model


def load_model(
    given: EngineConfig, host: PluginHost, world: World, progress: Progress, later: Later | None = None
) -> tuple[Model, Backends, int]:
    """Return the model with its weights, and how many numbers those are.

    Raises:
        ConfigError: no such architecture, backend or quantisation, or tensors that are missing or unexpected.
    """
    device = choose_device(given.options.device)
    name = given.registered or given.architecture
    if name not in host.registry.models:
        raise ConfigError(f"no plugin registered the architecture {name!r}")
    # A first start does not wait for a compiler, unless what is asked for cannot be had without.
    backends = Backends(
        host,
        given.options.backend,
        device,
        deterministic=given.options.deterministic,
        later=None if given.options.quantization is not None else later,
    )
    dtype = choose_dtype(given.options.dtype, given.checkpoint_dtype, backends.chosen)
    config = json.loads((Path(given.folder) / "config.json").read_text(encoding="utf-8"))
    spec = host.registry.models[name].spec
    block = block_to_expand(config, spec)
    if given.architecture not in (config.get("architectures") or [given.architecture]):
        config["architectures"] = [given.architecture]  # another class of the same model runs it
    ctx = ModelContext(dtype=dtype, device=device, world=world, ops=backends, pooling=given.pooling)
    ctx.weight_format = given.options.quantization or ctx.weight_format
    try:
        create = host.with_default("create_model", create_model)
        model: Model = create(spec=spec, config=config, ctx=ctx)
    except ValueError as e:
        raise ConfigError(f"cannot build {given.architecture}: {e}") from e
    check_head(model, given)
    files = weight_files(Path(given.folder))
    weights = iterate_weights(files, progress)
    if block is not None:
        weights = expanded(weights, read_scales(files), block, dtype)
    counted = Counted(weights)
    try:
        report = model.load_weights(counted)
    except MisfitError as e:
        raise ConfigError(f"cannot load {file_of(files, e.name) or given.folder}: {e}; get both again") from e
    except ValueError as e:
        raise ConfigError(f"cannot load {given.folder}: {e}") from e
    if report.missing:
        raise ConfigError(
            f"{len(report.missing)} tensors are missing from {given.folder}: {', '.join(report.missing[:5])}"
        )
    if report.unexpected:
        raise ConfigError(
            f"{given.folder} has {len(report.unexpected)} tensors that {given.architecture} does not know:"
            f" {', '.join(report.unexpected[:5])}"
        )
    memory.trim()
    return model.eval(), backends, counted.numbers


def build(
    given: EngineConfig, host: PluginHost, progress: Progress, world: World | None = None, later: Later | None = None
) -> Built:
    """Return all that an engine computes with, ready for its first step; ``later`` as of ``Backends``. Raises
    ConfigError.
    """
    options = given.options
    model, backends, parameters = load_model(given, host, world or OneRank(), progress, later)
    ctx = model.ctx
    needs = [LayerNeed(c.kind, c.token_bytes(ctx.dtype), c.window, c.state_bytes) for c in model.cache_layers()]
    layout = plan_layout(needs, options.block_size)
    chunk = min(options.max_num_batched_tokens, given.max_model_len)
    pages = memory.count_pages(
        layout,
        max_model_len=given.max_model_len,
        chunk=chunk,
        kv_bytes=options.kv_cache_memory_bytes,
        pages=options.num_gpu_blocks_override,
        engines=given.engines,
    )
    pool = memory.allocate(layout, pages, ctx.device)
    _bind(model, layout, pool)
    runner = _runner(given, host, model, layout, pool, backends.used)
    dtype = str(ctx.dtype).removeprefix("torch.")
    return Built(
        runner,
        layout,
        pages,
        dtype,
        str(ctx.device),
        backends.chosen.name,
        getattr(backends.chosen, "asynchronous", False),
        model.long_after,
        parameters,
        given.max_model_len * (pages - 1) // max(1, layout.max_pages(given.max_model_len, chunk)),
    )


def _runner(
    given: EngineConfig, host: PluginHost, model: Model, layout: PoolLayout, pool: torch.Tensor, used: list[Backend]
) -> Runner | PoolingRunner:
    options, device = given.options, model.ctx.device
    sizes = {
        "max_seqs": options.max_num_seqs,
        "max_tokens": options.max_num_batched_tokens,
        "max_len": given.max_model_len + 1,
    }
    if given.pooling is not None:
        poolers = make_poolers(host, given.pooling)
        heads = Heads(model, given.pooling, Path(given.folder))
        return PoolingRunner(model, layout, pool, used, heads, poolers, device=device, **sizes)
    specs = {n: (r.spec, r.plugin.label) for n, r in host.registry.logits_processors.items()}
    context = ProcessorContext(
        vocab_size=given.vocab_size, max_rows=options.max_num_seqs, device=device, options=given.plugin_options
    )
    processors = ProcessorSet(specs, context, options.logits_processor_pattern)
    return Runner(model, layout, pool, used, processors, device=device, eager=options.enforce_eager, **sizes)


def _bind(model: Model, layout: PoolLayout, pool: torch.Tensor) -> None:
    modules = model.caching_modules()
    for index, group in enumerate(layout.groups):
        for place, layer in enumerate(group.layers):
            modules[layer].bind(pool[place], index, group.block_size)


def share_threads(threads: int | None, engines: int) -> int:
    """Compute threads of one engine: the cores of this process shared among the engines."""
    return threads or max(1, len(os.sched_getaffinity(0)) // engines)
