"""Tools that plugin writers test with: an engine in one thread, tiny random checkpoints, and parity with transformers.

A model plugin's tests need little more than a checkpoint::

    pytest_plugins = ["frameworkctl.testing.fixtures"]

    @pytest.fixture(scope="module")
    def checkpoint(tmp_path_factory):
        return random_checkpoint(transformers.GPTNeoXConfig(...), tmp_path_factory.mktemp("checkpoint"))

    def test_parity(parity):
        parity.check()

which runs once for each of ``MODES``. Importing this imports torch; nothing that serves imports it.
"""

from __future__ import annotations

from .checkpoints import random_checkpoint, randomize
from .inprocess import InProcessEngine
from .parity import MODES, Parity

__all__ = ["MODES", "InProcessEngine", "Parity", "random_checkpoint", "randomize"]
