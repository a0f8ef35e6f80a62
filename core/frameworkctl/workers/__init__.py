"""Child processes for what may take too much time or memory, or is not to be trusted with either."""
