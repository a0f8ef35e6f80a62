"""Trains the byte-level BPE tokenizer of the demo model on its own training conversations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from frameworkctl_demo.training.conversations.chat import BOS, CHAT_TEMPLATE, END, PAD, START, TOOL_TOKENS
from frameworkctl_demo.training.conversations.data import training_conversations
from frameworkctl_demo.training.words.facts import CAPITALS, COUNTRY_NAMES
from frameworkctl_demo.training.words.split import words

VOCABULARY = 2048
CONTEXT = 1024
# How often each name, in both cases, and each reply counts when merges are chosen. Small and capital initials then
# share the rest of a name as one token ("F" + "rance", "f" + "rance"), which makes names easy to copy.
_REPEATS = 80
# The only words that take the space before them into their token. All others read the same after a space and after a
# quotation mark, so that copying a word into JSON is copying its tokens.
_FUNCTION_WORDS = words(
    "a about am an and are as at be can capital city could country did do does for from get give has have hello help "
    "how I if in is it know like many me more much my name not of on or please sentence so tell that the there this "
    "to was what when where which who will with would you your minus plus from sum difference between positive "
    "negative neutral sentiment weather today result model demo small welcome nice add number numbers JSON "
    "Extract extract Return keys fields text"
)
_PIECES = (
    r"\p{N}"
    rf"| (?:{'|'.join(dict.fromkeys(_FUNCTION_WORDS))})(?![\p{{L}}\p{{N}}_])"
    r"|\p{L}+"
    r'|": "|", "'
    r"| ?[^\p{L}\p{N}\s]+"
    r"|\s"
)


def train_tokenizer(seed: int, conversations: int = 20_000) -> Tokenizer:
    """Learn the merges; digits never merge, so that numbers are read digit by digit."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True, normalized=False) for token in (PAD, BOS, START, END)]
    special += [AddedToken(token, special=False, normalized=False) for token in TOOL_TOKENS]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(seed, conversations), trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the tokenizer as transformers reads it, with the chat template beside it."""
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    # The trainer takes every token of its own as special; a server has to see these in the text it decodes.
    document = json.loads(path.read_text(encoding="utf-8"))
    for token in document["added_tokens"]:
        token["special"] = token["content"] not in TOOL_TOKENS
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": END,
        "pad_token": PAD,
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _texts(seed: int, conversations: int) -> Iterator[str]:
    """Yield the texts between special tokens, which are never merged with text."""
    seen: Counter[str] = Counter()
    for conversation in islice(training_conversations(seed), conversations):
        # System messages and replies repeat word for word: counted each time, they would take up all the merges.
        repeated = [f"system\n{conversation.system}", *(f"assistant\n{turn.reply}" for turn in conversation.turns)]
        repeated += [tool.line() for tool in conversation.tools]
        yield from (text for text in repeated if seen[text] < _REPEATS)
        seen.update(repeated)
        yield from (f"{turn.role}\n{turn.said}" for turn in conversation.turns)
    for country, capital in CAPITALS.items():
        for name in (*COUNTRY_NAMES[country], capital):
            yield from (f" {name}", f" {name.lower()}") * _REPEATS
