"""The pooling methods of ``LLM``: texts in groups through the server's pooling endpoints, their answers apart again."""

from __future__ import annotations

import base64
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from frameworkctl.errors import RequestError, bad
from frameworkctl.interfaces.endpoint import Work
from frameworkctl.offline.background import Background
from frameworkctl.offline.calls import Calls
from frameworkctl.offline.progress import Progress
from frameworkctl.offline.prompts import prompt_fields
from frameworkctl.offline.workload import work_through

from .params import PoolingParams

if TYPE_CHECKING:
    import numpy as np

Params = PoolingParams | Sequence[PoolingParams] | None
EMBEDDINGS, CLASSIFY, SCORE, POOLING = "/v1/embeddings", "/classify", "/score", "/pooling"
GROUP = 256  # texts in a request: enough to be sorted by length, few enough that the bar moves
AT_ONCE = 8  # requests under way, so that texts are read while others are computed


class Group(NamedTuple):
    """A request: texts from ``first`` up to ``end``."""

    first: int
    end: int
    body: dict[str, Any]


class Pooled(NamedTuple):
    """Result of a text or a pair: its entry in the answer, its ids, the numbers in a row (None: one row)."""

    entry: dict[str, Any]
    token_ids: list[int]
    width: int | None


class Pooling:
    """Groups, in their order, for one ``LLM``."""

    def __init__(self, background: Background, calls: Calls) -> None:
        self._background, self._calls, self._service = background, calls, background.service

    def texts(
        self, path: str, prompts: list[Any], params: Params, extra: dict[str, Any], use_tqdm: bool
    ) -> list[Pooled]:
        """Prompts, each alone. Raises RequestError for the first that cannot be computed."""
        info = self._service.model(None).info.pooling
        most = 1 if info is not None and info.chunked else GROUP  # of a text in pieces the ids are told apart by that
        groups = list(text_groups(path, prompts, params, extra, most))
        return self._run(path, groups, len(prompts), ids_of_texts, use_tqdm)

    def pairs(self, one: Any, other: Any, params: PoolingParams | None, use_tqdm: bool) -> list[Pooled]:
        """Pairs of texts, 1 to 1, 1 to N or N to N. Others go as one request, for the endpoint's refusal of it."""
        fields = fields_for(SCORE, params or PoolingParams())
        left, right = _side(one), _side(other)
        matching = right and len(left) in (1, len(right))
        groups = []
        for at in range(0, len(right), GROUP) if matching else (0,):
            some = slice(at, at + GROUP) if matching else slice(None)
            body = {**fields, "text_1": left if len(left) == 1 else left[some], "text_2": right[some]}
            groups.append(Group(at, at + len(body["text_2"]), body))
        return self._run(SCORE, groups, len(right), ids_of_pairs, use_tqdm)

    def _run(
        self, path: str, groups: list[Group], total: int, ids_of: Callable[[Work, int], list[list[int]]], use_tqdm: bool
    ) -> list[Pooled]:
        found: list[Pooled | None] = [None] * total
        with Progress("Processed prompts", total, shown=use_tqdm) as progress:

            async def one(group: Group) -> None:
                try:
                    work, answer, width = await self._calls.pooled(path, group.body)
                except RequestError as e:
                    if len(groups) > 1:
                        e.add_note(f"in prompts[{group.first}:{group.end}] of {total}")
                    raise
                ids = ids_of(work, group.end - group.first)
                for i, entry in enumerate(answer["data"]):
                    found[group.first + i] = Pooled(entry, ids[i], width)
                    progress.count(len(ids[i]))

            async def everything() -> None:
                await self._service.supervisor.wait_ready()  # an engine that died is being started again
                await work_through(_each(groups), AT_ONCE, one)

            self._background.run(everything(), progress.show if use_tqdm else None)
        return [pooled for pooled in found if pooled is not None]


def fields_for(path: str, params: PoolingParams) -> dict[str, Any]:
    """Raise RequestError for what those requests have no field for, where a server would ignore it."""
    if path in (CLASSIFY, SCORE) and params.dimensions is not None:
        raise bad("dimensions", "dimensions is for embeddings, not for classes or scores.", "unsupported_parameter")
    return params.fields()


def text_groups(path: str, prompts: list[Any], params: Params, extra: dict[str, Any], most: int) -> Iterator[Group]:
    """Neighbours that can be one request: all texts or all token ids, with the same parameters and salt."""
    if params is None or isinstance(params, PoolingParams):
        many: Iterable[PoolingParams] = itertools.repeat(params or PoolingParams(), len(prompts))
    elif len(params) != len(prompts):
        raise ValueError(f"pooling_params has {len(params)} entries for {len(prompts)} prompts")
    else:
        many = params
    read = [(_input(prompt, f"prompts[{i}]"), own) for i, (prompt, own) in enumerate(zip(prompts, many, strict=True))]
    first = 0
    for (_, salt, own), some in itertools.groupby(read, lambda r: (type(r[0][0]), r[0][1], r[1])):
        shared = {**extra, **fields_for(path, own), **({} if salt is None else {"cache_salt": salt})}
        inputs = [given for (given, _), _ in some]
        for at in range(0, len(inputs), most):
            part = inputs[at : at + most]
            yield Group(first + at, first + at + len(part), {**shared, "input": part})
        first += len(inputs)


def _input(prompt: Any, where: str) -> tuple[str | list[int], str | None]:
    """Text or token ids, and the salt. Raises RequestError naming ``where``."""
    fields = prompt_fields(prompt, where)
    if "prompt" not in fields:
        raise bad(where, f"{where} must be a text or token ids: embeddings of tokens are for generation.")
    return fields["prompt"], fields.get("cache_salt")


def _side(given: Any) -> list[Any]:
    return [given] if isinstance(given, (str, Mapping)) else list(given)


def ids_of_texts(work: Work, count: int) -> list[list[int]]:
    """Return the ids of each text of a request; of a text in pieces, those of all pieces."""
    ids = [list(item.prompt.token_ids) for item in work.pool]
    return ids if count > 1 else [list(itertools.chain(*ids))]


def ids_of_pairs(work: Work, count: int) -> list[list[int]]:
    """Return the ids of each pair; if texts are read separately, those of the first and then of the second text."""
    ids = [list(item.prompt.token_ids) for item in work.pool]
    if len(ids) == count:
        return ids
    left, right = ids[:-count], ids[-count:]
    return [left[i if len(left) > 1 else 0] + own for i, own in enumerate(right)]


def vector(pooled: Pooled, key: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the numbers of an entry that is encoded, all in one row."""
    import numpy as np

    return np.frombuffer(bytearray(base64.b64decode(pooled.entry[key])), "<f4").astype(np.float32, copy=False)


def rows(pooled: Pooled, key: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return ``[size]``, or ``[tokens, size]``."""
    flat = vector(pooled, key)
    return flat if pooled.width is None else flat.reshape(-1, max(1, pooled.width))


async def _each(groups: Sequence[Group]) -> AsyncIterator[Group]:
    for group in groups:
        yield group
