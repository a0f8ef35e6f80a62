"""Table of architecture strings and families. Torch-free."""

from __future__ import annotations

from frameworkctl.interfaces import ConfigError

from frameworkctl_models.decoder.config import DecoderConfig

from . import dense as dense
from . import sparse
from .dense import Family
from .reading import Raw

FAMILIES: dict[str, Family] = {
    "ApertusForCausalLM": dense.apertus,
    "ArceeForCausalLM": dense.arcee,
    "BitNetForCausalLM": dense.bitnet,
    "Cohere2ForCausalLM": dense.cohere2,
    "CohereForCausalLM": dense.cohere,
    "CwmForCausalLM": dense.cwm,
    "Ernie4_5ForCausalLM": dense.ernie4_5,
    "Exaone4ForCausalLM": dense.exaone4,
    "Gemma2ForCausalLM": dense.gemma2,
    "Gemma3ForCausalLM": dense.gemma3,
    "Gemma3TextModel": dense.gemma3,
    "GemmaForCausalLM": dense.gemma,
    "Glm4ForCausalLM": dense.glm4,
    "GlmForCausalLM": dense.glm,
    "GraniteForCausalLM": dense.granite,
    "GraniteMoeForCausalLM": sparse.granitemoe,
    "HeliumForCausalLM": dense.helium,
    "HunYuanDenseV1ForCausalLM": dense.hunyuan_dense,
    "LlamaBidirectionalForSequenceClassification": dense.llama_bidirectional,
    "LlamaBidirectionalModel": dense.llama_bidirectional,
    "LlamaForCausalLM": dense.llama,
    "Ministral3ForCausalLM": dense.ministral3,
    "MistralForCausalLM": dense.mistral,
    "MixtralForCausalLM": sparse.mixtral,
    "NemotronForCausalLM": dense.nemotron,
    "Olmo2ForCausalLM": dense.olmo2,
    "Olmo3ForCausalLM": dense.olmo3,
    "OlmoForCausalLM": dense.olmo,
    "OlmoeForCausalLM": sparse.olmoe,
    "Phi3ForCausalLM": dense.phi3,
    "PhiForCausalLM": dense.phi,
    "Qwen2ForCausalLM": dense.qwen2,
    "Qwen2ForProcessRewardModel": dense.qwen2,
    "Qwen2ForRewardModel": dense.qwen2,
    "Qwen2MoeForCausalLM": sparse.qwen2_moe,
    "Qwen3ForCausalLM": dense.qwen3,
    "Qwen3MoeForCausalLM": sparse.qwen3_moe,
    "SeedOssForCausalLM": dense.seed_oss,
    "SmolLM3ForCausalLM": dense.smollm3,
    "StableLmForCausalLM": dense.stablelm,
    "Starcoder2ForCausalLM": dense.starcoder2,
    "VaultGemmaForCausalLM": dense.vaultgemma,
}


REWARDS = ("Qwen2ForRewardModel", "Qwen2ForProcessRewardModel")


def architecture_of(raw: Raw) -> str:
    """Return the first of the config's architectures that is a family here."""
    for name in raw.get("architectures") or ():
        if name in FAMILIES:
            return str(name)
    raise ConfigError(f"none of the architectures {raw.get('architectures')} is a decoder family")


def decoder_config(raw: Raw) -> DecoderConfig:
    """Return the config.json of any family here."""
    return FAMILIES[architecture_of(raw)](raw)
