"""Trains the demo model from nothing: `python -m frameworkctl_demo.training.train --out DIR --minutes 30`."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from .batches import Batch, drills, pack, training_batches
from .chat import BOS, END, IGNORED, PAD, encode
from .data import SKILLS, Skill, held_out_questions
from .tokenizer import CONTEXT, VOCABULARY, save_tokenizer, train_tokenizer

_WARM_UP = 150
# Bare statements per step: about as many tokens as half a batch of conversations, and the loss counts half.
_DRILLS = 112
_DRILL_LOSS = 0.5


@dataclass(frozen=True)
class Options:
    """What a training run is told."""

    out: Path
    minutes: float
    steps: int
    seed: int
    threads: int
    tokens: int
    rate: float


def main() -> None:
    """Train, then write the checkpoint."""
    options = _options()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    tokenizer = train_tokenizer(options.seed)
    model = build_model(tokenizer)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {tokenizer.get_vocab_size()} tokens", flush=True)
    train(model, tokenizer, options)
    save(model, tokenizer, options.out)
    print(f"wrote {options.out}")


def build_model(tokenizer: Tokenizer) -> LlamaForCausalLM:
    """A Llama small enough to ship inside a package, with the shape of the large ones."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=384,
        num_hidden_layers=5,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=32,
        initializer_range=0.05,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.token_to_id(BOS),
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    return LlamaForCausalLM(config)


def train(model: LlamaForCausalLM, tokenizer: Tokenizer, options: Options) -> None:
    """Run AdamW for the given steps, or for the given minutes when no number of steps is given."""
    decayed = [p for p in model.parameters() if p.dim() > 1]
    plain = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98))
    held_out = [
        batch
        for skill in SKILLS
        for batch in pack([encode(c, tokenizer) for c in held_out_questions(skill, 100, options.seed)], options.tokens)
    ]
    start = time.monotonic()
    seen = losses = 0.0
    talks = training_batches(tokenizer, options.tokens, options.seed)
    bare = drills(tokenizer, _DRILLS, options.seed)
    for step, (batch, drill) in enumerate(zip(talks, bare, strict=True)):
        elapsed = (time.monotonic() - start) / 60
        done = step / options.steps if options.steps else elapsed / options.minutes
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = _rate(done, step, options.rate)
        loss = _loss(model, batch) + _DRILL_LOSS * _loss(model, drill)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen += batch.ids.numel() + drill.ids.numel()
        losses = loss.item() if step == 0 else 0.98 * losses + 0.02 * loss.item()
        if step % 250 == 249:
            _report(model, held_out, f"step {step + 1} {elapsed:.1f} min {seen / 1e6:.2f} M tokens loss {losses:.4f}")
    _report(model, held_out, f"end {(time.monotonic() - start) / 60:.1f} min loss {losses:.4f}")


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, out: Path) -> None:
    """Write a plain Hugging Face checkpoint in bfloat16."""
    out.mkdir(parents=True, exist_ok=True)
    model = model.to(torch.bfloat16)  # type: ignore[arg-type]
    # A low temperature, so that a request that names none gets a sensible answer.
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=model.config.bos_token_id,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
        do_sample=True,
        temperature=0.2,
    )
    model.save_pretrained(out)
    save_tokenizer(tokenizer, out)
    path = out / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    # Readers older than transformers 5 look for these names.
    config["torch_dtype"] = "bfloat16"
    config["rope_theta"] = config["rope_parameters"]["rope_theta"]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _options() -> Options:
    parser = argparse.ArgumentParser(description="Train the frameworkctl demo model.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the checkpoint to")
    parser.add_argument("--minutes", type=float, default=30, help="how long to train")
    parser.add_argument("--steps", type=int, default=0, help="train this many steps instead, for a run to repeat")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=2048, help="tokens per batch")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    return Options(**vars(parser.parse_args()))


def _rate(done: float, step: int, highest: float) -> float:
    """A short warm-up, then a cosine down to nothing."""
    return highest * min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))


def _logits(model: LlamaForCausalLM, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels where the assistant speaks; elsewhere the large output matrix would be wasted work."""
    hidden = model.model(input_ids=batch.ids[:, :-1], use_cache=False).last_hidden_state
    labels = batch.labels[:, 1:]
    wanted = labels != IGNORED
    return model.lm_head(hidden[wanted]), labels[wanted]


def _loss(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    logits, labels = _logits(model, batch)
    return functional.cross_entropy(logits, labels)


@torch.inference_mode()
def _report(model: LlamaForCausalLM, batches: list[Batch], title: str) -> None:
    """Print how many held-out replies are right word for word, which is what greedy decoding would give."""
    end = model.config.eos_token_id
    right: Counter[Skill] = Counter()
    total: Counter[Skill] = Counter()
    for batch in batches:
        logits, labels = _logits(model, batch)
        hits = (logits.argmax(-1) == labels).tolist()
        skills = iter(skill for row in batch.skills for skill in row)
        reply_right = True
        for hit, label in zip(hits, labels.tolist(), strict=True):
            reply_right = reply_right and hit
            if label == end:
                skill = next(skills)
                total[skill] += 1
                right[skill] += reply_right
                reply_right = True
    table = " ".join(f"{skill} {right[skill] / total[skill]:.1%}" for skill in SKILLS if total[skill])
    print(f"{title} | held out: {table}", flush=True)


if __name__ == "__main__":
    main()
