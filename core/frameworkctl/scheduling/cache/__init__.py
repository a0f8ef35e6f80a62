"""Pages of keys and values: groups, page pool, prefix index, and the manager of all three."""
