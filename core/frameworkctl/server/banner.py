"""Start-up line of a model that is ready."""

from __future__ import annotations

from frameworkctl.engine.messages import EngineInfo
from frameworkctl.interfaces.pooling import TOKEN_TASKS
from frameworkctl.server.models.local_model import LocalModel


def banner(model: LocalModel, info: EngineInfo) -> str:
    """Return one line: name, architecture and whose code runs it, size, type, place, what it pools, cache, length."""
    plugin = model.choice.registered.plugin
    code = f"{plugin.distribution} {plugin.version}" if plugin.distribution else plugin.value
    if not model.choice.native:
        code += f", {model.choice.name}"
    kept = f"KV cache of {info.cache_tokens:,} tokens ({info.pages:,} pages, {info.cache_bytes / 1e9:.2f} GB)"
    pooling = model.info.pooling
    pools = ""
    if pooling is not None:
        pooler = pooling.token_pooler if model.info.tasks <= TOKEN_TASKS else pooling.pooler
        pools = f" {', '.join(sorted(model.info.tasks))} by {pooler};"
    return (
        f"{' = '.join(model.names)}: {model.info.architecture} ({code}), {count(info.parameters)} parameters in"
        f" {info.dtype} on {info.device} ({info.backend}, {info.threads} threads);"
        f"{pools} {kept if info.cache_bytes else 'no KV cache'};"
        f" at most {model.max_model_len:,} tokens a sequence"
    )


def count(number: int) -> str:
    """Return ``5_123_456`` as ``5.1 M``."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)
