"""Embeddings among the parts of a conversation: marks stand for them in the text that a chat template makes."""

from __future__ import annotations

import re
import secrets

from frameworkctl.errors import bad


class EmbedParts:
    """Of one conversation. A mark is letters and digits that no text has, which templates do not change."""

    def __init__(self) -> None:
        self._mark = f"embeds{secrets.token_hex(8)}n"
        self.found: list[tuple[str, str]] = []  # path of the part, and its file as base64

    def mark(self, path: str, data: str) -> str:
        """Return what stands for it."""
        self.found.append((path, data))
        return f"{self._mark}{len(self.found) - 1}e"

    def cut(self, text: str) -> tuple[list[str], list[int]]:
        """Return the texts around the marks, one more than there are, and which part each mark is.

        Raises:
            RequestError: 400 with the path of a part that the template leaves out or repeats.
        """
        pieces = re.split(f"{self._mark}([0-9]+)e", text)
        order = [int(number) for number in pieces[1::2]]
        for number, (path, _) in enumerate(self.found):
            if (times := order.count(number)) != 1:
                raise bad(path, f"{path}: the chat template puts it into the prompt {times} times, not once.")
        return pieces[::2], order
