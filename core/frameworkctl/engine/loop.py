"""The engine's loop: take messages, plan, run, send what came of it."""

from __future__ import annotations

import logging
import os
import time
from array import array

from frameworkctl.execution.pooling.runner import PoolingRunner
from frameworkctl.execution.runner import Runner
from frameworkctl.interfaces.pooling import PoolTask
from frameworkctl.scheduling.constraints.masks import held, step_masks
from frameworkctl.scheduling.plan import Masks
from frameworkctl.scheduling.scheduler import Scheduler, Step
from frameworkctl.scheduling.sequence import Sequence, Status
from frameworkctl.scheduling.stopping import Event

from .framing import Channel
from .grammars import Grammars
from .messages import (
    Abort,
    Answer,
    Append,
    Ask,
    EngineLoad,
    Generate,
    Outputs,
    Pool,
    ReadEmbeds,
    Row,
    Start,
    Stop,
    ToEngine,
)
from .pooling import pooled, sequences
from .requests import Request
from .timed_masks import TOO_LONG

log = logging.getLogger("frameworkctl.engine")

AHEAD = 2  # steps whose sequences of one request are made ahead
HOLD_INTERVAL = 0.01  # how often a policy that holds requests back is asked again, in seconds


class EngineLoop:
    """Owns scheduler and runner. One step at a time; with ``overlap`` the next is planned while one runs."""

    def __init__(
        self,
        channel: Channel[ToEngine],
        scheduler: Scheduler,
        runner: Runner | PoolingRunner,
        *,
        max_model_len: int,
        vocab_size: int,
        grammars: Grammars,
        overlap: bool,
        read_whole: frozenset[PoolTask] = frozenset(),
    ) -> None:
        self.channel, self.scheduler, self.runner = channel, scheduler, runner
        self.max_model_len, self.vocab_size, self.overlap = max_model_len, vocab_size, overlap
        self.grammars = grammars
        self.read_whole = read_whole  # tasks whose poolers look at all of a text
        self._requests: dict[int, Request] = {}  # by the client's id
        self._unmade: dict[int, Request] = {}  # of these, those that have sequences left to make
        self._next_id = 0
        self._planned: Step | None = None
        self._stopping = False
        self._told: EngineLoad | None = None

    def run(self) -> None:
        """Run until ``Stop`` comes or the server is gone."""
        while not self._stopping:
            try:
                self._receive()
            except EOFError:
                return
            self._turn()

    # -- messages

    def _receive(self) -> None:
        """Whatever has come; waits only when there is nothing to compute."""
        timeout: float | None = 0.0
        self._make_more()
        if self._planned is None and not self.scheduler.has_work:
            self._report_idle()
            timeout = self.grammars.time_left
        for message in self.channel.receive(timeout):
            match message:
                case Generate():
                    self._generate(message)
                case Pool():
                    self._pool(message)
                case Abort(id=id_, index=index):
                    self._abort(id_, index)
                case Append():
                    self._append(message)
                case Ask(id=id_):
                    self.channel.send(Answer(id_, self._integrity()))
                case ReadEmbeds():
                    self._read_embeds(message)
                case Stop():
                    self._stopping = True
                case Start():
                    log.error("a second start message was ignored")
        self._compiled()
        self._make_more()

    def _generate(self, message: Generate) -> None:
        request = self._request(message)
        self._requests[message.id] = self._unmade[message.id] = request
        if message.open:  # what a session appends is for all of its sequences
            self._make(request, message.params.n)
        if message.params.grammar is not None:  # meanwhile others run
            self.grammars.ask(message.id, message.params.grammar.text)

    def _request(self, message: Generate | None) -> Request:
        return Request(message, groups=len(self.scheduler.cache.groups), max_model_len=self.max_model_len)

    def _make(self, request: Request, room: int) -> None:
        made = request.make(room, self._next_id)
        self._next_id += len(made)
        for seq in made:
            self.scheduler.add(seq)

    def _make_more(self) -> None:
        """Make sequences of the requests that have some left: about as many as can come into the next steps."""
        room = AHEAD * self.scheduler.limits.max_seqs
        for id_, request in list(self._unmade.items()):
            self._make(request, room)
            if not request.left:
                del self._unmade[id_]

    def _pool(self, message: Pool) -> None:
        request = self._requests.get(message.id)
        if request is None:
            request = self._requests[message.id] = self._request(None)
        for seq in sequences(message, self._next_id, self.scheduler.cache, self.read_whole):
            request.alive[seq.index] = seq
            self.scheduler.add(seq)
        self._next_id += len(message.numbers)

    def _compiled(self) -> None:
        """Requests whose grammars are there join the queue; those whose cannot be end."""
        events = []
        for id_, found in self.grammars.done():
            request = self._requests.get(id_)
            if request is None:
                continue
            if isinstance(found, str):
                request.waits = False
                events += [self.scheduler.refuse(seq, found) for seq in request.make(1, self._next_id)]
                self._next_id += 1
                request.left = 0
            else:
                request.constrain(found, self.grammars.compiler)
        if events:
            self._send(events)

    def _read_embeds(self, message: ReadEmbeds) -> None:
        assert isinstance(self.runner, Runner), "a model that pools takes no embeddings"
        try:
            rows, count = self.runner.read_embeds(message.data, message.hidden_size, message.max_tokens)
        except ValueError as e:
            self.channel.send(Answer(message.id, {"error": str(e)}))
        else:
            self.channel.send(Answer(message.id, {"embeds": rows, "tokens": count}))

    def _append(self, message: Append) -> None:
        tokens = array("i")
        tokens.frombytes(message.tokens)
        request = self._requests.get(message.id)
        for seq in request.alive.values() if request is not None else ():
            self.scheduler.append(seq, tokens, final=message.final)
            seq.limit = min(seq.limit, self.max_model_len)

    def _abort(self, id_: int, index: int) -> None:
        request = self._requests.get(id_)
        if request is None:
            return
        if index < 0:
            request.left = 0
        for i in [index] if index >= 0 else list(request.alive):
            seq = request.stop(i)
            if seq is not None:
                self.scheduler.finish(seq)
        if not request.alive and not request.left:
            del self._requests[id_]
            self.grammars.forget(id_)

    # -- one step

    def _turn(self) -> None:
        try:
            step, self._planned = self._planned or self.scheduler.schedule(), None
        except Exception as e:  # noqa: BLE001  whatever it is, the engine goes on
            self._send(self._planning_failed(e))
            return
        if step is None:
            if self.scheduler.waiting and not self._stopping and self.scheduler.guard.holds:
                time.sleep(HOLD_INTERVAL)
            return
        refused: list[Event] = []
        unplanned = None
        try:
            self.runner.launch(step.plan)
            unplanned = self._plan_ahead()
            masks, refused = self._masks(step)
            sampled = self.runner.sample(masks)
        except Exception as e:  # noqa: BLE001
            events = self._step_failed(step, e)
        else:
            events = self.scheduler.commit(step, sampled)
            if unplanned is not None:
                events += self._planning_failed(unplanned)
        self._send(refused + events)

    def _plan_ahead(self) -> Exception | None:
        """Plan the next step while one runs. Return what that raised: the step that runs comes to its end first."""
        if self.overlap:
            try:
                self._planned = self.scheduler.schedule()
            except Exception as e:  # noqa: BLE001
                return e
        return None

    def _planning_failed(self, error: Exception) -> list[Event]:
        log.error("planning a step failed; the request that was being planned ends", exc_info=error)
        self.runner.reset()
        return self.scheduler.fail_planning(f"the scheduler failed: {type(error).__name__}: {error}")

    def _step_failed(self, step: Step, error: Exception) -> list[Event]:
        """End the step's sequences. The runner may be left half changed: all others enter it anew."""
        log.error("a step failed; its requests end", exc_info=error)
        self._planned = None
        self.runner.reset()
        return self.scheduler.fail(step, f"the model failed: {type(error).__name__}: {error}")

    def _masks(self, step: Step) -> tuple[Masks | None, list[Event]]:
        """Return what grammars let come next, computed while the model runs; requests that none can go on with end."""
        sequences = held(step)
        if not sequences:
            return None, []
        masks, lost = step_masks(sequences.values(), self.grammars.masks, self.vocab_size)
        for id_, why in lost.items():
            grammar = sequences[id_].params.grammar
            if why == TOO_LONG and grammar is not None:
                self.grammars.give_up(grammar.text, why)
        return masks, [self.scheduler.refuse(sequences[id_], why) for id_, why in lost.items()]

    def _send(self, events: list[Event]) -> None:
        rows = []
        ended = []
        for event in events:
            seq = event.seq
            if event.vectors is not None:
                ended.append(event)
                self._gone(seq)
                continue
            first = seq.output_len <= 1 and event.token is not None
            rows.append(
                Row(
                    seq.request,
                    seq.index,
                    event.token,
                    event.logprobs,
                    event.reason,
                    event.stop_reason,
                    event.error,
                    max(0, seq.cached_tokens) if first else 0,
                    event.scores,
                    event.refused,
                )
            )
            if event.reason is not None:
                self._gone(seq)
        self._told = self._load()
        self.channel.send(Outputs(rows, self._told, pooled(ended)))

    def _gone(self, seq: Sequence) -> None:
        request = self._requests.get(seq.request)
        if request is not None:
            request.alive.pop(seq.index, None)
            if not request.alive and not request.left:
                del self._requests[seq.request]

    # -- state

    def _load(self) -> EngineLoad:
        load, cache, drafter = self.scheduler.load(), self.scheduler.cache, self.scheduler.drafter
        return EngineLoad(
            load.running,
            load.waiting + sum(request.left for request in self._unmade.values()),
            load.free_pages,
            load.total_pages,
            self.scheduler.preemptions,
            cache.query_tokens,
            cache.hit_tokens,
            self.scheduler.steps,
            drafter.drafted if drafter else 0,
            drafter.accepted if drafter else 0,
        )

    def _report_idle(self) -> None:
        """Aborts change the load without a step; and what must hold when nobody runs is looked at here."""
        load = self._load()
        if load == self._told:
            return
        if not self._requests and load.free_pages != load.total_pages:
            log.error("idle with %d of %d pages in use", load.total_pages - load.free_pages, load.total_pages)
        self._told = load
        self.channel.send(Outputs([], load))

    def _integrity(self) -> dict[str, object]:
        try:
            self.scheduler.check_integrity()
            problem = None
        except AssertionError as e:
            problem = str(e)
        alive = sum(s.status is not Status.FINISHED for r in self._requests.values() for s in r.alive.values())
        return {"problem": problem, "sequences": alive, "load": self._load(), "pid": os.getpid()}
