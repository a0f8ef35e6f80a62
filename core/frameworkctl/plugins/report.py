"""``frameworkctl plugins``: what is installed, what is on, what it did, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .records import PluginRecord


def as_json(records: Sequence[PluginRecord]) -> str:
    return msgspec.json.format(msgspec.json.encode(records)).decode()


def as_table(records: Sequence[PluginRecord]) -> str:
    """Return a block of lines per plugin: state and origin first, then what it registered and what failed."""
    lines = []
    for r in records:
        name = ", ".join(r.names) if r.names else r.value
        origin = f"{r.distribution} {r.version}" if r.distribution else "by path"
        took = f"  {r.load_ms:.1f} ms" if r.load_ms is not None else ""
        lines.append(f"{r.state:<12}{r.group.removeprefix('frameworkctl.'):<13}{name}  [{origin}]{took}")
        if r.error:
            lines.append(f"{'':12}error: {r.error}")
        if r.hooks:
            lines.append(f"{'':12}hooks: {', '.join(r.hooks)}")
        if r.registered:
            lines.append(f"{'':12}registered: {', '.join(r.registered)}")
        if r.overrides:
            lines.append(f"{'':12}replaces: {', '.join(r.overrides)}")
        if r.file:
            lines.append(f"{'':12}file: {r.file}")
    return "\n".join(lines)
