"""The server's side runs without torch and transformers: in its import statements, and in fact."""

from __future__ import annotations

import json

import pytest
from support.plugged.source_tree import imports, modules
from support.serving.programs import python

HEAVY = ("torch", "transformers", "triton", "torchvision", "torchaudio")
TORCH = (
    *("frameworkctl.interfaces.engine", "frameworkctl.layers", "frameworkctl.execution", "frameworkctl.testing"),
    *(
        "frameworkctl.engine.process",
        "frameworkctl.engine.loop",
        "frameworkctl.checkpoints.tokenizer_converter",
        "frameworkctl.offline.tokenizer",
    ),
    *("frameworkctl_kernels.reference", "frameworkctl_kernels.cpu", "frameworkctl_kernels.cuda"),
)
IMPLEMENTATIONS = "frameworkctl_models"  # of these, only what entry points name is a spec


def is_torch_side(module: str) -> bool:
    return any(module == t or module.startswith(t + ".") for t in TORCH)


def specs() -> list[str]:
    """Modules of model families that the server imports: those with the hooks, and what they describe with."""
    return [m for m in modules("builtin_models") if m.endswith((".plugin", ".config")) or "." not in m]


def torch_free() -> list[str]:
    rest = [m for m in modules() if not m.startswith(IMPLEMENTATIONS) and not is_torch_side(m)]
    return [m for m in rest if m != "frameworkctl.__main__"] + specs()


def test_no_import_statement_names_torch() -> None:
    free = set(torch_free())
    assert {
        "frameworkctl.server.run",
        "frameworkctl.cli.commands.serve",
        "frameworkctl.server.engines.client",
        "frameworkctl.text.tokenizer",
        "frameworkctl_endpoints.chat.plugin",
    } <= free
    bad = [i for i in imports() if i.module in free and not i.typing_only and i.within(*HEAVY)]
    assert not bad, "\n".join(map(str, bad))


def test_nothing_at_module_level_reaches_torch_through_others() -> None:
    """The torch side is imported from the other in the nursery's child, and where a script asks for its tokenizer."""
    free = set(torch_free())
    bad = [i for i in imports() if i.module in free and not i.typing_only and is_torch_side(i.target)]
    assert {(i.module, i.target) for i in bad} <= {
        ("frameworkctl.engine.nursery", "frameworkctl.engine.process"),
        ("frameworkctl.engine.nursery", "frameworkctl.engine.process.main"),
        ("frameworkctl.offline.llm", "frameworkctl.offline.tokenizer"),
    }, "\n".join(map(str, bad))


def test_importing_all_of_it_loads_neither() -> None:
    code = f"""
    import importlib, json, sys
    heavy = {HEAVY!r}
    for name in {torch_free()!r}:
        importlib.import_module(name)
        found = [m for m in heavy if m in sys.modules]
        assert not found, f"{{name}} loads {{found}}"
    print(json.dumps(sorted(m for m in sys.modules if m.startswith("frameworkctl"))))
    """
    loaded = set(json.loads(python(code).stdout))
    assert set(torch_free()) <= loaded
    assert not [m for m in loaded if is_torch_side(m)]


@pytest.mark.parametrize("side", ["server", "engine"])
def test_each_module_can_be_the_first(side: str) -> None:
    """Imported alone in a fresh interpreter, so that no module leans on another's having been imported before."""
    names = torch_free() if side == "server" else sorted(set(modules()) - set(torch_free()) - {"frameworkctl.__main__"})
    third_party = ["msgspec", "pluggy", "numpy", "importlib_metadata", "packaging"]
    third_party += ["litestar", "uvicorn", "tokenizers", "jinja2"] if side == "server" else ["torch", "safetensors"]
    code = f"""
    import importlib, os, sys, traceback
    for name in {third_party!r}:
        importlib.import_module(name)
    assert not [m for m in sys.modules if m.startswith("frameworkctl")]
    failed = []
    for name in {names!r}:
        pid = os.fork()
        if not pid:
            try:
                importlib.import_module(name)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            failed.append(name)
    print("FAILED", *failed)
    """
    done = python(code)
    assert done.stdout.split() == ["FAILED"], done.stderr
