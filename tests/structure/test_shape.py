"""The shape of the tree: few files in a folder, no circle of files, and one door between server and engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

from support.plugged.source_tree import Import, imports, modules, tracked

MOST_FILES = 12
COUNTED = {".py", ".html", ".cpp", ".h"}
ENGINE_DOORS = ("messages", "framing", "nursery")  # what the server's process may import of the engine's


def test_a_folder_holds_at_most_twelve_files() -> None:
    files = [p for p in map(PurePosixPath, tracked()) if p.suffix in COUNTED]
    assert len(files) > 500, "not a git checkout"
    crowded = {str(folder): n for folder, n in Counter(p.parent for p in files).items() if n > MOST_FILES}
    assert not crowded


def circle(found: Iterable[Import]) -> list[str]:
    """Return the modules of one circle of imports, the first of them again at the end; empty if there is none."""
    known = set(modules())
    arrows: dict[str, set[str]] = {}
    for i in found:
        target = i.target if i.target in known else i.target.rpartition(".")[0]
        if i.module in known and target in known and target != i.module:
            arrows.setdefault(i.module, set()).add(target)
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as e:
        return list(e.args[1])
    return []


def test_no_files_import_each_other_in_a_circle() -> None:
    """Imports for type checkers count too: who reads one file of a circle must read all of them."""
    assert not circle(imports())


def test_a_circle_is_found() -> None:
    a, b, c = "frameworkctl.errors", "frameworkctl.logs", "frameworkctl.config"
    arrows = [Import(a, b, 1, True), Import(b, c, 1, False), Import(c, a, 1, False)]
    assert set(circle(arrows)) == {a, b, c}
    assert not circle(arrows[:2])


def test_the_server_knows_only_the_doors_of_the_engine() -> None:
    allowed = tuple(f"frameworkctl.engine.{name}" for name in ENGINE_DOORS)
    server = [i for i in imports("core") if i.module.startswith("frameworkctl.server")]
    found = [i for i in server if i.within("frameworkctl.engine")]
    assert found
    assert not (bad := [i for i in found if not i.within(*allowed)]), "\n".join(map(str, bad))
