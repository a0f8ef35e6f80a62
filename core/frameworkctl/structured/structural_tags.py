"""Structural tags as grammars: free text in which triggers open regions that a schema or grammar holds.

Both forms: ``{"structures": [{begin, schema, end}], "triggers": [...]}`` and ``{"format": {"type": ...}}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from . import lark
from .json_schema import preparation as schemas

# Free text is what the model likes to say: half a character too, but no special token (which begins with FF there).
HEADER = '%llguidance {"no_forcing": true, "allow_invalid_utf8": true}'
TEXT = r"/(?s-u:[\x00-\xfe])*/"
MAX_DEPTH = 80
FORMATS = (
    "const_string",
    "json_schema",
    "any_text",
    "regex",
    "grammar",
    "sequence",
    "or",
    "tag",
    "triggered_tags",
    "tags_with_separator",
)


def write(value: Any, hold: Callable[[Any], Any]) -> str:
    """Return the tag as a grammar. ``hold`` makes its schemas into schemas that llguidance takes.

    Raises:
        ValueError: it is not of either form, or uses what is not possible.
    """
    tag = schemas.decode(value) if isinstance(value, str) else value
    if not isinstance(tag, dict):
        raise ValueError("a structural tag is an object")
    schemas.check(tag)
    if "structures" in tag or "triggers" in tag:
        form = _of_older_form(tag)
    elif isinstance(tag.get("format"), dict):
        form = tag["format"]
    else:
        raise ValueError("a structural tag has 'format', or 'structures' and 'triggers'")
    return _Writer(hold).grammar(form)


def _of_older_form(tag: dict[str, Any]) -> dict[str, Any]:
    tags = [
        {
            "type": "tag",
            "begin": _text(s, "begin", "structures"),
            "end": _text(s, "end", "structures"),
            "content": {"type": "json_schema", "json_schema": _get(s, "schema", (dict, bool, str), "structures")},
        }
        for s in _get(tag, "structures", list, "the tag")
    ]
    return {"type": "triggered_tags", "triggers": _get(tag, "triggers", list, "the tag"), "tags": tags}


def _get(item: Any, key: str, kind: Any, where: str) -> Any:
    if not isinstance(item, dict) or not isinstance(item.get(key), kind):
        raise ValueError(f"{where}: {key!r} is missing or of the wrong type")
    return item[key]


def _text(item: Any, key: str, where: str) -> str:
    return str(_get(item, key, str, where))


class _Writer:
    """Collects rules in Lark, and the grammars that they refer to."""

    def __init__(self, hold: Callable[[Any], Any]) -> None:
        self._hold = hold
        self._rules: list[str] = []
        self._sides: list[dict[str, Any]] = []

    def grammar(self, form: dict[str, Any]) -> str:
        start = self._form(form, [])
        rules = "\n".join([HEADER, f"start: {start}", f"TEXT: {TEXT}", *self._rules])
        return json.dumps({"grammars": [{"name": "tag", "lark_grammar": rules}, *self._sides]}, ensure_ascii=False)

    def _form(self, form: Any, ends: list[str]) -> str:
        """Return an expression for a format; with ``ends`` it consumes one of them behind it."""
        kind = _text(form, "type", "format")
        if kind not in FORMATS:
            raise ValueError(f"format {kind!r} is not one of {', '.join(FORMATS)}")
        if kind == "any_text":
            return self._until(ends) if ends else "TEXT"
        if kind == "triggered_tags":
            return self._triggered(form, ends)
        expression: str = getattr(self, f"_{kind}")(form)
        return f"{expression} {self._one_of(ends)}" if ends else expression

    def _rule(self, expression: str, mark: str = "") -> str:
        name = f"r{len(self._rules)}"
        self._rules.append(f"{name}{mark}: {expression}")
        return name

    def _until(self, ends: list[str]) -> str:
        """Text up to and with the first of some texts."""
        return self._rule(f"TEXT {self._one_of(ends)}", "[lazy]")

    @staticmethod
    def _one_of(texts: list[str]) -> str:
        return "(" + " | ".join(map(lark.quoted, texts)) + ")"

    def _side(self, **content: Any) -> str:
        name = f"g{len(self._sides)}"
        self._sides.append({**content, "name": name})
        return f"@{name}"

    # -- formats

    def _const_string(self, form: dict[str, Any]) -> str:
        return lark.quoted(_text(form, "value", "const_string"))

    def _json_schema(self, form: dict[str, Any]) -> str:
        if form.get("style", "json") != "json":
            raise ValueError(f"json_schema: the style {form['style']!r} is not possible")
        schema = schemas.read(_get(form, "json_schema", (dict, bool, str), "json_schema"))
        return self._side(json_schema=self._hold(schema))

    def _regex(self, form: dict[str, Any]) -> str:
        pattern = lark.pattern(_text(form, "pattern", "regex"))
        return self._side(lark_grammar=f"{lark.HEADER}\nstart: {pattern}")

    def _grammar(self, form: dict[str, Any]) -> str:
        text = lark.read(_text(form, "grammar", "grammar"))
        return self._side(lark_grammar=lark.with_schemas(text, lambda schema: self._hold(schemas.read(schema))))

    def _or(self, form: dict[str, Any]) -> str:
        parts = [self._rule(self._form(part, [])) for part in _get(form, "elements", list, "or")]
        return "(" + " | ".join(parts) + ")"

    def _sequence(self, form: dict[str, Any]) -> str:
        """Text before a fixed text ends where that begins; nothing else can tell where it ends."""
        parts, out, i = _get(form, "elements", list, "sequence"), [], 0
        while i < len(parts):
            free = isinstance(parts[i], dict) and parts[i].get("type") in ("any_text", "triggered_tags")
            if free and i + 1 < len(parts):
                following = parts[i + 1]
                if not isinstance(following, dict) or following.get("type") != "const_string":
                    raise ValueError("sequence: free text has to be the last element, or be followed by a const_string")
                out.append(self._form(parts[i], [_text(following, "value", "const_string")]))
                i += 2
            else:
                out.append(self._form(parts[i], []))
                i += 1
        return "(" + " ".join(out) + ")"

    def _tag(self, form: dict[str, Any], skip: int = 0) -> str:
        """Return ``skip`` characters of its beginning stand there already."""
        begin = _text(form, "begin", "tag")[skip:]
        end = form.get("end", "")
        ends = [end] if isinstance(end, str) else end
        if not isinstance(ends, list) or not all(isinstance(e, str) for e in ends):
            raise ValueError("tag: 'end' is a text or a list of texts")
        content = self._form(_get(form, "content", dict, "tag"), [e for e in ends if e] if all(ends) else [])
        return self._rule(f"{lark.quoted(begin)} {content}" if begin else content)

    def _triggered_tags(self, form: dict[str, Any]) -> str:  # reached through _form, which knows the ends
        return self._triggered(form, [])

    def _triggered(self, form: dict[str, Any], ends: list[str]) -> str:
        where = "triggered_tags"
        triggers, tags = _get(form, "triggers", list, where), _get(form, "tags", list, where)
        if not triggers or not tags or not all(isinstance(t, str) and t for t in triggers):
            raise ValueError(f"{where}: triggers and tags must not be empty")
        opened: dict[str, list[str]] = {t: [] for t in triggers}
        whole = []
        for tag in tags:
            begin = _text(tag, "begin", where)
            trigger = next((t for t in triggers if begin.startswith(t)), None)
            if trigger is None:
                raise ValueError(f"{where}: the tag {begin!r:.80} begins with none of the triggers")
            opened[trigger].append(self._tag(tag, len(trigger)))
            whole.append(lark.quoted(trigger) + " " + opened[trigger][-1])
        parts = [f"{self._until([t])} ({' | '.join(rules)})" for t, rules in opened.items() if rules]
        again = self._rule(" | ".join(parts))
        once = form.get("stop_after_first") is True
        rest = self._until(ends) if ends else "TEXT"
        if form.get("at_least_one") is True:
            first = "(" + " | ".join(whole) + ")"
            after = self._one_of(ends) if ends else '""'
            return f"{first} {after}" if once else f"{first} {again}* {rest}"
        return f"({again} {self._one_of(ends) if ends else ''} | {rest})" if once else f"{again}* {rest}"

    def _tags_with_separator(self, form: dict[str, Any]) -> str:
        where = "tags_with_separator"
        tags = [self._tag(t) for t in _get(form, "tags", list, where)]
        if not tags:
            raise ValueError(f"{where}: tags must not be empty")
        one = self._rule(" | ".join(tags))
        separator = lark.quoted(_text(form, "separator", where))
        many = one if form.get("stop_after_first") is True else f"{one} ({separator} {one})*"
        return f"({many})" if form.get("at_least_one") is True else f"({many})?"
