"""An engine without processes, under the name that the tests know it by."""

from __future__ import annotations

from frameworkctl.testing import InProcessEngine

__all__ = ["InProcessEngine"]
