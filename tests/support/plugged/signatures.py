"""The public surface as text: every hook, and every name of the two interface modules, one line each."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import msgspec
from frameworkctl import hookspecs, interfaces

_OPTIONS = ("firstresult", "historic")


def surface() -> str:
    """All of it; importing this much needs torch."""
    from frameworkctl.interfaces import engine

    lines = ["# hooks", *hooks()]
    for module in (interfaces, engine):
        lines += ["", f"# {module.__name__}"]
        for name in sorted(module.__all__):
            lines += public(module, name)
    return "\n".join(lines) + "\n"


def hooks() -> Iterator[str]:
    """In the order of the page."""
    for name, function in vars(hookspecs).items():
        options = getattr(function, "frameworkctl_spec", None)
        if options is not None:
            marks = "".join(f" [{o}]" for o in _OPTIONS if options.get(o))
            yield f"{name}{signature(function)}{marks}"


def public(module: ModuleType, name: str) -> Iterator[str]:
    obj = getattr(module, name)
    origin = getattr(obj, "__module__", "")
    if inspect.isclass(obj) and origin.startswith("frameworkctl"):
        if module is not interfaces and hasattr(interfaces, name):
            yield f"{name} = frameworkctl.interfaces.{name}"
        else:
            yield from members(name, obj)
    elif inspect.isfunction(obj):
        yield f"def {name}{signature(obj)}"
    elif isinstance(obj, (str, int)):
        yield f"{name}: {type(obj).__name__}" + (f" = {obj!r}" if name == "API_VERSION" else "")
    else:
        said = re.sub(r"\bframeworkctl\.[\w.]+\.(\w+)", r"\1", repr(obj))  # by their public names
        yield f"{name} = {said}" if "object at" not in said else f"{name}: {type(obj).__name__}"


def members(name: str, cls: type[Any]) -> Iterator[str]:
    """Fields with their defaults, then methods, of the class itself."""
    bases = ", ".join(b.__name__ for b in cls.__bases__ if b is not object)
    yield f"class {name}({bases}){flags(cls)}" if bases else f"class {name}{flags(cls)}"
    annotations = inspect.get_annotations(cls)
    defaults = field_defaults(cls)
    for field, annotation in annotations.items():
        if not field.startswith("_"):
            default = f" = {defaults[field]}" if field in defaults else ""
            yield f"    {field}: {plain(annotation)}{default}"
    for method, obj in vars(cls).items():
        if method not in ("__init__", "__call__") and method.startswith("_"):
            continue
        if isinstance(obj, property):
            yield f"    property {method}{signature(obj.fget)}"
        elif inspect.isfunction(obj) and not generated(cls, method):
            kind = "async def" if inspect.iscoroutinefunction(obj) else "def"
            mark = "abstract " if getattr(obj, "__isabstractmethod__", False) else ""
            yield f"    {mark}{kind} {method}{signature(obj)}"


def flags(cls: type[Any]) -> str:
    """How instances are made and whether they can be changed."""
    found = []
    if issubclass(cls, msgspec.Struct):
        found = ["frozen"] * cls.__struct_config__.frozen + ["kw_only"] * (not cls.__match_args__)
    elif dataclasses.is_dataclass(cls):
        found = ["frozen"] * cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    return "".join(f" [{f}]" for f in found)


def generated(cls: type[Any], method: str) -> bool:
    """``__init__`` that a decorator or a protocol wrote."""
    return method == "__init__" and (dataclasses.is_dataclass(cls) or getattr(cls, "_is_protocol", False))


def field_defaults(cls: type[Any]) -> dict[str, str]:
    """Without evaluating annotations: some name what only type checkers import."""
    if issubclass(cls, msgspec.Struct):
        values = cls.__struct_defaults__
        pairs = zip(cls.__struct_fields__[len(cls.__struct_fields__) - len(values) :], values, strict=True)
        return {n: written(getattr(v, "factory", None), v) for n, v in pairs if v is not msgspec.NODEFAULT}
    if dataclasses.is_dataclass(cls):
        fields = [(f.name, f.default, f.default_factory) for f in dataclasses.fields(cls)]
        nothing = dataclasses.MISSING
        return {n: written(None if g is nothing else g, d) for n, d, g in fields if (d, g) != (nothing, nothing)}
    return {n: repr(v) for n, v in vars(cls).items() if n in inspect.get_annotations(cls)}


def written(factory: Any, default: Any) -> str:
    return repr(default) if factory is None else f"{factory.__name__}()"


def signature(function: Callable[..., Any] | None) -> str:
    """As written, without the quotes of postponed annotations."""
    assert function is not None
    found = inspect.signature(function)
    parameters = [p.replace(annotation=_Verbatim(p.annotation)) for p in found.parameters.values()]
    return str(found.replace(parameters=parameters, return_annotation=_Verbatim(found.return_annotation)))


def plain(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


class _Verbatim:
    """Prints as the annotation's text; nothing for no annotation."""

    def __new__(cls, annotation: Any) -> Any:
        return annotation if annotation is inspect.Parameter.empty else super().__new__(cls)

    def __init__(self, annotation: Any) -> None:
        self.text = plain(annotation)

    def __repr__(self) -> str:
        return self.text
