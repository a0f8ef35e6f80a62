"""What must be quick imports nothing heavy: help, version and the plugin report; ``serve`` until it has its options."""

from __future__ import annotations

import pytest
from support.serving.programs import python

HEAVY = ("torch", "transformers", "litestar", "uvicorn", "tokenizers", "huggingface_hub", "safetensors", "jinja2")
MAIN = """
import sys
from frameworkctl.cli import main
status = main({argv!r})
assert status == {status}, status
sys.stderr.write("LOADED " + " ".join(m for m in sys.modules if "." not in m))
"""


def loaded_by(argv: list[str], status: int = 0) -> set[str]:
    return set(python(MAIN.format(argv=argv, status=status)).stderr.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize(
    "argv", [["--help"], ["--version"], ["plugins"], ["plugins", "--json"], ["serve", "--help"]], ids=" ".join
)
def test_nothing_heavy(argv: list[str]) -> None:
    modules = loaded_by(argv)
    assert "frameworkctl" in modules
    assert sorted(modules & set(HEAVY)) == []


@pytest.mark.parametrize("command", ["chat", "complete"])
def test_clients_neither(command: str) -> None:
    """They are to be there at once; nobody listens on port 9."""
    loaded = loaded_by([command, "-q", "Hi", "--url", "http://127.0.0.1:9"], status=2)
    assert not loaded & {*HEAVY, "httpx", "openai", "asyncio"}


def test_an_unknown_command_neither() -> None:
    assert not loaded_by(["nonsense"], status=2) & set(HEAVY)


def test_importing_the_public_interfaces() -> None:
    """Specs are imported by the server, so what they import must be torch-free; the engine's side is another module."""
    code = "import sys, frameworkctl.interfaces; print(*(m for m in sys.modules if '.' not in m))"
    modules = set(python(code).stdout.split())
    assert "frameworkctl" in modules
    assert not modules & set(HEAVY)


def test_the_server_side_until_a_model_is_loaded() -> None:
    """The server's parts are imported, none of them with torch or transformers."""
    code = """
    import sys
    import frameworkctl.server.run, frameworkctl.server.models.loading
    from frameworkctl.cli.commands.serve import load_plugins
    from frameworkctl.plugins.discovery import BACKENDS, MODELS
    host = load_plugins([])
    host.load_named(MODELS, "LlamaForCausalLM")
    host.load_named(BACKENDS, "reference")
    print(*(m for m in sys.modules if "." not in m))
    """
    modules = set(python(code).stdout.split())
    assert {"litestar", "frameworkctl_models", "frameworkctl_kernels"} <= modules
    assert not modules & {"torch", "transformers"}
