"""A language model that is one pure function of context, tokens and seed, and layouts to run it over."""

from __future__ import annotations

import hashlib
import itertools
from array import array
from collections.abc import Iterable, Sequence

import msgspec
from frameworkctl.interfaces import PoolParams
from frameworkctl.params import SamplingParams
from frameworkctl.scheduling.cache import prefix
from frameworkctl.scheduling.cache.groups import Group, GroupKind, PoolLayout
from frameworkctl.scheduling.sequence import Sequence as Seq

VOCAB = 16
EOS = 0


class Context(msgspec.Struct, frozen=True):
    """What a sequence's keys and values depend on besides its tokens."""

    salt: str = ""
    media: str = ""
    cross_tokens: int = 0

    @property
    def identity(self) -> int:
        text = f"{self.salt!r}/{self.media!r}/{self.cross_tokens}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "little")

    @property
    def chain_root(self) -> bytes:
        named = {"salt": self.salt, "media": f"{self.media}:{self.cross_tokens}" if self.cross_tokens else ""}
        return prefix.root({k: v for k, v in named.items() if v})

    @property
    def cross_digest(self) -> bytes | None:
        if not self.cross_tokens:
            return None
        return hashlib.sha256(f"{self.media}:{self.cross_tokens}".encode()).digest()

    def cross_value(self, position: int) -> int:
        """What the encoder gives at a position."""
        return hash((self.identity_of_media, position))

    @property
    def identity_of_media(self) -> int:
        return Context(media=self.media, cross_tokens=self.cross_tokens).identity


def digests(context: Context, tokens: Iterable[int]) -> list[int]:
    """For each token a number that stands for its keys and values: it depends on all before it and on the context."""
    value, out = context.identity, []
    for token in tokens:
        value = hash((value, token))
        out.append(value)
    return out


def next_token(digest: int, seed: int) -> int:
    """The model's choice after a prefix with this digest."""
    return hash((digest, seed, 4711)) % VOCAB


def reference(
    context: Context, prompt: Sequence[int], params: SamplingParams, *, seed: int, max_model_len: int
) -> tuple[list[int], str, int | None]:
    """What must come out for a request, whatever happens around it: tokens, finish reason, stop reason."""
    value = digests(context, prompt)[-1]
    out: list[int] = []
    while True:
        token = next_token(value, seed)
        out.append(token)
        value = hash((value, token))
        if not params.ignore_eos and params.eos_token_ids and token == params.eos_token_ids[0]:
            return out, "stop", None
        if token in params.stop_token_ids or (not params.ignore_eos and token in params.eos_token_ids):
            return out, "stop", token
        if len(out) >= params.max_tokens or len(prompt) + len(out) >= max_model_len:
            return out, "length", None


def layout(*groups: tuple[GroupKind, int] | tuple[GroupKind, int, int]) -> PoolLayout:
    """A layout of one layer a group: ``(kind, block size)`` or ``("window", block size, window)``."""
    made = tuple(
        Group(kind=g[0], block_size=g[1], window=g[2] if len(g) == 3 else None, layers=(i,))
        for i, g in enumerate(groups)
    )
    return PoolLayout(page_bytes=64, tensors=1, groups=made)


LAYOUTS: dict[str, PoolLayout] = {
    "full": layout(("full", 4)),
    "full-window": layout(("full", 4), ("window", 4, 6)),
    "full-small-window": layout(("full", 4), ("window", 2, 3)),
    "windows": layout(("window", 4, 9), ("window", 4, 1), ("full", 8)),
    "only-window": layout(("window", 3, 7)),
    "latent-window": layout(("latent", 4), ("window", 2, 3)),
    "uneven": layout(("full", 4), ("full", 6), ("window", 2, 5)),
    "full-cross": layout(("full", 4), ("cross", 3)),
    "full-window-cross": layout(("full", 3), ("window", 6, 8), ("cross", 4)),
    "full-state": layout(("full", 4), ("state", 0)),
    "everything": layout(("full", 4), ("window", 2, 5), ("cross", 4), ("state", 0)),
}

_ids = itertools.count(1)


def make_sequence(
    prompt: Sequence[int],
    params: SamplingParams | None = None,
    *,
    groups: int,
    id: int | None = None,
    request: int = 0,
    index: int = 0,
    context: Context | None = None,
    max_model_len: int = 1 << 20,
    arrival: float | None = None,
    seed: int = 0,
    priority: int = 0,
    input_open: bool = False,
    pool: PoolParams | None = None,
    reads_all: bool = False,
) -> Seq:
    """A sequence as the engine's loop makes it."""
    id = next(_ids) if id is None else id
    params = params or SamplingParams(max_tokens=4, ignore_eos=True)
    context = context or Context()
    return Seq(
        id,
        request or id,
        index,
        array("i", prompt),
        params,
        seed=seed + index,
        limit=len(prompt) + 1 if pool else min(len(prompt) + params.max_tokens, max_model_len),
        arrival=float(id) if arrival is None else arrival,
        groups=groups,
        chain_root=context.chain_root,
        priority=priority,
        input_open=input_open,
        cross_tokens=context.cross_tokens,
        cross_digest=context.cross_digest,
        pool=pool,
        reads_all=reads_all,
    )
