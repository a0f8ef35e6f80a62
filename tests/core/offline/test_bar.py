"""The bar of offline workloads shows all that was counted."""

from __future__ import annotations

from frameworkctl.offline.progress import Progress


class Bar:
    """Stands in for tqdm's; while it draws, ``meanwhile`` more are done."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.shown, self.meanwhile = progress, 0, 3

    def update(self, count: int) -> None:
        self.shown += count
        for _ in range(self.meanwhile):
            self.progress.count()
        self.meanwhile = 0


def test_what_is_done_while_the_bar_is_drawn_is_shown_the_next_time() -> None:
    progress = Progress("", 5, shown=False)
    bar = progress._bar = Bar(progress)
    progress.count()
    progress.count()
    progress.show()
    assert bar.shown == 2
    progress.show()
    assert bar.shown == progress.done == 5
