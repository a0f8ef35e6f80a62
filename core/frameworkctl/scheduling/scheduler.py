"""One unified schedule: each step gives each sequence some of the tokens it wants, under a budget.

Prefill chunks, decodes and cached prefixes are one case: tokens known minus tokens computed. A step may be planned
while the one before it still runs: token counts do not depend on token values.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from contextlib import closing

import msgspec

from ..interfaces.scheduling import Load, Policy, RequestView
from .cache import CacheManager
from .plan import MorePages, MoreTokens, NewSequence, Sampled, Scheduled, StepPlan
from .sequence import Sequence, Status
from .stopping import Event, stop_reason
from .waiting import WaitingQueue


class Limits(msgspec.Struct, frozen=True):
    """The budgets of a step."""

    max_seqs: int
    max_tokens: int
    long_prefill: int = 0  # 0: no limit
    watermark: float = 0.0


class Step(msgspec.Struct):
    """A plan and the state it was made in: what ``commit`` and ``retract`` need."""

    plan: StepPlan
    entries: list[tuple[Sequence, int, int]]  # sequence, tokens computed after this step, epoch
    sent: list[tuple[Sequence, bool, list[int]]]  # sequence, known to runner and pages sent before


class Scheduler:
    """Queues, budgets and states of all sequences of one engine. Not thread-safe: the engine's loop owns it."""

    def __init__(self, cache: CacheManager, policy: Policy, limits: Limits) -> None:
        self.cache, self.policy, self.limits = cache, policy, limits
        self.waiting = WaitingQueue(policy)
        self.running: dict[int, Sequence] = {}
        self.preemptions = 0
        self.clamped = 0  # impossible answers of the policy
        self._drop: list[int] = []
        self._appended: dict[int, array[int]] = {}
        self.steps = 0
        self._caps = type(policy).cap is not Policy.cap
        self._holds = type(policy).hold is not Policy.hold

    # -- sequences come and go

    def add(self, seq: Sequence) -> None:
        self.waiting.add(seq)

    def append(self, seq: Sequence, tokens: array[int], *, final: bool) -> None:
        """More prompt for a session; with ``final`` it starts to generate."""
        seq.tokens.extend(tokens)
        seq.prompt_len += len(tokens)
        seq.limit += len(tokens)
        seq.input_open = not final
        if seq.known_to_runner and tokens:
            self._appended.setdefault(seq.id, array("i")).extend(tokens)

    def finish(self, seq: Sequence) -> None:
        """Take a sequence out, whatever its state; its pages are free at once."""
        if seq.status is Status.FINISHED:
            return
        seq.status = Status.FINISHED
        self.running.pop(seq.id, None)
        self.waiting.discard(seq)
        self.cache.free(seq)
        self._forget(seq)
        self.policy.finished(seq.view())

    def _forget(self, seq: Sequence) -> None:
        if seq.known_to_runner:
            self._drop.append(seq.id)
            seq.known_to_runner = False
        self._appended.pop(seq.id, None)

    @property
    def has_work(self) -> bool:
        return bool(self.waiting) or any(s.wanted > 0 for s in self.running.values())

    def load(self) -> Load:
        pool = self.cache.pool
        return Load(len(self.running), len(self.waiting), pool.free, pool.usable)

    # -- one step

    def schedule(self) -> Step | None:
        """Plan a step; None when nobody can compute anything now."""
        planned: dict[int, tuple[Sequence, int]] = {}
        before = self.preemptions
        budget = self._schedule_running(planned, self.limits.max_tokens)
        if self.preemptions == before:
            self._schedule_waiting(planned, budget)
        if not planned:
            return None
        return self._make_step(planned)

    def _schedule_running(self, planned: dict[int, tuple[Sequence, int]], budget: int) -> int:
        for seq in list(self.running.values()):
            if budget <= 0:
                break
            if seq.status is not Status.RUNNING:
                continue  # lost its pages to one before it
            count = self._share(seq, seq.wanted, budget)
            if count <= 0:
                continue
            while not self.cache.extend(seq, seq.computed + count):
                victim = self._victim(seq)
                if victim.id in planned:
                    budget += planned.pop(victim.id)[1]
                self._preempt(victim)
                if victim is seq:
                    break
            else:
                planned[seq.id] = (seq, count)
                budget -= count
        for seq, count in planned.values():
            seq.computed += count
        return budget

    def _schedule_waiting(self, planned: dict[int, tuple[Sequence, int]], budget: int) -> None:
        if not self.waiting or budget <= 0 or len(self.running) >= self.limits.max_seqs:
            return
        with closing(self.waiting.in_order()) as queue:
            for seq in queue:
                if budget <= 0 or len(self.running) >= self.limits.max_seqs:
                    break
                if not self._ready(seq):
                    continue
                hit = self.cache.lookup(seq)
                count = self._share(seq, seq.wanted_after(hit.length), budget)
                if count <= 0:
                    continue
                headroom = int(self.limits.watermark * self.cache.pool.usable) if self.running else 0
                if not self.cache.admit(seq, hit, count, seq.known, headroom):
                    break  # those behind must not overtake it for ever
                self._admit(seq, hit.length, count)
                planned[seq.id] = (seq, count)
                budget -= count

    def _admit(self, seq: Sequence, hit: int, count: int) -> None:
        self.waiting.discard(seq)
        seq.status = Status.RUNNING
        if seq.cached_tokens < 0:
            seq.cached_tokens = hit
        seq.computed += count
        self.running[seq.id] = seq

    def _ready(self, seq: Sequence) -> bool:
        """Children of one prompt wait until the first has computed it, then find it in the prefix cache."""
        leader = seq.leader
        if leader is not None and self.cache.prefix_caching and seq.epoch == 0:
            ended = leader.status is Status.FINISHED
            if not ended and leader.committed < leader.prompt_len:
                return False
        if seq.wanted <= 0:
            return False
        return not (self._holds and self.policy.hold(seq.view(), self.load()))

    def _share(self, seq: Sequence, want: int, budget: int) -> int:
        count = min(want, budget)
        others = len(self.running) - (seq.id in self.running)
        if 0 < self.limits.long_prefill < count and others:
            count = self.limits.long_prefill
        if self._caps and count > 0:
            answer = self.policy.cap(seq.view(), count, self.load())
            if not 0 <= answer <= count:
                self.clamped += 1
            count = max(0, min(answer, count))
        return count

    def _victim(self, need: Sequence) -> Sequence:
        """Sessions that wait for input first; then as the policy says."""
        candidates = list(self.running.values())
        for seq in reversed(candidates):
            if seq.input_open and seq.wanted == 0 and seq is not need:
                return seq
        views: list[RequestView] = [s.view() for s in candidates]
        index = self.policy.victim(views, need.view())
        if not 0 <= index < len(candidates):
            self.clamped += 1
            index = len(candidates) - 1
        return candidates[index]

    def _preempt(self, seq: Sequence) -> None:
        """Back to the queue without pages; its tokens stay."""
        del self.running[seq.id]
        self.cache.free(seq)
        self._forget(seq)
        seq.computed = seq.committed = 0
        seq.epoch += 1
        seq.status = Status.WAITING
        self.preemptions += 1
        self.waiting.add(seq)

    def _make_step(self, planned: dict[int, tuple[Sequence, int]]) -> Step:
        new, pages, scheduled, entries, sent = [], [], [], [], []
        for seq, count in planned.values():
            sample = seq.computed == seq.known and not seq.input_open
            sent.append((seq, seq.known_to_runner, seq.sent[:]))
            if not seq.known_to_runner:
                new.append(
                    NewSequence(
                        seq.id, seq.tokens.tobytes(), seq.prompt_len, seq.computed - count, [t[:] for t in seq.tables],
                        seq.params, seq.seed, seq.kept,
                    )
                )  # fmt: skip
                seq.known_to_runner = True
            elif any(len(t) > n for t, n in zip(seq.tables, seq.sent, strict=True)):
                pages.append(MorePages(seq.id, [t[n:] for t, n in zip(seq.tables, seq.sent, strict=True)]))
            seq.sent = [len(t) for t in seq.tables]
            seq.pending += sample
            scheduled.append(Scheduled(seq.id, count, sample))
            entries.append((seq, seq.computed, seq.epoch))
        appended = [MoreTokens(i, t.tobytes()) for i, t in self._appended.items()]
        self._appended = {}
        dropped, self._drop = self._drop, []
        self.steps += 1
        return Step(StepPlan(self.steps, dropped, new, appended, pages, scheduled), entries, sent)

    def commit(self, step: Step, sampled: Iterable[Sampled]) -> list[Event]:
        """The step is done: credit what it computed, take the new tokens, and say what became of each sequence."""
        results = {s.id: s for s in sampled}
        events = []
        for (seq, computed, epoch), item in zip(step.entries, step.plan.scheduled, strict=True):
            if item.sample:
                seq.pending -= 1
            if seq.status is Status.FINISHED:
                continue  # a surplus token of one that ended, or was aborted, while the step ran
            result = results.get(seq.id) if item.sample else None
            if result is not None and result.error is None:
                seq.tokens.append(result.token)
            if epoch == seq.epoch:
                self.cache.commit(seq, computed)
            if result is not None:
                events.append(self._take(seq, result))
        return events

    def _take(self, seq: Sequence, result: Sampled) -> Event:
        if result.error is not None:
            self.finish(seq)
            return Event(seq, None, None, "error", None, result.error)
        reason, detail = stop_reason(seq, result.token)
        if reason is not None:
            self.finish(seq)
        return Event(seq, result.token, result.logprobs, reason, detail, None)

    def fail(self, step: Step, message: str) -> list[Event]:
        """The step raised: its sequences end, nothing of it counts."""
        events = []
        for (seq, _, _), item in zip(step.entries, step.plan.scheduled, strict=True):
            if item.sample:
                seq.pending -= 1
            if seq.status is not Status.FINISHED:
                self.finish(seq)
                events.append(Event(seq, None, None, "error", None, message))
        return events

    def retract(self, step: Step) -> None:
        """A step that was planned and will not run: as if it had never been."""
        for (seq, computed, epoch), item, (_, known, sent) in zip(
            step.entries, step.plan.scheduled, step.sent, strict=True
        ):
            if item.sample:
                seq.pending -= 1
            if seq.status is Status.FINISHED or epoch != seq.epoch:
                if not known and seq.id in self._drop:
                    self._drop.remove(seq.id)  # the runner never heard of it
                continue
            seq.computed = computed - item.count
            seq.known_to_runner, seq.sent = known, sent
        self._drop = step.plan.dropped + self._drop
        for more in step.plan.tokens:
            tokens = array("i")
            tokens.frombytes(more.tokens)
            self._appended[more.id] = tokens + self._appended.get(more.id, array("i"))

    def check_integrity(self) -> None:
        """Raises AssertionError unless pages, references and queues agree."""
        self.cache.check_integrity(list(self.running.values()))
        assert all(s.status is Status.RUNNING for s in self.running.values()), "a running sequence is not"
