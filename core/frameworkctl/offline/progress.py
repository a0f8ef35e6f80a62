"""Progress of a workload, as a bar with its speed."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any


class Progress:
    """``count`` may be called from another thread than the rest. ``shown`` None: where there is a terminal."""

    def __init__(self, what: str, total: int | None, *, shown: bool | None, begun: int = 0) -> None:
        self.done, self._seen = begun, begun
        self._read = self._written = 0  # tokens
        self._since = time.monotonic()
        self._bar: Any = None
        if shown is not False:
            from tqdm.auto import tqdm

            disable = None if shown is None else False  # None: where there is no terminal
            self._bar = tqdm(total=total, desc=what, initial=begun, disable=disable, dynamic_ncols=True)

    def count(self, read: int = 0, written: int = 0) -> None:
        self.done += 1
        self._read += read
        self._written += written

    def show(self) -> None:
        done = self.done  # once: it goes on meanwhile
        if self._bar is None or self._seen == done:
            return
        took = max(time.monotonic() - self._since, 1e-9)
        if self._read:
            speed = f"est. speed input: {self._read / took:.2f} toks/s, output: {self._written / took:.2f} toks/s"
            self._bar.set_postfix_str(speed, refresh=False)
        self._bar.update(done - self._seen)
        self._seen = done

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self.show()
            self._bar.close()
