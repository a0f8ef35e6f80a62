"""Pooling parameters as a script writes them; on their way they become the fields of a request."""

from __future__ import annotations

from typing import Any

import msgspec

from frameworkctl.errors import bad
from frameworkctl.offline.errors import as_value_error


class PoolingParams(msgspec.Struct, kw_only=True, frozen=True):
    """vLLM's, by the same names; None is the model's default.

    ``dimensions`` cuts embeddings, for models trained for it. ``use_activation``: embeddings are normalised, classes go
    through softmax or sigmoid. ``truncate_prompt_tokens``: how many tokens of a text are kept (-1: what the context
    holds); without it a text that is too long is an error. What depends on the model is checked when it is used.

    Raises:
        ValueError: naming the parameter that is wrong.
    """

    dimensions: int | None = None
    use_activation: bool | None = None
    truncate_prompt_tokens: int | None = None

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(PoolingParams):
            try:
                msgspec.convert(getattr(self, field.name), field.type)
            except msgspec.ValidationError as e:
                raise as_value_error(bad(field.name, f"{e} at `{field.name}`.")) from None

    def fields(self) -> dict[str, Any]:
        """Return the fields of a request; unset ones are left out."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
