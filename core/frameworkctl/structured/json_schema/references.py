"""References inside a schema that lead back to themselves."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from .walking import joined, schemas_in


def endless_reference(root: Any) -> str | None:
    """Return the path of a ``$ref`` by which every document would be endless, None if there are finite ones.

    A schema has finite documents if those that they are made of have: a linked list whose ``next`` is required has
    none. What is not known (anchors, other documents) counts as finite.
    """
    nodes = list(schemas_in(root))
    if not any("$ref" in node for node, _ in nodes):
        return None
    finite: set[int] = set()
    found = True
    while found:
        found = False
        for node, _ in nodes:
            if id(node) not in finite and _is_finite(node, root, finite):
                finite.add(id(node))
                found = True
    if id(root) in finite:
        return None
    return next((joined(path, "$ref") for node, path in nodes if "$ref" in node and id(node) not in finite), None)


def _is_finite(node: dict[str, Any], root: Any, finite: set[int]) -> bool:
    def ok(schema: Any) -> bool:
        return not isinstance(schema, dict) or id(schema) in finite

    if "$ref" in node and not ok(_target(node["$ref"], root)):
        return False
    if not all(map(ok, _list(node, "allOf"))):
        return False
    for keyword in ("anyOf", "oneOf"):
        if _list(node, keyword) and not any(map(ok, node[keyword])):
            return False
    if node.get("type") == "object":
        properties = node.get("properties")
        if not isinstance(properties, dict):
            return True
        return all(ok(properties.get(name)) for name in _list(node, "required") if isinstance(name, str))
    if node.get("type") == "array" and isinstance(node.get("minItems"), int) and node["minItems"] > 0:
        first = [*_list(node, "prefixItems"), *_list(node, "items"), node.get("items")]
        return ok(first[0])
    return True


def _list(node: dict[str, Any], keyword: str) -> list[Any]:
    found = node.get(keyword)
    return found if isinstance(found, list) else []


def _target(reference: Any, root: Any) -> Any:
    """Return the schema that a pointer (``#``, ``#/$defs/a``) leads to, None if it is not one or leads nowhere."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    at = root
    for part in reference.split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(at, dict):
            at = at.get(name)
        elif isinstance(at, list) and name.isdigit() and int(name) < len(at):
            at = at[int(name)]
        else:
            return None
    return at
