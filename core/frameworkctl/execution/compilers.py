"""Makes the compiler that an engine's constrained requests need."""

from __future__ import annotations

from pathlib import Path

from frameworkctl.config import EngineConfig
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.generation.structured import GrammarCompiler, GrammarContext
from frameworkctl.plugins import PluginHost
from frameworkctl.plugins.importing import load_class


def make_compiler(host: PluginHost, config: EngineConfig, threads: int) -> GrammarCompiler:
    """Reads the tokenizer; takes a second for a large vocabulary.

    Raises:
        ConfigError: no plugin registered the name.
        ValueError: this tokenizer cannot be constrained.
    """
    registered = host.registry.structured_output.get(config.options.structured_output)
    if registered is None:
        raise ConfigError(f"--structured-output: there is no {config.options.structured_output!r}")
    made: GrammarCompiler = load_class(registered.spec.implementation)(
        GrammarContext(
            tokenizer=Path(config.tokenizer).read_text(encoding="utf-8"),
            vocab_size=config.vocab_size,
            eos_token_ids=config.eos_token_ids,
            threads=threads,
            options=config.plugin_options,
        )
    )
    return made
