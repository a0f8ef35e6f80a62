"""Execution of models that pool: runner, poolers, heads."""
