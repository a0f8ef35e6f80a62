"""A checkpoint's tokenizer: text to ids and back, from tokenizer.json or one that was made of other files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

from frameworkctl.checkpoints.tokenizer_forms import converted
from frameworkctl.errors import ConfigError
from frameworkctl.text.templates.chat_template import special_tokens_of

from .detokenizer import Vocabulary
from .long_texts import LongTexts
from .pieces import PIECE

# Characters, or tokens, from which on the interpreter lock is left free: the library's functions for many do that.
LONG_TEXT = 2048


class TextTokenizer:
    """Thread-safe. ``vocabulary`` is what detokenizers read; ``eos_token_id`` the tokenizer's own end token."""

    def __init__(self, tokenizer: Tokenizer, config: Mapping[str, Any]) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.config = config
        self.special_tokens = special_tokens_of(config)
        self.vocabulary = Vocabulary(tokenizer)
        self.long = LongTexts(tokenizer)
        eos = self.special_tokens.get("eos_token")
        self.eos_token_id = None if eos is None else tokenizer.token_to_id(eos)
        # No text of n tokens is longer than n times this.
        self.longest_token = max((len(t) for t in tokenizer.get_vocab(with_added_tokens=True)), default=1)

    @property
    def raw(self) -> Tokenizer:
        """Return the library's own object; its settings for truncation and padding are off, and stay so."""
        return self._tokenizer

    @property
    def vocab_size(self) -> int:
        return self.vocabulary.size

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Raise TextTooLong for a text that cannot be tokenized in bounded memory."""
        if len(text) > PIECE:
            ids, _ = self.long.ids(text)
            return self.long.around(ids)[0] if add_special_tokens else ids
        if len(text) < LONG_TEXT:
            return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)
        return list(self._tokenizer.encode_batch_fast([text], add_special_tokens=add_special_tokens)[0].ids)

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        if len(token_ids) < LONG_TEXT:
            return self.vocabulary.decode(token_ids, skip_special_tokens=skip_special_tokens)
        made = self._tokenizer.decode_batch([list(token_ids)], skip_special_tokens=skip_special_tokens)
        return str(made[0])

    def token_to_id(self, token: str) -> int | None:
        return self._tokenizer.token_to_id(token)

    def id_to_token(self, token_id: int) -> str | None:
        return self._tokenizer.id_to_token(token_id)


QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split_as_transformers(tokenizer: Tokenizer, model_type: str | None, tokenizer_class: str | None) -> None:
    """Replace a splitting rule that transformers makes itself, whatever tokenizer.json contains.

    For Qwen2's class, that is: NFC, then words, single digits and runs of punctuation. Ids must equal those that the
    model was trained with, which transformers gives.
    """
    if model_type == "qwen2" or (tokenizer_class or "").removesuffix("Fast") == "Qwen2Tokenizer":
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN2_WORDS), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )


def load_tokenizer(folder: Path, config: Mapping[str, Any], model_type: str | None = None) -> TextTokenizer:
    """Return the tokenizer of a checkpoint folder; ``config`` is its tokenizer_config.json.

    Without a tokenizer.json, one is made of the files that are there, as transformers reads them.

    Raises:
        ConfigError: there is no tokenizer, or it cannot be converted or read.
    """
    path = folder / "tokenizer.json"
    if made := not path.is_file():
        path, tokens = converted(folder)
        config = {**config, **tokens}
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as e:
        raise ConfigError(f"{path} cannot be read: {e}") from e
    if not made:
        split_as_transformers(tokenizer, model_type, config.get("tokenizer_class"))
    return TextTokenizer(tokenizer, config)


def tokenizer_file(folder: Path) -> Path:
    """Return the tokenizer.json of a checkpoint whose tokenizer was loaded: its own, or the one that was made."""
    own = folder / "tokenizer.json"
    return own if own.is_file() else converted(folder)[0]
