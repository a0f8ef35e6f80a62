"""An engine process from its first message to its end. Importing this imports torch."""

from __future__ import annotations

import gc
import logging
import os
import socket
import time
from functools import partial
from typing import Any, get_args

import torch

from frameworkctl.errors import ConfigError
from frameworkctl.execution.backends import make_in_background
from frameworkctl.execution.build import Built, build, share_threads
from frameworkctl.execution.compilers import make_compiler
from frameworkctl.execution.speculation import make_drafter
from frameworkctl.execution.weights.first_step import check_first_step
from frameworkctl.interfaces.generation.scheduling import Policy
from frameworkctl.interfaces.pooling import TOKEN_TASKS, PoolingInfo, PoolTask
from frameworkctl.plugins import PluginHost
from frameworkctl.plugins.importing import load_class
from frameworkctl.scheduling.cache.manager import CacheManager
from frameworkctl.scheduling.scheduler import Limits, Scheduler

from .framing import Channel
from .grammars import Grammars
from .loop import EngineLoop
from .messages import EngineInfo, Fatal, Loading, Ready, Start, ToEngine

log = logging.getLogger("frameworkctl.engine")

PROGRESS_INTERVAL = 0.25  # seconds between two messages about loading


def main(sock: socket.socket) -> int:
    """Serve one engine over ``sock``; returns the exit status."""
    channel: Channel[ToEngine] = Channel(sock, ToEngine)
    try:
        first = channel.receive(None)[0]
        if not isinstance(first, Start):
            raise ConfigError("the first message must be start")
        loop = _start(first, channel)
    except ConfigError as e:
        channel.send(Fatal(str(e)))
        return 2
    except EOFError:
        return 0
    except Exception as e:
        log.exception("the engine cannot start")
        channel.send(Fatal(f"{type(e).__name__}: {e}"))
        return 1
    loop.run()
    return 0


def _start(start: Start, channel: Channel[ToEngine]) -> EngineLoop:
    config = start.config
    threads = share_threads(config.options.threads, config.engines)
    torch.set_num_threads(threads)
    host = PluginHost.from_loaded(start.plugins)
    time_limit = 2 * config.options.max_grammar_seconds  # a busy engine may need longer than the worker before it
    grammars = Grammars(partial(make_compiler, host, config, threads), channel.wake, time_limit)
    if config.tokenizer:
        grammars.start()
    built = build(config, host, _Progress(channel), later=make_in_background)
    check_first_step(built, config)
    scheduler = _scheduler(start, host, built)
    overlap = config.options.async_scheduling
    loop = EngineLoop(
        channel,
        scheduler,
        built.runner,
        max_model_len=config.max_model_len,
        vocab_size=config.vocab_size,
        grammars=grammars,
        overlap=(built.asynchronous if overlap is None else overlap) and scheduler.drafter is None,
        read_whole=_read_whole(host, config.pooling),
    )
    gc.collect()
    gc.freeze()  # what was built stays; do not look through it again and again
    page_tokens = max((g.block_size for g in built.layout.groups), default=0)
    channel.send(
        Ready(
            EngineInfo(
                pid=os.getpid(),
                dtype=built.dtype,
                device=built.device,
                backend=built.backend,
                threads=threads,
                pages=built.pages - 1,
                page_tokens=page_tokens,
                cache_bytes=built.pages * built.layout.bytes_per_page,
                cache_tokens=built.cache_tokens,
                parameters=built.parameters,
                asynchronous=loop.overlap,
            )
        )
    )
    return loop


def _scheduler(start: Start, host: PluginHost, built: Built) -> Scheduler:
    options = start.config.options
    cache = CacheManager(
        built.layout,
        built.pages,
        max_chunk=options.max_num_batched_tokens,
        prefix_caching=options.enable_prefix_caching,
    )
    limits = Limits(
        options.max_num_seqs,
        options.max_num_batched_tokens,
        options.long_prefill_token_threshold,
        options.watermark,
        built.long_after,
        start.config.pooling is not None and start.config.pooling.whole,
    )
    policy = make_policy(host, options.scheduling_policy, start.config.plugin_options)
    return Scheduler(cache, policy, limits, make_drafter(host, start.config, built.layout, built.long_after))


def _read_whole(host: PluginHost, info: PoolingInfo | None) -> frozenset[PoolTask]:
    """Tasks whose poolers look at all of a text; one that no spec describes is taken to."""
    if info is None:
        return frozenset()
    specs = {n: r.spec for n, r in host.registry.poolers.items()}
    names = {task: info.token_pooler if task in TOKEN_TASKS else info.pooler for task in get_args(PoolTask)}
    return frozenset(task for task, name in names.items() if name not in specs or specs[name].needs_all)


def make_policy(host: PluginHost, name: str, options: dict[str, Any]) -> Policy:
    """Raise ConfigError if no plugin has a policy of that name."""

    def create_policy(name: str, options: dict[str, Any]) -> Policy:
        registered = host.registry.policies.get(name)
        if registered is None:
            raise ConfigError(f"--scheduling-policy: {name!r} is not one of {', '.join(host.registry.policies)}")
        made: Policy = load_class(registered.spec.implementation)()
        return made

    policy: Policy = host.with_default("create_policy", create_policy)(name=name, options=options)
    return policy


class _Progress:
    """Tells the server how far loading is, not more often than a terminal can show."""

    def __init__(self, channel: Channel[ToEngine]) -> None:
        self._channel = channel
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= PROGRESS_INTERVAL:
            self._last = now
            self._channel.send(Loading(done, total))
