"""Builds an engine's runner from its configuration: device, backend, model, weights, cache."""

from __future__ import annotations

import json
import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch
from frameworkctl_kernels.protocol import Backend, BackendSpec, BackendUnavailable

from ..config import EngineConfig
from ..errors import ConfigError
from ..interfaces.engine import Model, ModelContext, World
from ..interfaces.logits import ProcessorContext
from ..interfaces.model import ModelSpec
from ..interfaces.quantization import block_to_expand
from ..plugins import PluginHost
from ..plugins.importing import load_class
from ..scheduling.groups import LayerNeed, PoolLayout, plan_layout
from . import memory
from .fp8 import expanded, read_scales
from .heads import Heads
from .logits_processors import ProcessorSet
from .making_poolers import check_head, make_poolers
from .pooling import PoolingRunner
from .runner import Runner
from .weights import Counted, Progress, iterate_weights, weight_files

log = logging.getLogger("frameworkctl.engine")

_DTYPES = {
    "float32": torch.float32, "float": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16,
    "half": torch.float16,
}  # fmt: skip


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
    """``auto``: the checkpoint's type, but float32 where the backend computes half precision slowly."""
    if name != "auto":
        return _DTYPES[name]
    dtype = _DTYPES.get(checkpoint, torch.float32)
    return dtype if backend.computes_fast(dtype) else torch.float32


class Backends:
    """Answers which backend runs an operation; says once per reason where it has to be ``reference``."""

    def __init__(self, host: PluginHost, name: str, device: torch.device, *, deterministic: bool = False) -> None:
        self._create = partial(host.with_default("create_backend", create_backend), device=str(device))
        specs = {n: r.spec for n, r in host.registry.backends.items()}
        fitting = {n: s for n, s in specs.items() if device.type in s.devices}
        if name != "auto" and name not in fitting:
            raise ConfigError(f"--backend: {name!r} is not one of {', '.join(fitting)} for {device.type}")
        self.unavailable: dict[str, str] = {}  # why a backend that comes before the chosen one cannot run here
        self.chosen: Backend = self._choose([fitting[name]] if name != "auto" else list(fitting.values()))
        self._deterministic = deterministic
        if deterministic:
            if getattr(self.chosen, "deterministic", None) is None:
                raise ConfigError(f"--deterministic: the backend {self.chosen.name} cannot; the backend cpu can")
            self.chosen.deterministic = True
        self._reference = self.chosen if self.chosen.name == "reference" else None
        self._reference_spec = specs["reference"]
        self.used: list[Backend] = [self.chosen]
        self._said: set[str] = set()

    def _choose(self, candidates: list[BackendSpec]) -> Backend:
        """The one of highest priority that can run on this machine."""
        for spec in sorted(candidates, key=lambda s: -s.priority):
            try:
                made: Backend = self._create(spec=spec)
            except BackendUnavailable as e:
                self.unavailable[spec.name] = str(e)
                continue
            for name, reason in self.unavailable.items():
                log.warning("the backend %s takes the place of %s: %s", spec.name, name, reason)
            return made
        raise ConfigError("; ".join(f"--backend: {name!r} cannot run: {why}" for name, why in self.unavailable.items()))

    def __call__(self, op: str, **facts: Any) -> Backend:
        reason = self.chosen.supports(op, **facts)
        if reason is None:
            return self.chosen
        if self._deterministic:
            raise ConfigError(f"--deterministic: this model needs {op} on the reference backend: {reason}")
        if reason not in self._said:
            self._said.add(reason)
            log.info("%s runs on the reference backend: %s", op, reason)
        if self._reference is None:
            self._reference = self._create(spec=self._reference_spec)
            self.used.append(self._reference)
        reference: Backend = self._reference
        return reference


def create_backend(spec: BackendSpec, device: str) -> Backend:
    backend: Backend = load_class(spec.implementation)(device)
    return backend


def create_model(spec: ModelSpec, config: dict[str, Any], ctx: ModelContext) -> Model:
    model: Model = load_class(spec.implementation)(config, ctx)
    return model


def load_model(given: EngineConfig, host: PluginHost, world: World, progress: Progress) -> tuple[Model, Backends, int]:
    """The model with its weights, and how many numbers those are.

    Raises:
        ConfigError: no such architecture, backend or quantisation, or tensors that are missing or unexpected.
    """
    device = choose_device(given.options.device)
    name = given.registered or given.architecture
    if name not in host.registry.models:
        raise ConfigError(f"no plugin registered the architecture {name!r}")
    backends = Backends(host, given.options.backend, device, deterministic=given.options.deterministic)
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
    report = model.load_weights(counted)
    if report.missing:
        raise ConfigError(
            f"{len(report.missing)} tensors are missing from {given.folder}: {', '.join(report.missing[:5])}"
        )
    if report.unexpected:
        raise ConfigError(
            f"{given.folder} has {len(report.unexpected)} tensors that {given.architecture} does not know:"
            f" {', '.join(report.unexpected[:5])}"
        )
    return model.eval(), backends, counted.numbers


def build(given: EngineConfig, host: PluginHost, progress: Progress, world: World | None = None) -> Built:
    """Everything an engine computes with, ready for its first step. Raises ConfigError."""
    options = given.options
    model, backends, parameters = load_model(given, host, world or OneRank(), progress)
    ctx = model.ctx
    needs = [LayerNeed(c.kind, c.token_bytes(ctx.dtype), c.window, c.state_bytes) for c in model.cache_layers()]
    layout = plan_layout(needs, options.block_size)
    chunk = min(options.max_num_batched_tokens, given.max_model_len)
    pages = memory.count_pages(
        layout, max_model_len=given.max_model_len, chunk=chunk, kv_bytes=options.kv_cache_memory_bytes,
        pages=options.num_gpu_blocks_override, engines=given.engines,
    )  # fmt: skip
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
        "max_seqs": options.max_num_seqs, "max_tokens": options.max_num_batched_tokens,
        "max_len": given.max_model_len + 1,
    }  # fmt: skip
    if given.pooling is not None:
        poolers = make_poolers(host, given.pooling)
        heads = Heads(model, given.pooling, Path(given.folder))
        return PoolingRunner(model, layout, pool, used, heads, poolers, device=device, **sizes)
    specs = {n: (r.spec, r.plugin.label) for n, r in host.registry.logits_processors.items()}
    context = ProcessorContext(
        vocab_size=given.vocab_size, max_rows=options.max_num_seqs, device=device, options=given.plugin_options
    )
    processors = ProcessorSet(specs, context, options.logits_processor_pattern)
    return Runner(model, layout, pool, used, processors, device=device, **sizes)


def _bind(model: Model, layout: PoolLayout, pool: torch.Tensor) -> None:
    modules = model.caching_modules()
    for index, group in enumerate(layout.groups):
        for place, layer in enumerate(group.layers):
            modules[layer].bind(pool[place], index, group.block_size)


def share_threads(threads: int | None, engines: int) -> int:
    """Compute threads of one engine: the cores of this process shared among the engines."""
    return threads or max(1, len(os.sched_getaffinity(0)) // engines)
