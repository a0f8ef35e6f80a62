"""Makes served models of the options: finds the files, reads the json ones, loads tokenizer and template."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TypeVar

import msgspec

from frameworkctl.checkpoints.hub import locate
from frameworkctl.checkpoints.json_files import read_checkpoint
from frameworkctl.checkpoints.sampling_defaults import SamplingDefaults, load_defaults
from frameworkctl.config import EngineConfig, EngineOptions, ModelOptions, NamedModel, Options
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces import Checkpoint, CheckpointSpec, ModelInfo, ReasoningParserSpec, ToolParserSpec
from frameworkctl.plugins import PluginHost
from frameworkctl.plugins.architectures import choose
from frameworkctl.plugins.discovery import BACKENDS
from frameworkctl.plugins.registry import Shelf
from frameworkctl.pooling.resolution import resolve
from frameworkctl.text.templates.chat_template import ChatTemplate, load_chat_template
from frameworkctl.text.templates.content_format import detect_content_format
from frameworkctl.text.templates.messages import ContentFormat
from frameworkctl.text.tokenizer import TextTokenizer, load_tokenizer, tokenizer_file
from frameworkctl.workers.compiling import Setup

from .constraints import Constraints
from .local_model import LocalModel

log = logging.getLogger("frameworkctl.server")
SpecT = TypeVar("SpecT")


def models_to_serve(options: Options, host: PluginHost) -> list[NamedModel]:
    """Return the models that were asked for, else the bundled ones that are served by default."""
    if options.models:
        return options.models
    specs = [r.spec for r in host.registry.checkpoints.values() if r.spec.default]
    if not specs:
        raise ConfigError("name a model to serve (path or Hub id), or install the demo: pip install frameworkctl-demo")
    options_of = [options.first] + [options.beside] * (len(specs) - 1)
    return [
        NamedModel(source=s.name, options=msgspec.structs.replace(o, served_model_name=o.served_model_name or [s.name]))
        for s, o in zip(specs, options_of, strict=True)
    ]


def load_model(named: NamedModel, options: Options, host: PluginHost) -> LocalModel:
    """Return everything of one model but its weights.

    Raises:
        ConfigError: it cannot be found, read, or run.
    """
    checkpoints = {name: r.spec for name, r in host.registry.checkpoints.items()}
    settings = _with_defaults(named.options, checkpoints.get(named.source), host)
    parsers = _parsers(settings, host)
    if _named(host.registry.structured_output, settings.structured_output, "--structured-output") is None:
        raise ConfigError("--structured-output must not be empty")
    folder = locate(
        named.source,
        checkpoints,
        revision=settings.revision,
        download_dir=settings.download_dir,
        token=settings.hf_token,
    )
    checkpoint = read_checkpoint(folder)
    choice = choose(host, checkpoint, settings.model_impl)
    info = choice.info
    _check_settings(settings, info)
    tokenizer = load_tokenizer(folder, checkpoint.tokenizer_config, checkpoint.config.get("model_type"))
    info = resolve(
        info,
        checkpoint,
        runner=settings.runner,
        convert=settings.convert,
        given=settings.pooler_config,
        token_id=tokenizer.token_to_id,
        poolers={name: r.spec for name, r in host.registry.poolers.items()},
    )
    choice = msgspec.structs.replace(choice, info=info)
    template, tool_template = _templates(folder, checkpoint, settings, tokenizer)
    content_format = _content_format(settings, None if template is None else template.source)
    defaults = _defaults(checkpoint, settings)
    names = settings.served_model_name or [named.source]
    if defaults != SamplingDefaults():
        log.info(
            "%s: sampling defaults of the model (--generation-config vllm: none of its own): %s", names[0], defaults
        )
    model = LocalModel(
        names,
        str(folder),
        choice,
        settings,
        tokenizer,
        template,
        content_format,
        defaults,
        host.registry.logits_processors,
        options.plugin_options,
        tool_template=tool_template,
        tool_parser=parsers[0],
        reasoning_parser=parsers[1],
    )
    model.constraints = _constraints(model, host, options)
    policy = host.registry.policies.get(settings.scheduling_policy)
    model.uses_priority = policy is None or policy.spec.uses_priority  # None: what a plugin's create_policy makes
    return model


def _defaults(checkpoint: Checkpoint, settings: ModelOptions) -> SamplingDefaults:
    own = checkpoint.generation_config
    return load_defaults(own, settings.generation_config, settings.override_generation_config)


def _check_settings(settings: ModelOptions, info: ModelInfo) -> None:
    if settings.dtype.replace("half", "float16") in info.overflows:
        raise ConfigError(f"--dtype {settings.dtype}: the numbers of {info.architecture} leave its range; use bfloat16")
    if settings.max_model_len is not None and settings.max_model_len > info.max_model_len:
        raise ConfigError(f"--max-model-len {settings.max_model_len} is more than the model's {info.max_model_len}")


def _templates(
    folder: Path, checkpoint: Checkpoint, settings: ModelOptions, tokenizer: TextTokenizer
) -> tuple[ChatTemplate | None, ChatTemplate | None]:
    """Return the chat template and the one for requests with tools, which often are the same; None if there is none."""

    def load(*, has_tools: bool) -> str | None:
        config = checkpoint.tokenizer_config
        return load_chat_template(folder, config, override=settings.chat_template, has_tools=has_tools)

    def made(source: str) -> ChatTemplate:
        return ChatTemplate(source, special_tokens=tokenizer.special_tokens)

    source, for_tools = load(has_tools=False), load(has_tools=True)
    template = None if source is None else made(source)
    return template, template if for_tools is None or for_tools == source else made(for_tools)


def _constraints(model: LocalModel, host: PluginHost, options: Options) -> Constraints | None:
    """Return who compiles the model's constraints, None for a model that does not generate."""
    if "generate" not in model.info.tasks:
        return None
    registered = host.registry.structured_output[model.settings.structured_output]
    prepare = registered.spec.prepare
    setup = Setup(
        plugin=registered.plugin.value,
        prepare=f"{prepare.__module__}:{prepare.__qualname__}",
        implementation=registered.spec.implementation,
        tokenizer=str(tokenizer_file(Path(model.root))),
        vocab_size=model.info.vocab_size,
        eos_token_ids=model.eos_token_ids,
        options=options.plugin_options,
    )
    return Constraints(setup, seconds=model.settings.max_grammar_seconds)


def _with_defaults(settings: ModelOptions, spec: CheckpointSpec | None, host: PluginHost) -> ModelOptions:
    """Add the options of a bundled checkpoint; the user's own options come first."""
    given = {} if spec is None else {n: v for n, v in spec.options.items() if getattr(settings, n) is None}
    if given.get("tool_call_parser", "") not in {"", *host.registry.tool_parsers}:
        given = {n: v for n, v in given.items() if n not in ("tool_call_parser", "enable_auto_tool_choice")}
    return msgspec.structs.replace(settings, **given)


def _parsers(settings: ModelOptions, host: PluginHost) -> tuple[ToolParserSpec | None, ReasoningParserSpec | None]:
    if settings.enable_auto_tool_choice and settings.tool_call_parser is None:
        known = ", ".join(sorted(host.registry.tool_parsers))
        raise ConfigError(f"--enable-auto-tool-choice needs --tool-call-parser (one of {known})")
    tool = _named(host.registry.tool_parsers, settings.tool_call_parser, "--tool-call-parser")
    return tool, _named(host.registry.reasoning_parsers, settings.reasoning_parser, "--reasoning-parser")


def _named(shelf: Shelf[SpecT], name: str | None, flag: str) -> SpecT | None:
    if not name:
        return None
    if name not in shelf:
        raise ConfigError(f"{flag}: there is no {shelf.kind} {name!r}; known are {', '.join(sorted(shelf))}")
    return shelf[name].spec


def _content_format(settings: ModelOptions, source: str | None) -> ContentFormat:
    chosen = settings.chat_template_content_format
    if chosen != "auto":
        return chosen
    return detect_content_format(source) if source is not None else "string"


def engine_config(model: LocalModel, options: Options, engines: int) -> EngineConfig:
    """Return what the model's engine is started with."""
    own_dtype = "bfloat16" if model.info.dtype in model.info.overflows else model.info.dtype
    own = EngineOptions(**{name: getattr(model.settings, name) for name in EngineOptions.__struct_fields__})
    if model.info.pooling is not None and model.info.pooling.whole:  # a text comes in one step, or not at all
        own.max_num_batched_tokens = max(own.max_num_batched_tokens, model.max_model_len)
    return EngineConfig(
        name=model.name,
        folder=str(Path(model.root)),
        architecture=model.info.architecture,
        checkpoint_dtype=own_dtype,
        max_model_len=model.max_model_len,
        vocab_size=model.info.vocab_size,
        options=own,
        plugin_options=options.plugin_options,
        engines=engines,
        registered=model.choice.name,
        tokenizer=str(tokenizer_file(Path(model.root))) if "generate" in model.info.tasks else "",
        eos_token_ids=model.eos_token_ids,
        pooling=model.info.pooling,
    )


def load_backends(host: PluginHost, models: list[LocalModel]) -> None:
    """Backends that engines may use: all on ``auto``, else the named one and the reference it falls back to."""
    wanted = {m.settings.backend for m in models}
    for name in host.names(BACKENDS):
        if "auto" in wanted or name in wanted or name == "reference":
            host.load_named(BACKENDS, name)
