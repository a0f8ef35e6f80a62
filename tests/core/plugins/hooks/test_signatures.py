"""The golden file of the public surface: a change that breaks plugins shows in review."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from pathlib import Path

from frameworkctl import hookspecs, interfaces
from frameworkctl.plugins.inspection import spec_names
from support.plugged.signatures import surface

GOLDEN = Path(__file__).with_name("hook_signatures.txt")
UPDATE = "UPDATE_GOLDEN=1 python -m pytest tests/core/plugins/hooks/test_signatures.py"


def test_the_public_surface_is_the_one_in_the_golden_file() -> None:
    now = surface()
    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(now)
    golden = GOLDEN.read_text() if GOLDEN.exists() else ""
    changes = "\n".join(difflib.unified_diff(golden.splitlines(), now.splitlines(), "golden", "now", lineterm="", n=2))
    assert not changes, (
        f"what plugins are written against has changed:\n{changes}\n\n"
        "Adding arguments to a hook or fields with a default is compatible; anything else breaks plugins and needs\n"
        f"another api_version. If it is meant, write the golden file anew and commit it:\n  {UPDATE}"
    )


def test_every_hook_says_when_failure_and_since() -> None:
    for name in spec_names(hookspecs):
        text = inspect.getdoc(getattr(hookspecs, name)) or ""
        words = " ".join(text.split())
        for part in ("When: ", "Failure: ", "Since: "):
            assert part in words, f"{name}: its docstring does not say {part.strip()!r}"
        assert re.search(r"Since: \d+\.\d+\.", words), f"{name}: since which version?"
        if "Return:" not in words:
            assert inspect.signature(getattr(hookspecs, name)).return_annotation == "None", f"{name}: what to return?"


def test_no_hook_is_async_or_takes_defaults() -> None:
    for name, signature in spec_names(hookspecs).items():
        assert not inspect.iscoroutinefunction(getattr(hookspecs, name))
        assert all(p.default is inspect.Parameter.empty for p in signature.parameters.values()), name


def test_the_list_of_public_names_is_complete_and_sorted() -> None:
    """What a hook's signature mentions must be importable from where plugin writers look."""
    from frameworkctl.interfaces import engine

    for module in (interfaces, engine):
        assert len(set(module.__all__)) == len(module.__all__)
        assert all(hasattr(module, name) for name in module.__all__)
    known = {*interfaces.__all__, *engine.__all__, "BackendSpec"}
    for name, signature in spec_names(hookspecs).items():
        texts = [str(p.annotation) for p in signature.parameters.values()] + [str(signature.return_annotation)]
        mentioned = {w for text in texts for w in re.findall(r"[A-Z]\w+", text)} - {"None", "Any"}
        assert mentioned <= known, f"{name} mentions {sorted(mentioned - known)}"
