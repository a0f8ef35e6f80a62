"""Plain torch: the oracle of the other backends, and fit to serve where there is no better one."""
