"""The poolers that come with core, registered as a stranger's would be."""

from __future__ import annotations

from frameworkctl.interfaces import PoolerSpec, PoolTask, Register, hookimpl

TEXTS: frozenset[PoolTask] = frozenset({"embed", "classify"})
TOKENS: frozenset[PoolTask] = frozenset({"token_embed", "token_classify"})


@hookimpl
def register_poolers(register: Register[PoolerSpec]) -> None:
    for name, class_, tasks, needs_all in (
        ("cls", "First", TEXTS, True),
        ("last", "Last", TEXTS, False),
        ("mean", "Mean", TEXTS, True),
        ("all", "All", TOKENS, True),
        ("step", "Step", TOKENS, True),
    ):
        implementation = f"frameworkctl.execution.pooling.poolers:{class_}"
        register(PoolerSpec(name=name, implementation=implementation, tasks=tasks, needs_all=needs_all))
