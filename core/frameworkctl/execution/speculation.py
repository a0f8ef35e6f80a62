"""Speculative decoding in an engine: the speculator that the options name, and which of its drafts were right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from frameworkctl.config import EngineConfig
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.generation.speculation import Speculator
from frameworkctl.plugins import PluginHost
from frameworkctl.plugins.importing import load_class
from frameworkctl.scheduling.cache.groups import PoolLayout
from frameworkctl.scheduling.plan import StepPlan
from frameworkctl.scheduling.speculation.drafts import Drafter

FLAG = "--speculative-config"


def make_drafter(host: PluginHost, config: EngineConfig, layout: PoolLayout, long_after: int | None) -> Drafter | None:
    """None where none is asked for.

    Raises:
        ConfigError: no such method, options it does not have, or a model whose state cannot go back to before a draft.
    """
    given: dict[str, Any] = dict(config.options.speculative_config)
    if not given:
        return None
    method, count = given.pop("method", None), given.pop("num_speculative_tokens", None)
    registered = host.registry.speculators.get(method) if isinstance(method, str) else None
    if registered is None:
        raise ConfigError(f"{FLAG}: method {method!r} is not one of {', '.join(host.registry.speculators)}")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ConfigError(f"{FLAG}: num_speculative_tokens must be a whole number from 1 on, got {count!r}")
    if any(group.kind == "state" for group in layout.groups):
        raise ConfigError(f"{FLAG}: {config.architecture} keeps a recurrent state, which cannot forget a wrong draft")
    if config.options.async_scheduling:
        raise ConfigError(f"{FLAG} and --async-scheduling: a step cannot be planned before its drafts are known")
    try:
        options = msgspec.convert(given, registered.spec.options)
    except (msgspec.ValidationError, ValueError) as e:
        raise ConfigError(f"{FLAG}: {str(e).partition(' - at ')[0]}") from None
    speculator: Speculator = load_class(registered.spec.implementation)(options)
    return Drafter(speculator, count, vocab_size=config.vocab_size, long_after=long_after)


def accepted(plan: StepPlan, drawn: Sequence[int]) -> list[list[int]]:
    """New tokens of each sampled sequence of a plan. ``drawn`` are the model's own tokens, at each draft and behind the
    last: drafts count while they are these, and the first that is not is replaced.
    """
    out: list[list[int]] = []
    at = 0
    for item in plan.scheduled:
        if not item.sample:
            continue
        right = 0
        while right < len(item.drafts) and item.drafts[right] == drawn[at + right]:
            right += 1
        out.append(list(drawn[at : at + right + 1]))
        at += len(item.drafts) + 1
    return out
