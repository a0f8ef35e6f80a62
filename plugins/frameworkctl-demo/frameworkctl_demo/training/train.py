"""Trains the demo model from nothing: `python -m frameworkctl_demo.training.train --out DIR --minutes 30`."""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from tokenizers import Tokenizer
from torch import distributed
from torch.multiprocessing.spawn import spawn
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from frameworkctl_demo.training.conversations.batches import Batch, drills, pack, training_batches
from frameworkctl_demo.training.conversations.chat import BOS, END, IGNORED, PAD, encode
from frameworkctl_demo.training.conversations.data import SKILLS, held_out_questions

from .optimizers import Optimizers
from .tokenizer import CONTEXT, save_tokenizer, train_tokenizer

# Bare statements weigh half as much as conversations.
_DRILL_LOSS = 0.5
_REPORTS = 7


@dataclass(frozen=True)
class Options:
    """What a training run is told."""

    out: Path
    start: Path | None
    minutes: float
    steps: int
    seed: int
    processes: int
    tokens: int
    rate: float


def main() -> None:
    """Train in several processes of one thread each, then write the checkpoint."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.start:
        tokenizer: Tokenizer = Tokenizer.from_file(str(options.start / "tokenizer.json"))
    else:
        tokenizer = train_tokenizer(options.seed)
    save_tokenizer(tokenizer, options.out)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    with TemporaryDirectory() as folder:
        spawn(_work, (options, f"{folder}/meet"), nprocs=options.processes)  # type: ignore[no-untyped-call]


def _work(rank: int, options: Options, meeting: str) -> None:
    distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=options.processes)
    torch.manual_seed(options.seed)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # One thread each and one exchange a step: threads that meet at every operation stall when a core is shared.
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    tokenizer: Tokenizer = Tokenizer.from_file(str(options.out / "tokenizer.json"))
    model = build_model(tokenizer)
    if options.start:
        model.load_state_dict(LlamaForCausalLM.from_pretrained(options.start, dtype=torch.float32).state_dict())
    if rank == 0:
        print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    train(model, tokenizer, options, rank)
    distributed.destroy_process_group()


def build_model(tokenizer: Tokenizer) -> LlamaForCausalLM:
    """Return a Llama small enough to ship inside a package, with the shape of the large ones."""
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
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


def train(model: LlamaForCausalLM, tokenizer: Tokenizer, options: Options, rank: int) -> None:
    """Run for the given steps, or for the given minutes when no number of steps is given."""
    optimizers = Optimizers(list(model.parameters()), [model.model.embed_tokens.weight], options.rate)
    held_out = [encode(c, tokenizer) for skill in SKILLS for c in held_out_questions(skill, 40, options.seed)]
    held_out_batches = list(pack(held_out[rank :: options.processes], options.tokens))
    seed = options.seed * options.processes + rank
    talks = training_batches(tokenizer, options.tokens, seed)
    bare = drills(tokenizer, options.tokens // 3, seed)
    start = time.monotonic()
    step, reports, seen, losses = 0, 0, 0, 0.0
    while True:
        batch, drill = next(talks), next(bare)
        loss = _loss(model, batch) + _DRILL_LOSS * _loss(model, drill)
        model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        minutes = (time.monotonic() - start) / 60
        done = step / options.steps if options.steps else minutes / options.minutes
        # Every process has its own clock: what is averaged is the same for all.
        loss_now, done = _average(optimizers.parameters, loss.item(), done)
        if done < 1:
            optimizers.step(step, done)
            step += 1
            seen += options.processes * (batch.ids.numel() + drill.ids.numel())
            losses = loss_now if step == 1 else 0.98 * losses + 0.02 * loss_now
        if done >= 1 or done * _REPORTS >= reports + 1:
            reports += 1
            table = _held_out_table(model, held_out_batches)
            if rank == 0:
                print(
                    f"step {step} {minutes:.1f} min {seen / 1e6:.2f} M tokens loss {losses:.4f} | {table}", flush=True
                )
                save(model, options.out)
        if done >= 1:
            return


def save(trained: LlamaForCausalLM, out: Path) -> None:
    """Write a plain Hugging Face checkpoint in bfloat16."""
    model = copy.deepcopy(trained).to(torch.bfloat16)  # type: ignore[arg-type]
    # A low temperature, so that a request that names none gets a sensible answer.
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=model.config.bos_token_id,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.pad_token_id,
        do_sample=True,
        temperature=0.2,
    )
    model.save_pretrained(out)
    path = out / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    # Readers older than transformers 5 look for these names.
    config["torch_dtype"] = "bfloat16"
    config["rope_theta"] = config["rope_parameters"]["rope_theta"]
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _options() -> Options:
    parser = argparse.ArgumentParser(description="Train the frameworkctl demo model.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the checkpoint to")
    parser.add_argument("--start", type=Path, help="go on from this checkpoint instead of from nothing")
    parser.add_argument("--minutes", type=float, default=30, help="how long to train")
    parser.add_argument("--steps", type=int, default=0, help="train this many steps instead, for a run to repeat")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2, help="how many to share the work; one core each")
    parser.add_argument("--tokens", type=int, default=1280, help="tokens per batch and process")
    parser.add_argument("--rate", type=float, default=0.02, help="highest learning rate")
    return Options(**vars(parser.parse_args()))


def _average(parameters: list[torch.nn.Parameter], loss: float, done: float) -> tuple[float, float]:
    """Average the gradients over all processes, and with them the loss and how much of the run is done."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients] + [torch.tensor([loss, done])])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, mean in zip(gradients, torch.split(flat[:-2], sizes), strict=True):
        gradient.copy_(mean.view_as(gradient))
    return flat[-2].item(), flat[-1].item()


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
def _held_out_table(model: LlamaForCausalLM, batches: list[Batch]) -> str:
    """Return how many held-out replies are right word for word, which is what greedy decoding would give."""
    end = model.config.eos_token_id
    counts = torch.zeros(2, len(SKILLS))
    for batch in batches:
        logits, labels = _logits(model, batch)
        hits = (logits.argmax(-1) == labels).tolist()
        skills = iter(skill for row in batch.skills for skill in row)
        right = True
        for hit, label in zip(hits, labels.tolist(), strict=True):
            right = right and hit
            if label == end:
                counts[:, SKILLS.index(next(skills))] += torch.tensor([float(right), 1.0])
                right = True
    distributed.all_reduce(counts)
    shares = (counts[0] / counts[1].clamp(min=1)).tolist()
    return " ".join(f"{skill} {share:.0%}" for skill, share in zip(SKILLS, shares, strict=True))


if __name__ == "__main__":
    main()
