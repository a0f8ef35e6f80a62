"""State of some rows of the batch, and what is made of it for a step, kept for as long as the rows are the same."""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar("V")
J = TypeVar("J")


class RowTable(Generic[V, J]):
    """A value per row; rows come and go with the batch. ``kept`` and ``keep`` are for what all values are joined to."""

    def __init__(self) -> None:
        self._rows: dict[int, V] = {}
        self._key: bytes | None = None
        self._joined: J | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, row: int) -> bool:
        return row in self._rows

    def __getitem__(self, row: int) -> V:
        return self._rows[row]

    def put(self, row: int, value: V) -> None:
        self._rows[row] = value
        self._key = None

    def remove(self, row: int) -> None:
        if self._rows.pop(row, None) is not None:
            self._key = None

    def move(self, src: int, dst: int) -> None:
        if src in self._rows:
            self.put(dst, self._rows.pop(src))

    def clear(self) -> None:
        self._rows.clear()
        self._key = self._joined = None

    def kept(self, key: bytes) -> J | None:
        """Return what was kept under ``key``, unless a row has changed since."""
        return self._joined if key == self._key else None

    def keep(self, key: bytes, joined: J) -> J:
        self._joined, self._key = joined, key
        return joined
