"""Looks at a plugin's hook implementations before pluggy does, which would accept a misspelt or async one silently."""

from __future__ import annotations

import difflib
import inspect
from types import ModuleType
from typing import Any

from frameworkctl.interfaces.markers import PROJECT

from .registry import RegistrationError

UNWRAPPED = ("register_", "filter_output", "request_received", "request_finished", "engine_")  # called plugin by plugin
_MARK = f"{PROJECT}_impl"
_SPEC = f"{PROJECT}_spec"


def hook_names(obj: Any) -> list[str]:
    """Return names of the functions marked with ``hookimpl``."""
    return sorted(n for n in dir(obj) if getattr(_member(obj, n), _MARK, None) is not None)


def _member(obj: Any, name: str) -> Any:
    try:
        return getattr(obj, name)
    except Exception:  # noqa: BLE001  a property of the plugin's may raise anything
        return None


def spec_names(specs: ModuleType) -> dict[str, inspect.Signature]:
    """Return every hook with its signature."""
    return {n: inspect.signature(f) for n, f in vars(specs).items() if getattr(f, _SPEC, None) is not None}


def check_hooks(obj: Any, specs: ModuleType) -> None:
    """Refuse unknown hook names, unknown arguments and coroutine functions.

    Raises:
        RegistrationError: in words for the plugin's author.
    """
    known = spec_names(specs)
    names = hook_names(obj)
    if inspect.isclass(obj):
        raise RegistrationError(f"it is the class {obj.__name__}: name a module, or an instance")
    if not names:
        raise RegistrationError("it implements no hook: mark functions with @hookimpl")
    for name in names:
        _check_hook(name, getattr(obj, name), known)


def _check_hook(name: str, function: Any, known: dict[str, inspect.Signature]) -> None:
    options = getattr(function, _MARK)
    if options.get("specname"):
        raise RegistrationError(f"name the function as the hook ({options['specname']!r}) rather than with specname")
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise RegistrationError(f"there is no hook called {name!r}{hint}")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise RegistrationError(f"hook {name!r} must not be async")
    extra = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.name not in known[name].parameters and p.default is inspect.Parameter.empty
    ]
    if extra:
        raise RegistrationError(
            f"hook {name!r} has no argument {extra[0]!r}; it has {', '.join(known[name].parameters)}"
        )
    if (options.get("wrapper") or options.get("hookwrapper")) and name.startswith(UNWRAPPED):
        raise RegistrationError(f"hook {name!r} cannot be wrapped")
