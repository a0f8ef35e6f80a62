"""An engine without processes: scheduler and runner in one thread, for tests that look at tokens, logits and pages."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Mapping
from collections.abc import Sequence as Seq
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from frameworkctl.checkpoints.json_files import read_checkpoint
from frameworkctl.config import EngineConfig, EngineOptions
from frameworkctl.execution.build import Built, build
from frameworkctl.execution.compilers import make_compiler
from frameworkctl.execution.speculation import make_drafter
from frameworkctl.interfaces.engine import World
from frameworkctl.interfaces.generation.scheduling import Policy
from frameworkctl.interfaces.generation.structured import GrammarCompiler
from frameworkctl.interfaces.pooling import TOKEN_TASKS, PoolParams
from frameworkctl.params import SamplingParams
from frameworkctl.plugins import PluginHost, discover, select
from frameworkctl.plugins.architectures import choose
from frameworkctl.plugins.discovery import BACKENDS, PLUGINS
from frameworkctl.pooling.options import Convert, Runner
from frameworkctl.pooling.resolution import resolve
from frameworkctl.scheduling.cache import prefix
from frameworkctl.scheduling.cache.manager import CacheManager
from frameworkctl.scheduling.constraints.masks import held, step_masks
from frameworkctl.scheduling.constraints.states import Constrained
from frameworkctl.scheduling.policies import FirstComeFirstServed
from frameworkctl.scheduling.scheduler import Limits, Scheduler, Step
from frameworkctl.scheduling.sequence import Sequence, Status
from frameworkctl.scheduling.stopping import Event


def _loaded(plugins: Seq[str], *, speculates: bool) -> PluginHost:
    """Return a host with the plugins that an engine needs, and with those named."""
    host = PluginHost.from_selection(select(discover(), plugins))
    if plugins:
        host.load_eager()
    for name in host.names(BACKENDS):
        host.load_named(BACKENDS, name)
    host.load_named(PLUGINS, "poolers")
    if speculates:
        host.load_named(PLUGINS, "ngram")
    return host


class InProcessEngine:
    """Builds a checkpoint and runs requests to their end, one thread, no messages.

    ``generate`` gives tokens; with ``record_logits``, ``logits[n]`` holds a tensor ``[vocab]`` for each token of the
    n-th sequence (from 1). ``plugins`` are switched on as by ``--plugins``; ``options`` are those of EngineOptions
    (float32 unless said); ``runner``, ``convert`` and ``pooler_config`` are as of ``serve``: where the model pools,
    ``pool`` gives vectors. With ``overlap`` a step is planned while the one before it runs, as on a GPU.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        overlap: bool = False,
        prefix_caching: bool = True,
        policy: Policy | None = None,
        world: World | None = None,
        max_model_len: int | None = None,
        model_impl: str = "auto",
        plugins: Seq[str] = (),
        runner: Runner = "auto",
        convert: Convert = "auto",
        pooler_config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.options = EngineOptions(**{"dtype": "float32", "max_num_seqs": 16, **options})
        self.host = _loaded(plugins, speculates=bool(self.options.speculative_config))
        checkpoint = read_checkpoint(Path(folder))
        choice = choose(self.host, checkpoint, model_impl)
        poolers = {name: r.spec for name, r in self.host.registry.poolers.items()}
        info = self.info = resolve(
            choice.info, checkpoint, runner=runner, convert=convert, given=pooler_config, poolers=poolers
        )
        self.pooling = info.pooling
        self.max_model_len = min(max_model_len or 512, info.max_model_len)
        self.config = EngineConfig(
            name="test",
            folder=str(folder),
            architecture=info.architecture,
            checkpoint_dtype=info.dtype,
            max_model_len=self.max_model_len,
            vocab_size=info.vocab_size,
            options=self.options,
            registered=choice.name,
            tokenizer=str(Path(folder) / "tokenizer.json"),
            eos_token_ids=info.eos_token_ids,
            pooling=info.pooling,
        )
        self.built: Built = build(self.config, self.host, lambda done, total: None, world)
        self.runner: Any = self.built.runner  # a PoolingRunner where the model pools
        self.cache = CacheManager(
            self.built.layout,
            self.built.pages,
            max_chunk=self.options.max_num_batched_tokens,
            prefix_caching=prefix_caching,
        )
        limits = Limits(
            self.options.max_num_seqs,
            self.options.max_num_batched_tokens,
            self.options.long_prefill_token_threshold,
            long_after=self.built.long_after,
        )
        drafter = make_drafter(self.host, self.config, self.built.layout, self.built.long_after)
        self.scheduler = Scheduler(self.cache, policy or FirstComeFirstServed(), limits, drafter)
        self.overlap = overlap
        self._begin_records()

    def _begin_records(self) -> None:
        self._ids = itertools.count(1)
        self._planned: Step | None = None
        self.steps = 0
        self.logits: dict[int, list[torch.Tensor]] = {}
        self.events: dict[int, list[Any]] = {}
        self.record_logits = False
        if self.pooling is None:
            self._hook_sampler()

    def _hook_sampler(self) -> None:
        sample = self.runner.sampler.sample

        def recording(logits: torch.Tensor, rows: Any, ahead: Any = None) -> Any:
            if self.record_logits:
                for i, (row, line) in enumerate(zip(rows.tolist(), logits, strict=True)):
                    kept = self.logits.setdefault(int(self.runner.batch.ids[row]), [])
                    if self.scheduler.drafter is not None and (ahead is None or not ahead[i]):
                        del kept[len(self.runner.batch.outputs[row]) :]  # those of drafts that were wrong
                    kept.append(line.clone())
            return sample(logits, rows, ahead)

        self.runner.sampler.sample = recording

    def add(
        self, prompt: Seq[int], params: SamplingParams, *, index: int = 0, salt: str | None = None, priority: int = 0
    ) -> Sequence:
        id_ = next(self._ids)
        seq = Sequence(
            id_,
            id_,
            index,
            array("i", prompt),
            params,
            seed=(params.seed or 0) + index,
            limit=min(len(prompt) + params.max_tokens, self.max_model_len),
            arrival=float(id_),
            groups=len(self.built.layout.groups),
            chain_root=prefix.root({"salt": salt} if salt else None),
            priority=priority,
        )
        if params.grammar is not None:
            seq.constrained = Constrained(self.compiler.compile(params.grammar.text), params, self.compiler)
        self.scheduler.add(seq)
        return seq

    def add_pooled(self, prompt: Seq[int], params: PoolParams, *, salt: str | None = None) -> Sequence:
        id_ = next(self._ids)
        assert self.pooling is not None
        name = self.pooling.token_pooler if params.task in TOKEN_TASKS else self.pooling.pooler
        seq = Sequence(
            id_,
            id_,
            0,
            array("i", prompt),
            SamplingParams(max_tokens=1),
            seed=0,
            limit=len(prompt) + 1,
            arrival=float(id_),
            groups=len(self.built.layout.groups),
            chain_root=prefix.root({"salt": salt} if salt else None),
            pool=params,
            reads_all=self.host.registry.poolers[name].spec.needs_all,
        )
        self.scheduler.add(seq)
        return seq

    def step(self) -> bool:
        """Run one turn of the engine's loop; return False when there was nothing to do."""
        step = self._planned or self.scheduler.schedule()
        self._planned = None
        if step is None:
            return False
        self.steps += 1
        self.runner.launch(step.plan)
        if self.overlap:
            self._planned = self.scheduler.schedule()
        for event in self._sample(step):
            self.events.setdefault(event.seq.id, []).append(event)
        return True

    def _sample(self, step: Step) -> list[Event]:
        sequences = held(step)
        masks, lost = step_masks(sequences.values(), self.compiler, self.info.vocab_size) if sequences else (None, {})
        refused = [self.scheduler.refuse(sequences[id_], why) for id_, why in lost.items()]
        return refused + self.scheduler.commit(step, self.runner.sample(masks))

    @cached_property
    def compiler(self) -> GrammarCompiler:
        """Return the compiler of the structured output that the options name."""
        self.host.load_named(PLUGINS, self.options.structured_output)
        return make_compiler(self.host, self.config, 1)

    def run(self, limit: int = 10_000) -> None:
        for _ in range(limit):
            if not self.step():
                return
        raise AssertionError("the engine does not come to an end")

    def generate(self, prompts: Seq[Seq[int]], params: SamplingParams | Seq[SamplingParams]) -> list[list[int]]:
        """Output tokens of every prompt; all are in the batch together."""
        many = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
        seqs = [self.add(p, q) for p, q in zip(prompts, many, strict=True)]
        self.run()
        assert all(s.status is Status.FINISHED for s in seqs)
        self.check_idle()
        for seq in seqs if self.scheduler.drafter is not None else ():
            del self.logits.get(seq.id, [])[seq.output_len :]
        return [list(s.tokens[s.prompt_len :]) for s in seqs]

    def pool(self, prompts: Seq[Seq[int]], params: PoolParams | Seq[PoolParams]) -> list[torch.Tensor]:
        """Return what every prompt is pooled to, ``[width]`` or ``[rows, width]`` float32; all are in the batch
        together.
        """
        many = [params] * len(prompts) if isinstance(params, PoolParams) else list(params)
        seqs = [self.add_pooled(p, q) for p, q in zip(prompts, many, strict=True)]
        self.run()
        assert all(s.status is Status.FINISHED for s in seqs)
        self.check_idle()
        out = []
        for seq in seqs:
            found = self.events[seq.id][-1].vectors
            assert found is not None, self.events[seq.id][-1].error
            flat = torch.from_numpy(np.frombuffer(found.data, dtype=np.float32).copy())
            out.append(flat if found.rows is None else flat.view(found.rows, found.width))
        return out

    def check_idle(self) -> None:
        self.scheduler.check_integrity()
        assert self.cache.pool.free == self.cache.pool.usable, "pages are still held"
