"""Looks at a plugin's hook implementations before pluggy does, which would accept a misspelt or async one silently."""

from __future__ import annotations

import difflib
import inspect
from types import ModuleType
from typing import Any

from ..interfaces.markers import PROJECT
from .registry import RegistrationError

_MARK = f"{PROJECT}_impl"
_SPEC = f"{PROJECT}_spec"


def hook_names(obj: Any) -> list[str]:
    """Names of the functions marked with ``hookimpl``."""
    return sorted(n for n in dir(obj) if getattr(_member(obj, n), _MARK, None) is not None)


def _member(obj: Any, name: str) -> Any:
    try:
        return getattr(obj, name)
    except Exception:  # noqa: BLE001  a property of the plugin's may raise anything
        return None


def spec_names(specs: ModuleType) -> dict[str, inspect.Signature]:
    """Every hook there is, with its signature."""
    return {n: inspect.signature(f) for n, f in vars(specs).items() if getattr(f, _SPEC, None) is not None}


def check_hooks(obj: Any, specs: ModuleType) -> None:
    """Refuse unknown hook names, unknown arguments and coroutine functions.

    Raises:
        RegistrationError: in words for the plugin's author.
    """
    known = spec_names(specs)
    names = hook_names(obj)
    for name in names:
        function = getattr(obj, name)
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
        options = getattr(function, _MARK)
        if name.startswith("register_") and (options.get("wrapper") or options.get("hookwrapper")):
            raise RegistrationError(f"hook {name!r} cannot be wrapped")
    if not names:
        raise RegistrationError("it implements no hook: mark functions with @hookimpl")
