"""Writes hooks.md (from the specs) and options.md (from the option tree): ``python docs/generate.py``."""

from __future__ import annotations

import inspect
from pathlib import Path

from frameworkctl import hookspecs
from frameworkctl.cli.fields import Field, fields_of
from frameworkctl.cli.parser import GROUPS
from frameworkctl.config import ModelOptions, ServerOptions
from frameworkctl.plugins.inspection import hook_names, spec_names

DOCS = Path(__file__).parent
EXAMPLES = DOCS / "examples"
NOTE = "<!-- Made by docs/generate.py; edit what it reads, not this page. -->\n"


def examples() -> dict[str, Path]:
    """Hook -> the example file that implements it."""
    from frameworkctl.plugins.importing import import_object

    found: dict[str, Path] = {}
    for path in sorted(EXAMPLES.glob("*.py")):
        for name in hook_names(import_object(str(path))):
            found.setdefault(name, path)
    return found


def hooks_page() -> str:
    """Every hook with its signature, docstring and an example that the tests run."""
    where = examples()
    parts = [
        NOTE,
        "# Hooks",
        "",
        "A plugin marks functions with `@hookimpl` (from `frameworkctl.interfaces`). It names the arguments it wants,",
        "in any order. No hook is called per token or per step, and none may be `async`. What a hook registers or",
        "returns does the work; what that is made of is in [plugins.md](plugins.md).",
    ]
    for name, signature in spec_names(hookspecs).items():
        arguments = ", ".join(signature.parameters)
        parts += ["", f"## {name}({arguments})", "", inspect.getdoc(getattr(hookspecs, name)) or ""]
        parts += ["", f"Example: [`{where[name].name}`](examples/{where[name].name})"]
    parts += ["", "# The examples", "", "Each is a plugin: `frameworkctl serve --plugins ./FILE.py`."]
    for path in sorted(set(where.values())):
        parts += ["", f"## {path.name}", "", "```python", path.read_text(encoding="utf-8").strip(), "```"]
    return "\n".join(parts) + "\n"


def options_page() -> str:
    """Every option of ``serve``, by group."""
    fields = [*fields_of(ServerOptions), *fields_of(ModelOptions)]
    parts = [
        NOTE,
        "# Options of `frameworkctl serve`",
        "",
        "`frameworkctl serve [MODEL] [--model NAME=PATH ...] [--config FILE] [OPTIONS]`. Each option is a flag, a key",
        "of the config file (with `-` or `_`) and an environment variable `FRAMEWORKCTL_NAME`; the flag wins over the",
        "file, the file over the environment. Flags are named as vLLM's where the meaning is the same.",
    ]
    for key, title in GROUPS.items():
        rows = [f for f in fields if f.group == key]
        if rows:
            parts += ["", f"## {title}", "", "| flag | default | meaning |", "|---|---|---|", *map(_row, rows)]
    return "\n".join(parts) + "\n"


def _row(field: Field) -> str:
    default = (
        "" if field.default in (None, [], "") else f"`{str(field.default).lower() if field.is_bool else field.default}`"
    )
    flag = f"--[no-]{field.flag[2:]}" if field.is_bool else field.flag
    return f"| `{flag}` | {default} | {field.help.replace('|', '&#124;')} |"


PAGES = {"hooks.md": hooks_page, "options.md": options_page}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")
        print(f"wrote {DOCS / name}")
