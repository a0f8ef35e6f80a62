"""Gives tests of texts their templates and the recorded answers of the reference server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TEMPLATES = Path(__file__).parent / "templates" / "styles"


@dataclass(frozen=True)
class Choice:
    """One recorded answer: the request, what came back, and the tokens where they were recorded."""

    case: str
    model: str
    request: dict[str, Any]
    choice: dict[str, Any]
    prompt_ids: list[int] | None
    usage: dict[str, Any]

    @property
    def text(self) -> str:
        return (self.choice["text"] if "text" in self.choice else self.choice["message"]["content"]) or ""

    @property
    def same_prompt(self) -> tuple[str, str]:
        return self.model, json.dumps(self.request.get("prompt", self.request.get("messages")))


class Goldens:
    def __init__(self, folder: Path) -> None:
        self.zoo = folder / "zoo"
        self.choices = list(self._read(folder / "corpus"))

    def _read(self, corpus: Path) -> Iterator[Choice]:
        for path in sorted([*corpus.glob("*/chat.json"), *corpus.glob("*/completions.json")]):
            recorded = json.loads(path.read_text(encoding="utf-8"))
            if not recorded["meta"]["recorded_from"].startswith("vLLM"):
                continue
            for case in recorded["cases"]:
                request, body = case.get("json"), case["response"].get("body")
                if not isinstance(request, dict) or not isinstance(body, dict) or "vllm_is_wrong" in case:
                    continue
                for choice in body.get("choices", []):
                    prompt_ids = choice.get("prompt_token_ids") or body.get("prompt_token_ids")
                    yield Choice(case["id"], recorded["meta"]["model"], request, choice, prompt_ids, body["usage"])


@pytest.fixture(scope="session")
def goldens() -> Goldens:
    """Recorded answers: ``FRAMEWORKCTL_GOLDENS`` names a folder with ``zoo`` and ``corpus``."""
    folder = os.environ.get("FRAMEWORKCTL_GOLDENS")
    if not folder:
        pytest.skip("FRAMEWORKCTL_GOLDENS names no folder with recorded answers")
    return Goldens(Path(folder))


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    """The template styles of this folder, by name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(TEMPLATES.glob("*.jinja"))}
