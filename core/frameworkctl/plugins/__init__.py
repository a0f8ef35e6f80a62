"""Finding, choosing, loading and reporting plugins."""

from __future__ import annotations

from .discovery import GROUPS, Candidate, discover
from .host import PluginHost
from .records import LoadedPlugin, PluginRecord
from .registry import Registered, Registry
from .selection import Selection, select

__all__ = [
    "GROUPS",
    "Candidate",
    "LoadedPlugin",
    "PluginHost",
    "PluginRecord",
    "Registered",
    "Registry",
    "Selection",
    "discover",
    "select",
]
