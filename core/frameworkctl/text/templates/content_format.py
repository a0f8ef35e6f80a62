"""Tells from a chat template's text whether it expects message contents as strings or as lists of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from jinja2 import TemplateError, nodes

from .chat_template import template_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

Scope: TypeAlias = nodes.Macro | None  # the macro that a name is used in, None outside of macros
Meaning: TypeAlias = Literal["messages", "message", "content"]


def detect_content_format(source: str) -> Literal["string", "openai"]:
    """Return ``openai`` if the template loops over the content of a message, else ``string``.

    The template is parsed, not run. Aliases and slices of messages and contents are followed, also through filters,
    and so are loop variables and macro parameters. A text that is no template counts as ``string``.
    """
    try:
        usage = _Usage(template_environment().parse(source))
    except (TemplateError, RecursionError):
        return "string"
    return "openai" if usage.loops_over_content() else "string"


class _Usage:
    """Meanings of a template's names: all the messages, one message, or a message's content."""

    def __init__(self, tree: nodes.Template) -> None:
        self._loops: list[tuple[Scope, nodes.For]] = []
        self._calls: list[tuple[Scope, nodes.Call]] = []
        self._flows: list[tuple[Scope, nodes.Node, tuple[Scope, str]]] = []  # a value and the name it reaches
        self._macros: dict[str, nodes.Macro] = {}
        self._collect(tree, None)
        for scope, call in self._calls:
            self._flows += [(scope, value, target) for value, target in self._bound(call)]
        # A loop outside of macros needs no more than the name, however its value came about
        self._known: set[tuple[Meaning, Scope, str]] = {("messages", None, "messages"), ("content", None, "content")}

    def loops_over_content(self) -> bool:
        size = 0
        while size != len(self._known):  # one meaning leads to the next
            size = len(self._known)
            for scope, value, target in self._flows:
                self._known |= {(meaning, *target) for meaning in self._meanings(scope, value)}
            for scope, loop in self._loops:
                if isinstance(loop.target, nodes.Name) and "messages" in self._meanings(scope, loop.iter):
                    self._known.add(("message", scope, loop.target.name))
        return any("content" in self._meanings(scope, loop.iter) for scope, loop in self._loops)

    def _collect(self, node: nodes.Node, scope: Scope) -> None:
        for child in node.iter_child_nodes():
            if isinstance(child, nodes.For):
                self._loops.append((scope, child))
            elif isinstance(child, nodes.Call):
                self._calls.append((scope, child))
            elif isinstance(child, nodes.Macro):
                self._macros[child.name] = child
            elif isinstance(child, nodes.Assign) and isinstance(child.target, nodes.Name):
                self._flows.append((scope, child.node, (scope, child.target.name)))
            self._collect(child, child if isinstance(child, nodes.Macro) else scope)

    def _bound(self, call: nodes.Call) -> Iterator[tuple[nodes.Node, tuple[Scope, str]]]:
        """Yield the arguments of a macro call, with the parameters they are bound to."""
        macro = self._macros.get(call.node.name) if isinstance(call.node, nodes.Name) else None
        if macro:
            yield from ((value, (macro, name.name)) for value, name in zip(call.args, macro.args, strict=False))
            yield from ((keyword.value, (macro, keyword.key)) for keyword in call.kwargs)

    def _meanings(self, scope: Scope, value: nodes.Node | None) -> set[Meaning]:
        value = _unwrapped(value)
        if isinstance(value, nodes.Name):
            return {meaning for meaning in _MEANINGS if self._means(meaning, scope, value.name)}
        owner = _owner_of_content(value)
        return {"content"} if owner and self._means("message", scope, owner) else set()

    def _means(self, meaning: Meaning, scope: Scope, name: str) -> bool:
        # Macros see the names outside of them, but like to have a parameter called content, whatever it is
        outside = meaning != "content" and (meaning, None, name) in self._known
        return outside or (meaning, scope, name) in self._known


_MEANINGS: tuple[Meaning, ...] = ("messages", "message", "content")


def _unwrapped(value: nodes.Node | None) -> nodes.Node | None:
    """Return the value without filters, tests and slices."""
    while True:
        match value:
            case nodes.Filter(node=inner) | nodes.Test(node=inner) | nodes.Getitem(node=inner, arg=nodes.Slice()):
                value = inner
            case _:
                return value


def _owner_of_content(value: nodes.Node | None) -> str | None:
    """Return the ``m`` of ``m.content`` and ``m['content']``."""
    match value:
        case nodes.Getattr(node=nodes.Name(name=owner), attr="content"):
            return str(owner)
        case nodes.Getitem(node=nodes.Name(name=owner), arg=nodes.Const(value="content")):
            return str(owner)
    return None
