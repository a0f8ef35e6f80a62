"""Speculative decoding as plugins see it: who guesses the next tokens, which the model then verifies in one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from frameworkctl.interfaces.markers import API_VERSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NoOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Of a speculator that has nothing to set."""


class Speculator:
    """Guesses what comes next. Core draws the model's own token at each guessed place and keeps a guess while it is
    that token, so a guess can cost time but changes no output. One instance per engine; override ``propose``.
    """

    api_version: ClassVar[int] = API_VERSION

    def __init__(self, options: Any) -> None:
        """Make the speculator; ``options`` is the Struct that the spec names."""
        self.options = options

    def propose(self, sequences: Sequence[NDArray[np.int32]], most: Sequence[int]) -> Sequence[Sequence[int]]:
        """Guesses for every sequence of a step: at most ``most[i]`` tokens after ``sequences[i]``, which holds its
        prompt and output so far. Fewer or none are as good. Called once per step, so it must be quick.
        """
        raise NotImplementedError


class SpeculatorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """``--speculative-config '{"method": NAME, "num_speculative_tokens": N, ...}'``.

    ``options`` takes the other keys; ``implementation`` is ``package.module:Class``, built with the options.
    """

    name: str
    implementation: str
    options: type[msgspec.Struct] = NoOptions
    api_version: int = API_VERSION
