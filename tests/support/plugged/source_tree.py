"""The repository as files and imports, for tests that look at its structure."""

from __future__ import annotations

import ast
import functools
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {
    "core": "frameworkctl",
    "builtin_endpoints": "frameworkctl_endpoints",
    "builtin_models": "frameworkctl_models",
    "kernels": "frameworkctl_kernels",
}  # source root -> the one package in it


class Import(NamedTuple):
    """``target`` is absolute (``frameworkctl.interfaces.Call`` for a name that is imported from a module)."""

    module: str
    target: str
    line: int
    typing_only: bool  # under ``if TYPE_CHECKING``

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"

    def within(self, *packages: str) -> bool:
        return any(self.target == p or self.target.startswith(p + ".") for p in packages)


def files(root: str) -> list[Path]:
    """Python files of a source root."""
    return sorted(p for p in (ROOT / root).rglob("*.py") if not any(part.startswith(".") for part in p.parts[-4:]))


def module_name(path: Path, root: str) -> str:
    parts = list(path.relative_to(ROOT / root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(*roots: str) -> dict[str, Path]:
    """Every module of the source roots (all four unless said)."""
    return {module_name(path, root): path for root in roots or PACKAGES for path in files(root)}


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@functools.cache
def imports(*roots: str) -> tuple[Import, ...]:
    """Every import statement of these roots, wherever it stands."""
    found: list[Import] = []
    for name, path in modules(*roots).items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found += _imports_in(tree(path), name, package, typing_only=False)
    return tuple(found)


def _imports_in(node: ast.AST, module: str, package: str, *, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, child.lineno, typing_only)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(child, package)
            for alias in child.names:
                yield Import(module, f"{base}.{alias.name}", child.lineno, typing_only)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports_in(ast.Module(child.body, []), module, package, typing_only=True)
            yield from _imports_in(ast.Module(child.orelse, []), module, package, typing_only=typing_only)
        else:
            yield from _imports_in(child, module, package, typing_only=typing_only)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = ".".join(parts[: len(parts) - node.level + 1])
    return f"{base}.{node.module}" if node.module else base


@functools.cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked(*paths: str) -> list[str]:
    """Files that git knows, relative to the root."""
    done = subprocess.run(["git", "ls-files", "-z", *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
