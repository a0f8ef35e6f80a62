"""Decides if a checkpoint generates or pools, and how it pools: by class, files and options, in that order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import msgspec

from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.model import Checkpoint, ModelInfo
from frameworkctl.interfaces.pooling import TOKEN_TASKS, PoolerSpec, PoolingInfo, PoolTask
from frameworkctl.plugins.conversions import kind_of

from .classes import activation_of, labels_of, tokens_as_classes
from .files import SentenceFiles, read_files
from .options import FLAG, Convert, PoolerConfig, Runner, pooler_config

TASKS: tuple[PoolTask, ...] = get_args(PoolTask)
CLASSES: frozenset[PoolTask] = frozenset({"classify", "token_classify"})


def resolve(
    info: ModelInfo,
    checkpoint: Checkpoint,
    *,
    runner: Runner = "auto",
    convert: Convert = "auto",
    given: Mapping[str, Any] | None = None,
    token_id: Callable[[str], int | None] = lambda token: None,
    poolers: Mapping[str, PoolerSpec] | None = None,
) -> ModelInfo:
    """Return what is served: ``info`` of a class as a generator, or with all of its ``pooling`` filled in.

    ``given`` is ``--pooler-config``; ``poolers`` are those that are registered (None: not looked at).

    Raises:
        ConfigError: the class cannot do what is asked for, or the options contradict it.
    """
    options, files = pooler_config(given or {}), read_files(checkpoint)
    architecture = str(next(iter(checkpoint.config.get("architectures") or ()), info.architecture))
    kind = kind_of(architecture) if info.pooling is None else None
    generates = kind == "generate" and "generate" in info.tasks
    if not _pools(info, files, runner, convert, generates):
        if runner == "generate" and not generates:
            raise ConfigError(f"--runner generate: {architecture} does not generate text")
        if given:
            raise ConfigError(f"{FLAG} is for models that pool; {architecture} does with --runner pooling")
        return msgspec.structs.replace(info, pooling=None, tasks=info.tasks - set(TASKS))
    pooling, tasks = _of_class(info, architecture, kind, convert)
    pooling = _with_classes(pooling, tasks, checkpoint.config, token_id)
    pooling = _with_files(pooling, files, checkpoint.config, info.hidden_size)
    pooling = _with_options(pooling, tasks, options, poolers)
    length = min(info.max_model_len, files.max_length or info.max_model_len)
    return msgspec.structs.replace(
        info, architecture=info.architecture, pooling=pooling, tasks=frozenset[str](tasks), max_model_len=length
    )


def _pools(info: ModelInfo, files: SentenceFiles, runner: Runner, convert: Convert, generates: bool) -> bool:
    if runner != "auto":
        return runner == "pooling"
    return info.pooling is not None or not generates or files.pools or files.late or convert in ("embed", "classify")


def _of_class(
    info: ModelInfo, architecture: str, kind: str | None, convert: Convert
) -> tuple[PoolingInfo, frozenset[PoolTask]]:
    """Return how the class pools by itself, or converted."""
    if info.pooling is not None:
        tasks = frozenset(t for t in TASKS if t in info.tasks)
        if convert in ("embed", "classify") and convert not in tasks:
            raise ConfigError(f"--convert {convert}: {architecture} has a head of its own ({', '.join(sorted(tasks))})")
        return info.pooling, tasks
    if convert == "none":
        raise ConfigError(f"--convert none: {architecture} does not pool as it is; --convert embed or classify")
    how = convert if convert != "auto" else {"generate": "embed"}.get(kind or "", kind)
    made: dict[str | None, frozenset[PoolTask]] = {
        "classify": CLASSES,
        "token_classify": frozenset({"token_classify"}),
    }
    tasks = made.get(how, frozenset({"embed", "token_embed"}))
    return PoolingInfo(size=info.hidden_size, task=_first(tasks)), tasks


def _first(tasks: frozenset[PoolTask]) -> PoolTask:
    """Return what is asked for most of those that there are."""
    order: Sequence[PoolTask] = ("embed", "classify", "token_embed", "token_classify")
    return next(t for t in order if t in tasks)


def _with_classes(
    pooling: PoolingInfo,
    tasks: frozenset[PoolTask],
    config: Mapping[str, Any],
    token_id: Callable[[str], int | None],
) -> PoolingInfo:
    if not tasks & CLASSES:
        return pooling
    ids, method, own = tokens_as_classes(config, token_id)
    labels = pooling.labels or own or labels_of(config)
    separator = bool(config.get("use_sep_token", not ids)) and pooling.pairs == "separator"
    activation = activation_of(config, len(labels)) if pooling.activation == "identity" else pooling.activation
    return msgspec.structs.replace(
        pooling,
        labels=labels,
        activation=activation,
        classifier_from_token=ids,
        classifier_method=method,
        pairs="separator" if separator else "joined",
    )


def _with_files(pooling: PoolingInfo, files: SentenceFiles, config: Mapping[str, Any], hidden_size: int) -> PoolingInfo:
    sizes = config.get("matryoshka_dimensions")
    matryoshka = tuple(int(d) for d in sizes) if sizes else () if config.get("is_matryoshka") else pooling.matryoshka
    prompts = config.get("task_instructions") or files.prompts or pooling.prompts
    late = files.late and not files.pools
    return msgspec.structs.replace(
        pooling,
        pooler=files.pooler or pooling.pooler,
        task="token_embed" if late else pooling.task,
        normalize=pooling.normalize if files.normalize is None else files.normalize,
        dense=files.dense,
        size=files.size or config.get("embedding_size") or pooling.size or hidden_size,
        matryoshka=matryoshka,
        prompts={str(k): str(v) for k, v in prompts.items()},
        lower_case=files.lower_case,
    )


def _with_options(
    pooling: PoolingInfo, tasks: frozenset[PoolTask], options: PoolerConfig, poolers: Mapping[str, PoolerSpec] | None
) -> PoolingInfo:
    task = options.task or (pooling.task if pooling.task in tasks else _first(tasks))
    if task not in tasks:
        raise ConfigError(f"{FLAG}: this model does not do the task {task}; it does {', '.join(sorted(tasks))}")
    seq, tok = options.seq_pooling_type, options.tok_pooling_type
    if (both := options.pooling_type) is not None:
        per_token = both.lower() in ("all", "step") or _serves_tokens(both, poolers)
        seq, tok = (None, both) if per_token else (both, None)
    sizes, wanted = pooling.matryoshka, options.dimensions
    if wanted is not None and (sizes is None or wanted > pooling.size or (sizes and wanted not in sizes)):
        raise ConfigError(f"{FLAG}: dimensions: embeddings of this model cannot be cut to {wanted}")
    active = options.use_activation
    changed = msgspec.structs.replace(
        pooling,
        task=task,
        pooler=_named(seq, poolers) or pooling.pooler,
        token_pooler=_named(tok, poolers) or pooling.token_pooler,
        normalize=pooling.normalize if active is None else active,
        activate=pooling.activate if active is None else active,
        dimensions=options.dimensions or pooling.dimensions,
        chunked=options.enable_chunked_processing,
        max_embed_len=options.max_embed_len,
        logit_mean=pooling.logit_mean if options.logit_mean is None else options.logit_mean,
        logit_sigma=options.logit_sigma or pooling.logit_sigma,
        step_tag_id=pooling.step_tag_id if options.step_tag_id is None else options.step_tag_id,
        returned_token_ids=tuple(options.returned_token_ids or pooling.returned_token_ids),
        options=options.options,
    )
    _check_kinds(changed, tasks, poolers)
    return changed


def _serves_tokens(name: str, poolers: Mapping[str, PoolerSpec] | None) -> bool:
    spec = (poolers or {}).get(_named(name, poolers) or "")
    return spec is not None and spec.tasks <= TOKEN_TASKS


def _named(name: str | None, poolers: Mapping[str, PoolerSpec] | None) -> str | None:
    """Return a pooler by its name in any case of letters."""
    if name is None:
        return None
    if poolers is None:
        return name.lower()
    found = name if name in poolers else next((known for known in poolers if known.lower() == name.lower()), None)
    if found is None:
        raise ConfigError(f"{FLAG}: there is no pooler {name!r}; known are {', '.join(sorted(poolers))}")
    return found


def _check_kinds(pooling: PoolingInfo, tasks: frozenset[PoolTask], poolers: Mapping[str, PoolerSpec] | None) -> None:
    """Check that a pooler serves the tasks it is registered for."""
    if poolers is None:
        return
    for name, wanted in ((pooling.pooler, tasks - TOKEN_TASKS), (pooling.token_pooler, tasks & TOKEN_TASKS)):
        if not wanted:
            continue
        if name not in poolers:
            raise ConfigError(f"no plugin registered the pooler {name!r}; known are {', '.join(sorted(poolers))}")
        if not poolers[name].tasks & wanted:
            serves = ", ".join(sorted(poolers[name].tasks))
            raise ConfigError(f"{FLAG}: the pooler {name!r} serves {serves}, not {', '.join(sorted(wanted))}")
