"""Trains the reranker or the classifier: `python -m frameworkctl_demo.training.train_encoders reranker --out DIR`."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertForSequenceClassification
from transformers.utils import logging

from .encoder_tasks import Classifier, Reranker, Task
from .encoders import save
from .optimizers import Optimizers
from .wordpieces import save_wordpieces, train_wordpieces

_REPORTS = 20
_TASKS: dict[str, Callable[[Tokenizer], Task]] = {"reranker": Reranker, "classifier": Classifier}


@dataclass(frozen=True)
class Options:
    """What a training run is told."""

    task: str
    out: Path
    start: Path | None
    minutes: float
    steps: int
    seed: int
    rate: float


def main() -> None:
    """Train in this process with one thread, then write the checkpoint."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    # Both tasks get the same tokenizer, whatever the seed of the run.
    tokenizer = (
        Tokenizer.from_file(str(options.start / "tokenizer.json")) if options.start else train_wordpieces(seed=0)
    )
    save_wordpieces(tokenizer, options.out)
    task = _TASKS[options.task](tokenizer)
    if options.start:
        started = BertForSequenceClassification.from_pretrained(options.start, dtype=torch.float32)
        task.model.load_state_dict(started.state_dict())
    print(f"{sum(p.numel() for p in task.model.parameters()):,} parameters", flush=True)
    train(task, options)


def train(task: Task, options: Options) -> None:
    """Run for the given steps, or for the given minutes when no number of steps is given."""
    bert = task.model.bert.embeddings
    tables = [bert.word_embeddings, bert.position_embeddings, bert.token_type_embeddings, task.model.classifier]
    heads = list(task.heads())
    apart = [table.weight for table in tables] + [head for head in heads if head.dim() > 1]
    optimizers = Optimizers([*task.model.parameters(), *heads], apart, options.rate)
    rng = random.Random(f"{options.task} {options.seed}")
    start = time.monotonic()
    step, reports, losses, done = 0, 0, 0.0, 0.0
    while done < 1:
        loss = task.loss(rng)
        for parameter in optimizers.parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        optimizers.step(step, done)
        step += 1
        losses = loss.item() if step == 1 else 0.98 * losses + 0.02 * loss.item()
        minutes = (time.monotonic() - start) / 60
        done = step / options.steps if options.steps else minutes / options.minutes
        if done >= 1 or done * _REPORTS >= reports + 1:
            reports += 1
            print(f"step {step} {minutes:.1f} min loss {losses:.4f} | held out {task.held_out():.1%}", flush=True)
            save(task.model, options.out)


def _options() -> Options:
    parser = argparse.ArgumentParser(description="Train the demo's reranker or classifier.")
    parser.add_argument("task", choices=tuple(_TASKS))
    parser.add_argument("--out", type=Path, required=True, help="folder to write the checkpoint to")
    parser.add_argument("--start", type=Path, help="go on from this checkpoint instead of from nothing")
    parser.add_argument("--minutes", type=float, default=12, help="how long to train")
    parser.add_argument("--steps", type=int, default=0, help="train this many steps instead, for a run to repeat")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.02, help="highest learning rate")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
