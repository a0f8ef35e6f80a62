"""The version of this distribution, where every file may ask for it."""

from __future__ import annotations

VERSION = "0.1.0"  # a test compares it with pyproject.toml
