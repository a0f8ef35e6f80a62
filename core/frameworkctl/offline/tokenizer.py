"""A checkpoint's tokenizer as transformers loads it, for scripts that expect its methods. Loads transformers."""

from __future__ import annotations

from typing import Any

from transformers import AutoTokenizer


def load(folder: str) -> Any:
    """Never runs code of the checkpoint, never downloads."""
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)
