"""Importing what a plugin's value names: a module, an object in one, or a single file."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from frameworkctl.errors import ConfigError


def import_object(value: str) -> Any:
    """Return ``package.module``, ``package.module:object`` or ``/path/file.py`` as an object. Raises what the import
    raises.
    """
    if value.endswith(".py"):
        return _import_file(Path(value))
    module_name, _, attribute = value.partition(":")
    module = importlib.import_module(module_name)
    return functools.reduce(getattr, attribute.split("."), module) if attribute else module


def load_class(path: str) -> Any:
    """Return the class that a spec's ``implementation`` names.

    Raises:
        ConfigError: there is no such module or class.
    """
    if ":" not in path:
        raise ConfigError(f"implementation {path!r} is not of the form 'package.module:Class'")
    try:
        return import_object(path)
    except (ImportError, AttributeError) as e:
        raise ConfigError(f"cannot import {path!r}: {e}") from e


def _import_file(path: Path) -> ModuleType:
    """Return a file under a module name made of its path, so that ``__name__ + ':Class'`` finds its classes in any
    process.
    """
    name = f"frameworkctl_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def source_of(obj: Any, *, single_file: bool) -> tuple[str | None, str | None]:
    """Return the file an object was defined in, and its sha256 where the plugin is that one file."""
    module = obj if isinstance(obj, ModuleType) else inspect.getmodule(obj if inspect.isclass(obj) else type(obj))
    file = getattr(module, "__file__", None)
    if file is None or not single_file:
        return file, None
    return file, hashlib.sha256(Path(file).read_bytes()).hexdigest()
