"""``frameworkctl chat`` and ``complete``: clients of a running server for a terminal."""
