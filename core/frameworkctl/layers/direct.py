"""Modules that are called without torch's hooks."""

from __future__ import annotations

from torch import nn


class DirectModule(nn.Module):
    """A call is ``forward`` itself: what torch does around it costs more than a small layer's work for one token.

    Hooks that are registered on such a module are not called.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__call__ = cls.forward  # type: ignore[method-assign]
