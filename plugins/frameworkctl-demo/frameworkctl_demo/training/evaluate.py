"""Measures a checkpoint on held-out phrasings: `python -m frameworkctl_demo.training.evaluate [DIR]`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from frameworkctl_demo.training.conversations.chat import messages, schemas
from frameworkctl_demo.training.conversations.data import SKILLS, Conversation, held_out_questions
from frameworkctl_demo.training.conversations.turns import Skill

WEIGHTS = Path(__file__).parents[1] / "weights"
_NEW_TOKENS = 120


@dataclass(frozen=True)
class Answer:
    """What a checkpoint said to a question; right means the expected reply, word for word."""

    conversation: Conversation
    text: str

    @property
    def right(self) -> bool:
        """Return whether this is the one reply the model was taught for the question."""
        return self.text == self.conversation.turns[-1].reply


class Checkpoint:
    """A checkpoint folder, loaded with transformers and computed in float32, which processors do far faster."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    @torch.inference_mode()
    def answer(
        self,
        chats: list[list[dict[str, str]]],
        tools: list[list[dict[str, Any]] | None] | None = None,
        *,
        sample: bool = False,
    ) -> list[str]:
        """Return the reply to each chat with its tools, decoded greedily or as generation_config.json says."""
        apply = self.tokenizer.apply_chat_template
        prompts = [
            apply(chat, tools=offered, tokenize=False, add_generation_prompt=True)
            for chat, offered in zip(chats, tools or [None] * len(chats), strict=True)
        ]
        inputs = self.tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        how = {} if sample else {"do_sample": False, "temperature": None}
        output = self.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=_NEW_TOKENS, **how)
        replies = self.tokenizer.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True)
        return [reply.strip() for reply in replies]


def answers(checkpoint: Checkpoint, questions: list[Conversation], *, sample: bool = False) -> Iterator[Answer]:
    """Ask every question, in batches."""
    for start in range(0, len(questions), 100):
        part = questions[start : start + 100]
        chats = [messages(question, last_reply=False) for question in part]
        tools = [schemas(question) for question in part]
        for question, text in zip(part, checkpoint.answer(chats, tools, sample=sample), strict=True):
            yield Answer(question, text)


def accuracy(folder: Path, count: int, seed: int, *, show: bool = False, sample: bool = False) -> dict[Skill, float]:
    """Return the share of right replies per skill over `count` held-out questions each."""
    checkpoint = Checkpoint(folder)
    torch.manual_seed(seed)
    result: dict[Skill, float] = {}
    for skill in SKILLS:
        given = list(answers(checkpoint, held_out_questions(skill, count, seed), sample=sample))
        result[skill] = sum(answer.right for answer in given) / count
        for answer in given if show else ():
            if not answer.right:
                print(f"  {answer.conversation.turns[-1].said!r} -> {answer.text!r}")
    return result


def main() -> None:
    """Print a table of accuracy per skill."""
    parser = argparse.ArgumentParser(description="Measure the frameworkctl demo model.")
    parser.add_argument("folder", type=Path, nargs="?", default=WEIGHTS, help="checkpoint folder (default: as shipped)")
    parser.add_argument("--count", type=int, default=1000, help="questions per skill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print the wrong replies")
    parser.add_argument("--sample", action="store_true", help="sample as generation_config.json says, not greedily")
    given = parser.parse_args()
    for skill, share in accuracy(given.folder, given.count, given.seed, show=given.show, sample=given.sample).items():
        print(f"{skill:14} {share:6.1%}")


if __name__ == "__main__":
    main()
