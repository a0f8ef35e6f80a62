"""An engine's own loop without a process, and a fault at any call of any operation of its steps."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from frameworkctl.engine.grammars import Grammars
from frameworkctl.engine.loop import EngineLoop
from frameworkctl.engine.messages import Generate, Outputs, Pool
from frameworkctl.execution import runner
from frameworkctl.execution.pooling import runner as pooling
from frameworkctl.execution.sampling import sampler
from frameworkctl.interfaces import PoolParams
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling import scheduler
from frameworkctl.testing import InProcessEngine


class Injected(Exception):
    """The fault."""


class Line:
    """A channel: messages in ``coming`` are received once, those sent are kept."""

    def __init__(self) -> None:
        self.coming: list[Any] = []
        self.sent: list[Any] = []

    def receive(self, timeout: float | None) -> list[Any]:
        if timeout != 0 and not self.coming:
            time.sleep(0.001)  # a grammar is being compiled
        coming, self.coming = self.coming, []
        return coming

    def send(self, message: Any) -> None:
        self.sent.append(message)

    def wake(self) -> None:
        pass


class LoopEngine:
    """``ends[request, index]`` is how each sequence ended, ``tokens`` and ``vectors`` what came of it."""

    def __init__(self, engine: InProcessEngine, *, overlap: bool = False) -> None:
        self.engine, self.line = engine, Line()
        self.loop = EngineLoop(
            self.line,
            engine.scheduler,
            engine.runner,
            max_model_len=engine.max_model_len,  # type: ignore[arg-type]
            vocab_size=engine.info.vocab_size,
            grammars=Grammars(lambda: engine.compiler, self.line.wake),
            overlap=overlap,
        )
        self.ends: dict[tuple[int, int], str] = {}
        self.tokens: dict[tuple[int, int], list[int]] = {}
        self.vectors: dict[tuple[int, int], bytes] = {}
        self._last = 0

    def prompts(self, seed: int, count: int) -> list[list[int]]:
        """Random ones of up to 12 tokens."""
        generator = np.random.default_rng(seed)
        most = self.engine.info.vocab_size
        return [generator.integers(5, most, n).tolist() for n in generator.integers(1, 13, count)]

    def ask(self, prompts: Sequence[Sequence[int]], params: SamplingParams | PoolParams) -> list[int]:
        """Begin a request per prompt; return their ids."""
        first = self._last + 1
        for prompt in prompts:
            self._last += 1
            data = array("i", prompt).tobytes()
            if isinstance(params, PoolParams):
                self.line.coming.append(Pool(self._last, [0], data, [len(prompt)], [], params))
            else:
                self.line.coming.append(Generate(self._last, data, params, seed=7))
        return list(range(first, self._last + 1))

    def run(self, most: int = 5000) -> None:
        """Turn the loop until all requests have ended."""
        for _ in range(most):
            self.loop._receive()
            self.loop._turn()
            sent, self.line.sent = self.line.sent, []
            for message in sent:
                if isinstance(message, Outputs):
                    self._take(message)
            if not self.loop._requests and not self.line.coming:
                return
        raise AssertionError("the engine does not come to an end")

    def _take(self, outputs: Outputs) -> None:
        for row in outputs.rows:
            key = (row.id, row.index)
            assert key not in self.ends, f"{key} goes on after its end"
            if row.token is not None:
                self.tokens.setdefault(key, []).append(row.token)
            if row.reason is not None:
                self.ends[key] = row.error or row.reason
        for found in outputs.pooled:
            for number in found.numbers:
                assert (found.id, number) not in self.ends
                self.ends[found.id, number] = "stop"
            size = len(found.data) // len(found.numbers)
            for place, number in enumerate(found.numbers):
                self.vectors[found.id, number] = found.data[place * size : (place + 1) * size]

    def check_idle(self) -> None:
        assert not self.loop._requests
        self.engine.check_idle()


Place = tuple[Any, str, str]  # the owner of an operation, its name there, and its name for people


def places(made: LoopEngine) -> list[Place]:
    """The operations of a step: planning, the runner's, committing."""
    run, plan = made.engine.runner, made.engine.scheduler
    names = "lookup after coming admit extend commit"
    found: list[Place] = [(plan.cache, name, f"cache.{name}") for name in names.split()]
    found += [(plan, name, f"scheduler.{name}") for name in ("_admit", "_share", "_credit")]
    found += [(scheduler, name, f"scheduler.{name}") for name in ("append_tokens", "make_step")]
    found += [(run.model, "forward", "model.forward"), (made.loop, "_masks", "loop.masks")]
    found += [(backend, "plan", "backend.plan") for backend in run.backends]
    found += [(part, "forward", f"model.{n}") for n, part in run.model.named_modules() if n.endswith("layers.1")]
    batch = ("apply", "_add", "_remove", "prepare", "_write_tokens", "_append_pages")
    if run.batch is not None:
        found += [(run.batch, name, f"batch.{name}") for name in batch]
    return found + (_pooling(run) if made.engine.pooling is not None else _sampling(run))


def _pooling(run: Any) -> list[Place]:
    found: list[Place] = [(run, "heads", "heads"), (run, "_by_pooler", "by_pooler"), (pooling, "_packed", "packed")]
    found += [(pooler, name, f"pooler.{name}") for pooler in run.poolers.values() for name in ("update", "forget")]
    if run.batch is None:
        return [*found, (pooling, "whole_batch", "whole_batch")]
    return [*found, (pooling, "clear_new_pages", "clear_new_pages")]


def _sampling(run: Any) -> list[Place]:
    parts = ("rows", "processors", "scorer", "embeds")
    found: list[Place] = [(getattr(run, p), name, f"{p}.{name}") for p in parts for name in ("add", "remove", "move")]
    found += [(run.embeds, "place", "embeds.place"), (run.replays, "forward", "replays.forward")]
    found += [(run.scorer, name, f"scorer.{name}") for name in ("keep", "take", "_score")]
    found += [(run.sampler, name, f"sampler.{name}") for name in ("sample", "_raw_logprobs", "_change_argmax", "_draw")]
    found += [(run.processors, "apply", "processors.apply"), (run.model, "logits", "model.logits")]
    found += [(run.batch, name, f"batch.{name}") for name in ("write_sampled", "write_accepted")]
    found += [(run, "_keep", "runner.keep"), (run.rows.bad_words, "apply", "bad_words.apply")]
    found += [(run.rows.allowed, "keep_only", "allowed.keep_only"), (run.rows.bias, "add_to", "bias.add_to")]
    found += [(run.rows.ends, "add_to", "ends.add_to")]
    found += [(runner, name, name) for name in ("clear_new_pages", "apply_masks", "collect", "accepted")]
    return found + [(sampler, name, name) for name in ("uniform", "apply_penalties")]


class Faults:
    """Counts the calls of operations, and raises at one of them: before it has done its work, or after."""

    def __init__(self, operations: Sequence[Place], patch: Callable[[Any, str, Any], None]) -> None:
        self.calls: Counter[str] = Counter()
        self._armed: tuple[str, int, bool] | None = None
        for owner, name, label in operations:
            patch(owner, name, self._wrapped(getattr(owner, name), label))

    def _wrapped(self, inner: Callable[..., Any], label: str) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.calls[label] += 1
            armed = self._armed
            mine = armed is not None and armed[:2] == (label, self.calls[label])
            if armed is not None and mine and not armed[2]:
                raise Injected(label)
            result = inner(*args, **kwargs)
            if mine:
                raise Injected(label)
            return result

        return wrapped

    def arm(self, operation: str, call: int, *, after: bool) -> None:
        """Raise at the ``call``-th call of ``operation`` from now on."""
        self.calls.clear()
        self._armed = (operation, call, after)

    def disarm(self) -> bool:
        """Raise no more. Return True if the fault came."""
        armed, self._armed = self._armed, None
        return armed is not None and self.calls[armed[0]] >= armed[1]
