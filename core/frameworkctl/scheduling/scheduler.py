"""One unified schedule: each step gives each sequence some of the tokens it wants, under a budget.

Prefill chunks, decodes and cached prefixes are one case: tokens known minus tokens computed. A step may be planned
while the one before it still runs: token counts do not depend on token values.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Container, Iterable
from contextlib import closing

import msgspec

from frameworkctl.interfaces.generation.scheduling import Load, Policy, RequestView
from frameworkctl.scheduling.cache.manager import CacheManager, Hit
from frameworkctl.scheduling.speculation.drafts import Drafter

from .checked_policy import PolicyGuard
from .constraints.states import NO_TOKEN as NOTHING_LEFT
from .plan import NO_TOKEN, Sampled, Scheduled
from .sequence import Sequence, Status
from .step import Limits as Limits
from .step import Step as Step
from .step import make_step
from .stopping import Event, append_tokens, stop_reason
from .waiting import WaitingQueue

log = logging.getLogger("frameworkctl.scheduling")


class Scheduler:
    """Queues, budgets and states of all sequences of one engine. Not thread-safe: the engine's loop owns it."""

    def __init__(self, cache: CacheManager, policy: Policy, limits: Limits, drafter: Drafter | None = None) -> None:
        self.cache, self.policy, self.limits, self.drafter = cache, policy, limits, drafter
        self.guard = PolicyGuard(policy)
        self.waiting = WaitingQueue(self.guard)
        self.running: dict[int, Sequence] = {}
        self.resting: dict[int, Sequence] = {}  # sessions without pages, until more input comes
        self.preemptions = 0
        self._drop: list[int] = []
        self._appended: dict[int, array[int]] = {}
        self._at: Sequence | None = None  # the one that is being planned: if that raises, it ends
        self.steps = 0

    # -- sequences come and go

    def add(self, seq: Sequence) -> None:
        if seq.idle:
            self.resting[seq.id] = seq
        else:
            self.waiting.add(seq)

    def append(self, seq: Sequence, tokens: array[int], *, final: bool) -> None:
        """Append to the prompt of a session; with ``final`` it starts to generate."""
        seq.tokens.extend(tokens)
        seq.prompt_len += len(tokens)
        seq.limit += len(tokens)
        seq.input_open = not final
        if seq.known_to_runner and tokens:
            self._appended.setdefault(seq.id, array("i")).extend(tokens)
        if seq.id in self.resting and (tokens or final) and not seq.idle:
            self.waiting.add(self.resting.pop(seq.id))

    def finish(self, seq: Sequence) -> None:
        """Take a sequence out, whatever its state; its pages are free at once."""
        if seq.status is Status.FINISHED:
            return
        seq.status = Status.FINISHED
        self.running.pop(seq.id, None)
        self.resting.pop(seq.id, None)
        self.waiting.discard(seq)
        self.cache.free(seq)
        self._forget(seq)
        self.guard.finished(seq.view())

    def _forget(self, seq: Sequence) -> None:
        if seq.known_to_runner:
            self._drop.append(seq.id)
            seq.known_to_runner = False
        self._appended.pop(seq.id, None)

    @property
    def clamped(self) -> int:
        """Impossible answers of the policy."""
        return self.guard.faults

    @property
    def has_work(self) -> bool:
        return bool(self.waiting) or any(s.wanted > 0 for s in self.running.values())

    def load(self) -> Load:
        pool = self.cache.pool
        return Load(len(self.running), len(self.waiting), pool.free, pool.usable)

    # -- one step

    def schedule(self) -> Step | None:
        """Plan a step; None when nobody can compute anything now. If it raises, ``fail_planning`` must follow."""
        self._at = None
        if self.drafter is not None:
            self.drafter.propose(self.running.values())
        planned: dict[int, tuple[Sequence, int]] = {}
        budget = self._schedule_running(planned, self.limits.max_tokens)
        self._schedule_waiting(planned, budget)
        if not planned:
            return None
        step = make_step(self.steps + 1, planned.values(), self._drop, self._appended)
        self._drop, self._appended = [], {}
        self.steps += 1
        return step

    def _schedule_running(self, planned: dict[int, tuple[Sequence, int]], budget: int) -> int:
        """Returns the budget left for those that wait: none where pages are lacking already."""
        lacking = False
        for seq in list(self.running.values()):
            if budget <= 0:
                break
            self._at = seq
            if seq.status is not Status.RUNNING:
                continue  # lost its pages to one before it
            count = self._share(seq, seq.wanted, budget)
            if count <= 0:
                continue
            if self._outgrown(seq):
                if seq.computed == seq.committed and not seq.pending:
                    self._preempt(seq)
                continue
            while not self.cache.extend(seq, seq.computed + count):
                if seq.drafts:  # a guess is not worth anybody's pages
                    count, seq.drafts = min(count, seq.wanted - len(seq.drafts)), []
                    continue
                victim = self._victim(seq)
                if victim is seq and seq.computed > seq.committed:
                    lacking = True  # a step of its own is under way, and may give back what falls out of a window
                    break
                if victim.id in planned:
                    budget += planned.pop(victim.id)[1]
                self._preempt(victim)
                lacking = True
                if victim is seq:
                    break
            else:
                planned[seq.id] = (seq, count)
                budget -= count
        for seq, count in planned.values():
            seq.computed += count
        return 0 if lacking else budget

    def _schedule_waiting(self, planned: dict[int, tuple[Sequence, int]], budget: int) -> None:
        if not self.waiting or self._closed(planned, budget):
            return
        coming = {digest for seq in self.running.values() for digest in self.cache.coming(seq)}
        with closing(self.waiting.in_order()) as queue:
            for seq in queue:
                if self._closed(planned, budget):
                    return
                self._at = seq
                if not self._ready(seq) or seq.awaited in coming:
                    continue
                if self._outgrown(seq):
                    seq.become_long()
                hit = self.cache.lookup(seq)
                seq.awaited = self.cache.after(seq, hit)
                if seq.awaited in coming:
                    continue  # another computes what comes next in both: found when that step is done
                count = self._share(seq, seq.wanted_after(hit.length), budget)
                if self.limits.whole and 0 < count < seq.wanted:
                    return  # it comes first in the next step, which has room for any
                if count <= 0:
                    continue
                while not self._admit(seq, hit, count):
                    idle = self._idle(planned)
                    if idle is None:
                        return  # those behind must not overtake it for ever
                    self._preempt(idle)
                planned[seq.id] = (seq, count)
                budget -= count
                coming.update(self.cache.coming(seq))

    def _outgrown(self, seq: Sequence) -> bool:
        """Return whether the cache of a sequence was computed while it was short, and it is long now: it must begin
        again.
        """
        return self.limits.long_after is not None and not seq.long and seq.known > self.limits.long_after

    def _closed(self, planned: Container[int], budget: int) -> bool:
        """Return whether no waiting sequence can join the step any more."""
        return budget <= 0 or (len(self.running) >= self.limits.max_seqs and self._idle(planned) is None)

    def _idle(self, planned: Container[int]) -> Sequence | None:
        """Return the session that gives way to others: it waits for input, and has no part in the step."""
        return next((s for s in reversed(self.running.values()) if s.idle and s.id not in planned), None)

    def _admit(self, seq: Sequence, hit: Hit, count: int) -> bool:
        """Return False where its pages or a place in the batch are lacking."""
        headroom = int(self.limits.watermark * self.cache.pool.usable) if self.running else 0
        full = len(self.running) >= self.limits.max_seqs
        if full or not self.cache.admit(seq, hit, count, seq.known, headroom):
            return False
        self.waiting.discard(seq)
        seq.status = Status.RUNNING
        if seq.cached_tokens < 0:
            seq.cached_tokens = hit.length
        seq.computed += count
        self.running[seq.id] = seq
        return True

    def _ready(self, seq: Sequence) -> bool:
        # A token that is still being sampled would be missing from what the runner is told.
        if seq.wanted <= 0 or seq.pending:
            return False
        return not (self.guard.holds and self.guard.hold(seq.view(), self.load()))

    def _share(self, seq: Sequence, want: int, budget: int) -> int:
        count = min(want, budget)
        if self.limits.whole:
            return count
        others = len(self.running) - (seq.id in self.running)
        if 0 < self.limits.long_prefill < count and others:
            count = self.limits.long_prefill
        if self.guard.caps and count > 0:
            count = self.guard.cap(seq.view(), count, self.load())
        return count

    def _victim(self, need: Sequence) -> Sequence:
        """Sessions that wait for input first; then as the policy says."""
        idle = self._idle(())  # never ``need``, which wants tokens
        if idle is not None:
            return idle
        candidates = list(self.running.values())
        views: list[RequestView] = [s.view() for s in candidates]
        return candidates[self.guard.victim(views, need.view())]

    def _preempt(self, seq: Sequence) -> None:
        """Put a sequence back into the queue without pages; its tokens stay."""
        before, self._at = self._at, seq
        idle = seq.idle
        del self.running[seq.id]
        self.cache.free(seq)
        self._forget(seq)
        seq.computed = seq.committed = 0
        seq.drafts = []
        seq.epoch += 1
        seq.status = Status.WAITING
        self.preemptions += 1
        if idle:
            self.resting[seq.id] = seq
        else:
            self.waiting.add(seq)
        self._at = before

    def commit(self, step: Step, sampled: Iterable[Sampled]) -> list[Event]:
        """Credit a finished step: take its new tokens, and return one event per sequence."""
        results = {s.id: s for s in sampled}
        events = []
        for (seq, computed, epoch), item in zip(step.entries, step.plan.scheduled, strict=True):
            if item.sample:
                seq.pending -= 1
            if seq.status is Status.FINISHED:
                continue  # a surplus token of one that ended, or was aborted, while the step ran
            try:
                events += self._credit(seq, computed if epoch == seq.epoch else None, item, results.get(seq.id))
            except Exception as e:
                log.exception("a sequence could not take its token; it ends")
                events.append(self._end(seq, f"the scheduler failed: {type(e).__name__}: {e}"))
        return events

    def _credit(self, seq: Sequence, computed: int | None, item: Scheduled, result: Sampled | None) -> list[Event]:
        """Commit one sequence; its pages hold ``computed`` tokens, or None if it has lost them since."""
        right = append_tokens(seq, result)
        if item.drafts and self.drafter is not None:
            self.drafter.count(item.drafts, right)
        if computed is not None:
            wrong = len(item.drafts) - right  # their places in the cache are written again
            seq.computed -= wrong
            self.cache.commit(seq, computed - wrong)
        if seq.params.prompt_logprobs is not None and seq.committed >= seq.prompt_len:
            seq.params = msgspec.structs.replace(seq.params, prompt_logprobs=None)  # once is enough
        if result is None:
            return []
        before = [Event(seq, token, None, None, None, None) for token in seq.tokens[-1 - right : -1] if right]
        return [*before, self._take(seq, result)]

    def _take(self, seq: Sequence, result: Sampled) -> Event:
        if result.error is not None:
            held = seq.constrained is not None and result.error == NO_TOKEN
            return self.refuse(seq, NOTHING_LEFT) if held else self._end(seq, result.error)
        if result.vectors is not None:
            self.finish(seq)
            return Event(seq, None, None, "stop", None, None, vectors=result.vectors)
        if result.token is None:
            return Event(seq, None, None, None, None, None, result.scores)
        token = seq.tokens[-1]
        reason, detail = stop_reason(seq, token)
        if reason != "length" and seq.constrained is not None:
            error = seq.constrained.advance(token, ends=reason is not None)
            if error is not None:
                return self.refuse(seq, error)
            reason = "stop" if seq.constrained.over else reason
        if reason is not None:
            self.finish(seq)
        return Event(seq, token, result.logprobs, reason, detail, None, result.scores)

    def refuse(self, seq: Sequence, message: str) -> Event:
        """End a sequence by what its own request asks for."""
        self.finish(seq)
        return Event(seq, None, None, "error", None, message, refused=True)

    def _end(self, seq: Sequence, message: str) -> Event:
        """End a sequence by a fault that is not its request's."""
        self.finish(seq)
        return Event(seq, None, None, "error", None, message)

    def fail(self, step: Step, message: str) -> list[Event]:
        """End the sequences of a step that raised; the others begin anew. The runner must be reset."""
        ended = [seq for seq, _, _ in step.entries if seq.status is not Status.FINISHED]
        events = [self._end(seq, message) for seq in ended]
        self._begin_anew()
        return events

    def fail_planning(self, message: str) -> list[Event]:
        """End the sequence that ``schedule`` was planning when it raised; the others begin anew.

        No step may be under way, and the runner must be reset.
        """
        seq = self._at or next(iter(self.running.values()), None) or self.waiting.first()
        events = [self._end(seq, message)] if seq is not None and seq.status is not Status.FINISHED else []
        self._begin_anew()
        return events

    def _begin_anew(self) -> None:
        """Send all that run back to the queue, as if no step had ever been planned; their tokens stay."""
        for seq in list(self.running.values()):
            seq.pending = 0
            self._preempt(seq)
        self._drop, self._appended = [], {}
        if not self.cache.check_nobody_runs():
            log.error("a fault had lost pages of the cache; all of it is free again, and empty")

    def check_integrity(self) -> None:
        """Raise AssertionError unless pages, references and queues agree."""
        self.cache.check_integrity(list(self.running.values()))
        assert all(s.status is Status.RUNNING for s in self.running.values()), "a running sequence is not"
