"""The engine's loop over the fake runner, with a check of everything that must hold after every move."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from frameworkctl.interfaces import PoolParams, PoolTask
from frameworkctl.interfaces.generation.scheduling import Policy
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.cache.groups import PoolLayout
from frameworkctl.scheduling.cache.manager import CacheManager
from frameworkctl.scheduling.plan import Sampled, StepPlan, Vectors
from frameworkctl.scheduling.policies import FirstComeFirstServed
from frameworkctl.scheduling.scheduler import Limits, Scheduler, Step
from frameworkctl.scheduling.sequence import Sequence as Seq
from frameworkctl.scheduling.sequence import Status
from frameworkctl.scheduling.stopping import Event

from .scheduling import Context, digests, make_sequence, reference
from .scheduling_runner import READS_ALL, FailAt, FakeRunner, ModelFailed, PluginFailed, WatchedPool, vectors


def least_pages(layout: PoolLayout, max_model_len: int, chunk: int, max_cross: int = 0) -> int:
    """The smallest pool that execution/memory.py makes: one sequence of the full length fits."""
    return layout.max_pages(max_model_len, min(chunk, max_model_len), max_cross) + 1


@dataclass
class Client:
    """One sequence as the one who asked for it sees it."""

    seq: Seq
    context: Context
    prompt: list[int]
    outputs: list[int] = field(default_factory=list)
    reason: str | None = None
    stop_reason: int | None = None
    error: str | None = None
    aborted: bool = False
    open: bool = False
    vectors: Vectors | None = None

    @property
    def ended(self) -> bool:
        return self.aborted or self.reason is not None


class FakeEngine:
    """Requests in, tokens out, one thread. ``overlap``: the next step is planned while one runs."""

    def __init__(
        self,
        layout: PoolLayout,
        *,
        pages: int | None = None,
        extra: int = 0,
        max_model_len: int = 40,
        max_cross: int = 0,
        max_seqs: int = 4,
        max_tokens: int = 8,
        long_prefill: int = 0,
        watermark: float = 0.0,
        overlap: bool = False,
        prefix_caching: bool = True,
        policy: Policy | None = None,
        whole: bool = False,
    ) -> None:
        self.layout, self.max_model_len, self.overlap = layout, max_model_len, overlap
        if pages is None:
            pages = least_pages(layout, max_model_len, max_tokens * (1 + overlap), max_cross) + extra
        self.contexts: dict[int, Context] = {}
        self.cache = CacheManager(layout, pages, max_chunk=max_tokens, prefix_caching=prefix_caching)
        self.runner = FakeRunner(
            layout, pages, self.contexts, max_seqs=max_seqs, max_tokens=max_tokens, max_len=max_model_len + 1
        )
        self.pool = self.cache.pool = WatchedPool(pages, layout, self.runner.store)
        self.limits = Limits(max_seqs, max_tokens, long_prefill, watermark, whole=whole)
        self.scheduler = Scheduler(self.cache, policy or FirstComeFirstServed(), self.limits)
        self.clients: dict[int, Client] = {}
        self.requests: dict[int, list[Client]] = {}
        self.steps: list[Step] = []
        self.planned: Step | None = None
        self._ids, self._request_ids = itertools.count(1), itertools.count(1)

    # -- what a server asks

    def generate(
        self,
        prompt: Sequence[int],
        params: SamplingParams,
        *,
        context: Context | None = None,
        seed: int = 0,
        priority: int = 0,
        open: bool = False,
    ) -> list[Client]:
        """``params.n`` sequences, made as ``EngineLoop._generate`` makes them."""
        request = next(self._request_ids)
        context = context or Context()
        made: list[Client] = []
        for index in range(params.n):
            id_ = next(self._ids)
            seq = make_sequence(
                prompt,
                params,
                groups=len(self.layout.groups),
                id=id_,
                request=request,
                index=index,
                context=context,
                max_model_len=self.max_model_len,
                arrival=float(request),
                seed=seed,
                priority=priority,
                input_open=open,
            )
            self.contexts[id_] = context
            self.clients[id_] = Client(seq, context, list(prompt), open=open)
            made.append(self.clients[id_])
            self.scheduler.add(seq)
        self.requests[request] = made
        return made

    def pool_text(
        self, prompt: Sequence[int], task: PoolTask = "embed", *, context: Context | None = None, priority: int = 0
    ) -> Client:
        """One text, made as ``engine.pooling.sequences`` makes it."""
        id_, context = next(self._ids), context or Context()
        seq = make_sequence(
            prompt,
            groups=len(self.layout.groups),
            id=id_,
            context=context,
            priority=priority,
            pool=PoolParams(task),
            reads_all=task == READS_ALL,
        )
        self.contexts[id_] = context
        client = self.clients[id_] = Client(seq, context, list(prompt))
        self.requests[next(self._request_ids)] = [client]
        self.scheduler.add(seq)
        return client

    def append(self, request: int, tokens: Sequence[int], *, final: bool) -> None:
        for client in self.requests[request]:
            if not client.ended:
                client.prompt += tokens
                client.open = not final
                self.scheduler.append(client.seq, array("i", tokens), final=final)
                client.seq.limit = min(client.seq.limit, self.max_model_len)

    def abort(self, client: Client) -> None:
        if not client.ended:
            client.aborted = True
            self.scheduler.finish(client.seq)

    def alive(self) -> list[Client]:
        """Those that have not ended."""
        return [c for c in self.clients.values() if not c.ended]

    # -- what the loop does

    def turn(
        self,
        fail_at: FailAt | None = None,
        row_error: int | None = None,
        *,
        during: Callable[[], None] | None = None,
    ) -> bool:
        """``EngineLoop._turn``; False when there was nothing to do. ``row_error``: the sampled row that goes wrong;
        ``during``: what happens while the step runs."""
        step, self.planned = self.planned or self._schedule(), None
        if step is None:
            return False
        plan = msgspec.msgpack.decode(msgspec.msgpack.encode(step.plan), type=StepPlan)  # as another rank gets it
        try:
            self.runner.launch(plan, fail_at)
            if self.overlap:
                self.planned = self._schedule()
            if during is not None:
                during()
            sampled = self.runner.sample(fail_at)
        except (ModelFailed, PluginFailed):
            self.runner.reset()
            self.planned = None
            events = self.scheduler.fail(step, "the model failed")
        else:
            if row_error is not None and sampled:
                at = row_error % len(sampled)
                sampled[at] = Sampled(sampled[at].id, sampled[at].token, None, "a processor failed")
            events = self.scheduler.commit(step, sampled)
        for event in events:
            self._take(event)
        self.steps.append(step)
        self.check()
        return True

    def _schedule(self) -> Step | None:
        step = self.scheduler.schedule()
        self.scheduler.check_integrity()
        assert len(self.scheduler.running) <= self.limits.max_seqs
        left = self.limits.max_tokens
        if step is not None:
            assert len(step.plan.scheduled) <= self.limits.max_seqs
            left -= sum(s.count for s in step.plan.scheduled)
            assert left >= 0
            if self.limits.whole:
                assert all(s.sample for s in step.plan.scheduled), "a part of a text"
            if self.steps:
                assert step.plan.step > self.steps[-1].plan.step
        if (
            left > 0
            and not self.limits.whole
            and not self.limits.long_prefill
            and type(self.scheduler.policy).cap is Policy.cap
        ):
            sampled = {s.id for s in step.plan.scheduled if s.sample} if step is not None else set()
            for seq in self.scheduler.running.values():
                # Planned ahead, it may wait for the pages that its own step under way will give back.
                waits = self.overlap and seq.computed > seq.committed
                assert waits or seq.wanted <= (seq.id in sampled), f"budget was left that {seq.id} wanted"
        return step

    def _take(self, event: Event) -> None:
        client = self.clients[event.seq.id]
        assert not client.ended, "an event after the end"
        assert event.token is None or not client.open, "a session that waits for input has generated"
        assert (event.token is None and event.vectors is None) == (event.error is not None)
        assert event.vectors is None or (event.seq.pool is not None and event.reason == "stop")
        client.vectors = event.vectors
        if event.token is not None:
            client.outputs.append(event.token)
        client.reason, client.stop_reason, client.error = event.reason, event.stop_reason, event.error
        if event.reason is not None:
            assert event.seq.status is Status.FINISHED

    # -- what must hold

    def check(self) -> None:
        """After every move."""
        self.scheduler.check_integrity()
        self.pool.check_content()
        for client in self.clients.values():
            seq = client.seq
            places = (seq.id in self.scheduler.running) + (seq in self.scheduler.waiting)
            wrong = places != (0 if client.ended else 1) and not (client.open and places == 0)  # it may rest elsewhere
            assert not wrong, f"sequence {seq.id} is in {places} places"
            assert (seq.status is Status.FINISHED) == client.ended
            if client.ended:
                assert not any(seq.tables)
            else:
                assert 0 <= seq.committed <= seq.computed <= seq.known <= seq.limit
                assert seq.limit <= self.max_model_len + (seq.pool is not None)
                assert list(seq.tokens) == client.prompt + client.outputs
        cache = self.cache
        assert 0 <= cache.hit_tokens <= cache.query_tokens

    def check_outputs(self) -> None:
        """Everything that has come out is what the model says, no more and no less."""
        for client in self.clients.values():
            if client.open:
                assert not client.outputs
                continue
            if client.seq.pool is not None:
                wanted = vectors(digests(client.context, client.prompt)[-1])
                assert not client.outputs
                assert client.vectors == (wanted if client.reason == "stop" else None)
                continue
            tokens, reason, stop = reference(
                client.context, client.prompt, client.seq.params, seed=client.seq.seed, max_model_len=self.max_model_len
            )
            assert client.outputs == tokens[: len(client.outputs)]
            if client.reason is not None and client.error is None:
                assert (client.outputs, client.reason, client.stop_reason) == (tokens, reason, stop)
            if client.error is not None:
                assert client.reason == "error"

    def drain(self, limit: int | None = None) -> int:
        """Close every session and step until nothing is left; AssertionError when that takes too long."""
        for request, clients in self.requests.items():
            if any(c.open and not c.ended for c in clients):
                self.append(request, [] if clients[0].seq.tokens else [1], final=True)
        left = [c.seq for c in self.clients.values() if not c.ended]
        # Every sequence may have to be computed anew for every token it makes, and shares the steps with all others.
        work = sum((s.limit - s.prompt_len + 2) * (1 + s.limit // self._pace()) for s in left)
        limit = limit or 20 + 4 * work
        for turns in range(limit):
            if not self.turn() and all(c.ended for c in self.clients.values()):
                self.check_idle()
                return turns
        left_over = [c.seq.id for c in self.clients.values() if not c.ended]
        raise AssertionError(f"not at an end after {limit} steps: {left_over}")

    def _pace(self) -> int:
        share = self.limits.long_prefill or self.limits.max_tokens
        return max(1, min(share, self.limits.max_tokens))

    def check_idle(self) -> None:
        """Nobody is left, and nothing of anybody."""
        self.check()
        self.check_outputs()
        assert not self.scheduler.running
        assert not self.scheduler.waiting
        assert not self.scheduler.has_work
        assert self.pool.free == self.pool.usable, "pages are lost"
