"""Finds out, in one forward of two tokens, which modules of a model call attention and how."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from frameworkctl.interfaces import ConfigError
from torch import Tensor, nn

from .interface import Call, answering

Run = Callable[[Tensor, Tensor], Tensor]  # ids [T], positions [T] -> hidden states [T, hidden]

_HARMLESS = frozenset({"position_ids", "cache_position", "cu_seq_lens_q", "cu_seq_lens_k"})


@dataclass(frozen=True, slots=True)
class Found:
    """A module that calls attention: its shapes, and the arguments of its first call."""

    heads: int
    kv_heads: int
    key_width: int
    value_width: int
    call: Call


class _Recorder:
    """Answers with zeros and notes who asked; ``objections`` are reasons why it cannot be answered right."""

    def __init__(self, names: dict[nn.Module, str]) -> None:
        self.names = names
        self.found: dict[nn.Module, Found] = {}
        self.objections: list[str] = []

    def __call__(self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, call: Call) -> Tensor:
        name = self.names.get(module, type(module).__name__)
        if module in self.found:
            self.objections.append(f"{name} calls attention more than once")
        self.objections += [f"{name} {what}" for what in _objections(query, key, call)]
        self.found[module] = Found(query.shape[1], key.shape[1], key.shape[2], value.shape[2], call)
        return query.new_zeros(*query.shape[:2], value.shape[2])


def _objections(query: Tensor, key: Tensor, call: Call) -> list[str]:
    out = []
    if key.shape[0] != query.shape[0]:
        out.append("attends to something else than the sequence itself")
    if query.shape[1] % key.shape[1]:
        out.append(f"has {query.shape[1]} query heads over {key.shape[1]} key heads")
    if not call.causal:
        out.append("looks at tokens to come")
    if call.mask is not None:
        out.append("makes an attention mask of its own")
    others = sorted(n for n, v in call.others.items() if isinstance(v, Tensor) and n not in _HARMLESS)
    if others:
        out.append(f"gives attention a {', '.join(others)}, which it has no place for")
    return out


def find_layers(model: Any, run: Run, device: torch.device) -> dict[nn.Module, Found]:
    """Modules that call attention, in the order of their calls.

    Raises:
        ConfigError: a layer never calls it, or one calls in a way that cannot be answered; names the layers.
    """
    kind = type(model).__name__
    taken = inspect.signature(model.base_model.forward).parameters
    if "position_ids" not in taken:
        raise ConfigError(f"{kind} takes no position_ids, without which sequences cannot share a batch")
    recorder = _Recorder({module: name for name, module in model.named_modules()})
    pair = torch.tensor([0, 1], device=device)
    with answering(recorder):
        try:
            run(pair, pair)
        except LookupError as e:
            raise ConfigError(f"{kind} does not use transformers' attention interface ({type(e).__name__}: {e})") from e
        except (RuntimeError, TypeError, ValueError, AttributeError) as e:
            raise ConfigError(f"{kind} fails on a forward of two tokens: {type(e).__name__}: {e}") from e
    silent = _silent_layers(model, recorder)
    if silent:
        raise ConfigError(f"{kind} does not use transformers' attention interface in {_short(silent)}")
    if recorder.objections:
        raise ConfigError(f"{kind} cannot be run over a paged cache: {_short(recorder.objections)}")
    return recorder.found


def _silent_layers(model: Any, recorder: _Recorder) -> list[str]:
    """Decoder layers of which no module called."""
    count = model.config.get_text_config().num_hidden_layers
    stacks = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    if not stacks:
        return [] if len(recorder.found) == count else [f"{count - len(recorder.found)} of {count} layers"]
    name, stack = stacks[0]
    return [f"{name}.{i}" for i, layer in enumerate(stack) if not any(m in recorder.found for m in layer.modules())]


def _short(items: list[str]) -> str:
    more = f" and {len(items) - 4} more" if len(items) > 4 else ""
    return ", ".join(items[:4]) + more


def check_windows(config: Any, windows: list[int | None]) -> None:
    """Hold what modules asked for against what the configuration says: some apply a window in a mask only, which a
    paged cache has not. A window as long as the context is none.

    Raises:
        ConfigError: they differ.
    """
    text = config.get_text_config()
    window, types = getattr(text, "sliding_window", None), getattr(text, "layer_types", None)
    if types and len(types) == len(windows):
        wanted = [window if kind == "sliding_attention" else None for kind in types]
    elif window and getattr(text, "use_sliding_window", True) and not any(windows):
        wanted = [window] * len(windows)
    else:
        return
    longest = getattr(text, "max_position_embeddings", None) or float("inf")
    for i, (asked, want) in enumerate(zip(windows, wanted, strict=True)):
        if asked != want and min(asked or longest, want or longest) < longest:
            raise ConfigError(f"layer {i} should see a window of {want} tokens, its module asks for {asked}")
