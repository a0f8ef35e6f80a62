"""The documentation tells the truth: generated pages are up to date, links lead somewhere, examples run."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from frameworkctl import hookspecs
from frameworkctl.plugins import PluginHost, Selection
from frameworkctl.plugins.inspection import hook_names, spec_names

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = sorted((DOCS / "examples").rglob("*.py"))
PAGES = [*DOCS.glob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("plugins/*/README.md")]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["fields.md", "hooks.md", "options.md"])
def test_generated_pages_are_up_to_date(generate: ModuleType, page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert text == generate.PAGES[page](), "run: python docs/generate.py"


def test_every_hook_has_an_example(generate: ModuleType) -> None:
    assert set(generate.examples()) == set(spec_names(hookspecs))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_load_as_plugins(path: Path) -> None:
    host = PluginHost.from_selection(Selection([], [], [], [str(path)]))
    host.load_everything()
    (record,) = host.records
    assert record.state == "loaded", record.error
    registering = [h for h in record.hooks if h.startswith("register_")]
    assert bool(record.registered) == bool(registering)
    assert len(record.registered) >= len(registering)


def test_every_hook_is_used_by_something_in_the_repository() -> None:
    """By a built-in, a sample plugin, or an example."""
    used: set[str] = set()
    marked = re.compile(r"@hookimpl(?:\([^)]*\))?\s+(?:async )?def (\w+)")
    for root in ("core", "builtin_endpoints", "builtin_models", "kernels", "plugins", "docs/examples"):
        for file in (ROOT / root).rglob("*.py"):
            used |= set(marked.findall(file.read_text(encoding="utf-8")))
    assert used == set(spec_names(hookspecs))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_structure_page_names_every_room() -> None:
    text = (DOCS / "structure.md").read_text(encoding="utf-8")
    tracked = subprocess.run(["git", "ls-files", "core"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    rooms = {line.split("/")[2] for line in tracked.splitlines() if line.count("/") >= 3}
    assert rooms, "not a git checkout"
    assert all(f"`{room}/`" in text for room in rooms), [r for r in rooms if f"`{r}/`" not in text]


def test_mask_example_holds_back_what_could_become_the_secret() -> None:
    from frameworkctl.interfaces import Output
    from frameworkctl.plugins.importing import import_object

    module = import_object(str(DOCS / "examples" / "server" / "stages.py"))
    assert "filter_output" in hook_names(module)
    secret = "a swordfish, swordfishswordfish; swordfis"
    for step in (1, 2, 3, 7, 50):
        mask, said = module.Mask(), ""
        pieces = [secret[i : i + step] for i in range(0, len(secret), step)]
        for number, piece in enumerate(pieces):
            reason = "stop" if number == len(pieces) - 1 else None
            said += mask.process(Output(item=0, index=0, text=piece, token_ids=[], finish_reason=reason)).text
            assert "swordfish" not in said
        assert said == "a ***, ******; swordfis"


def test_every_limit_belongs_to_a_field(generate: ModuleType) -> None:
    page = generate.fields_page()
    generation, pooling = page.split("# Request fields of the pooling families")
    assert all(f"| `{name}` |" in generation for name in generate.limits())
    assert all(f"| `{name}` |" in pooling for name in generate.pooling_limits())
    assert "| `suffix` | completions |  | refused |" in page
    assert "| `user` | both |  | accepted, without effect |" in page
