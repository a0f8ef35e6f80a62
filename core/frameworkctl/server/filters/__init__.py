"""Output filters of plugins around the outputs of one call."""
