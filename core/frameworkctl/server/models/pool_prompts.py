"""Texts and pairs of texts as prompts to pool: encoded many at once, cut, filled up, and every length checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from frameworkctl.errors import RequestError, bad
from frameworkctl.interfaces.model import ModelInfo
from frameworkctl.interfaces.requests.prompts import Prompt
from frameworkctl.interfaces.served_model import TruncationSide
from frameworkctl.limits import MAX_TEXT_BYTES, check_text
from frameworkctl.text.batch_encoding import BatchEncoder, NoRoom, gives_token_types
from frameworkctl.text.pieces import TextTooLong
from frameworkctl.text.tokenizer import TextTokenizer

MAX_TOKENS = 1 << 23  # of a call, all of its prompts together: they are held in memory until it is answered
MAX_CHARACTERS = 1 << 26  # of a call's joined pairs, which are read one by one, each with its query
TRUNCATE = "truncate_prompt_tokens"  # the field that says how much to keep, but for those that name another
FAR_TOO_LONG = 8  # times the characters that could fit: such a text is refused before it is tokenized


class PoolPrompts:
    """Of one model. Pooling needs no room for an answer: a prompt may fill the context."""

    def __init__(
        self, tokenizer: TextTokenizer, info: ModelInfo, max_model_len: int, max_text_bytes: int = MAX_TEXT_BYTES
    ) -> None:
        self._max_text_bytes = max_text_bytes
        self._tokenizer, self._vocab_size, self._limit = tokenizer, info.vocab_size, max_model_len
        side = "left" if tokenizer.config.get("truncation_side") == "left" else "right"
        self._encoder = BatchEncoder(tokenizer.raw, "left" if side == "left" else "right", tokenizer.long)
        self._types = gives_token_types(tokenizer.config)
        self._lower_case = info.pooling is not None and info.pooling.lower_case
        self._joined = info.pooling is not None and info.pooling.pairs == "joined"

    def batch(
        self,
        texts: Sequence[str | Sequence[int]],
        add_special_tokens: bool,
        truncate: int | None,
        side: TruncationSide | None,
        padding: bool,
        param: str,
        field: str = TRUNCATE,
    ) -> list[Prompt]:
        """Implement ``ServedModel.encode_batch``; ``field`` is its ``truncate_param``."""
        keep = self._tokens_to_keep(truncate, field)
        if not texts:
            raise bad(param, f"{param} must not be empty.")
        names = _names(param, len(texts))
        strings = (self._text(text, names[i], keep, field) for i, text in enumerate(texts) if isinstance(text, str))
        encoded = self._encoder.encode(strings, add_special_tokens=add_special_tokens, keep=keep, side=side)
        prompts, total, name = [], 0, param
        try:
            for text, name in zip(texts, names, strict=True):
                if isinstance(text, str):
                    prompts.append(Prompt(self._checked(next(encoded), name, text, field), text))
                else:
                    prompts.append(Prompt(self._checked(self._given_ids(text, name, keep, side), name, None, field)))
                total = _counted(total, prompts[-1], param)
        except NoRoom as e:
            raise _no_room(e, truncate, field) from None
        except TextTooLong as e:
            raise TextTooLong(e.size, name) from None
        return self._padded(prompts, keep, param) if padding else prompts

    def pairs(
        self,
        pairs: Sequence[tuple[str, str]],
        truncate: int | None,
        side: TruncationSide | None,
        max_query: int,
        max_doc: int,
        param: str,
    ) -> list[tuple[Prompt, int]]:
        """Implement ``ServedModel.encode_pair_batch``."""
        keep = self._tokens_to_keep(truncate)
        if not pairs:
            raise bad(param, f"{param} must not be empty.")
        names = _names(param, len(pairs))
        unique = {q: self._text(q, "query", max_query or keep) for q, _ in pairs}
        queries = [unique[q] for q, _ in pairs]
        documents = [self._text(d, names[i], max_doc or keep) for i, (_, d) in enumerate(pairs)]
        if max_query:
            queries = self.cut(queries, max_query)
        if max_doc:
            documents = self.cut(documents, max_doc)
        found: Iterator[tuple[list[int], int]]
        if self._joined:
            if sum(map(len, queries)) + sum(map(len, documents)) > MAX_CHARACTERS:
                message = f"{param}, each with its query, come to more than {MAX_CHARACTERS} characters: send fewer."
                raise bad(param, message, "too_many_tokens")
            joined = (q + d for q, d in zip(queries, documents, strict=True))
            found = ((ids, 0) for ids in self._encoder.encode(joined, keep=keep, side=side))
        else:
            found = self._encoder.encode_pairs(list(zip(queries, documents, strict=True)), keep=keep, side=side)
        prompts, total, types = [], 0, self._types
        try:
            for name, (ids, second) in zip(names, found, strict=True):
                prompt = Prompt(self._checked(ids, name, ""))
                prompts.append((prompt, second * types))
                total = _counted(total, prompt, param)
        except NoRoom as e:
            raise _no_room(e, truncate) from None
        except TextTooLong as e:
            raise TextTooLong(e.size, param) from None
        return prompts

    def cut(self, texts: Sequence[str], tokens: int) -> list[str]:
        """Implement ``ServedModel.cut_texts``."""
        return self._encoder.cut_texts(texts, tokens)

    def _tokens_to_keep(self, truncate: int | None, field: str = TRUNCATE) -> int | None:
        if truncate is None:
            return None
        if not -1 <= truncate <= self._limit:
            raise bad(field, f"{field} must be -1 (the context) or in [0, {self._limit}], got {truncate}.")
        if truncate == 0:
            raise bad(field, f"{field}=0 leaves nothing to compute.")
        return self._limit if truncate == -1 else truncate

    def _text(self, text: str, name: str, keep: int | None, field: str = TRUNCATE) -> str:
        longest = self._limit * self._tokenizer.longest_token
        if keep is None and len(text) > FAR_TOO_LONG * longest:
            what = f"{len(text)} characters, and {self._limit} tokens have at most about {longest}"
            raise self._too_long(name, what, field)
        check_text(name, text, self._max_text_bytes)
        return text.lower() if self._lower_case else text

    def _given_ids(self, ids: Sequence[int], name: str, keep: int | None, side: TruncationSide | None) -> Sequence[int]:
        if ids and (min(ids) < 0 or max(ids) >= self._vocab_size):
            wrong = next(i for i in ids if not 0 <= i < self._vocab_size)
            raise bad(name, f"{name} has the token id {wrong}, outside the vocabulary of {self._vocab_size}.")
        if keep is None or len(ids) <= keep:
            return ids
        return ids[-keep:] if (side or self._encoder.side) == "left" else ids[:keep]

    def _checked(self, ids: Sequence[int], name: str, text: str | None, field: str = TRUNCATE) -> Sequence[int]:
        if not ids:
            raise bad(name, f"{name} must not be empty.")
        if len(ids) > self._limit:
            raise self._too_long(name, f"{len(ids)} tokens", field)
        if text is not None and max(ids) >= self._vocab_size:
            raise bad(name, f"{name} holds a token that this model has no embedding for.")
        return ids

    def _padded(self, prompts: list[Prompt], keep: int | None, param: str) -> list[Prompt]:
        pad = self._tokenizer.token_to_id(self._tokenizer.special_tokens.get("pad_token", ""))
        if pad is None:
            raise bad("padding", "padding: this model's tokenizer has no padding token.")
        length = keep or self._limit
        if length * len(prompts) > MAX_TOKENS:
            raise _too_many(param)
        return [Prompt([*p.token_ids, *[pad] * (length - len(p.token_ids))], p.text) for p in prompts]

    def _too_long(self, name: str, what: str, field: str) -> RequestError:
        return RequestError(
            f"This model's context is {self._limit} tokens; {name} has {what}. Shorten it, or set {field}.",
            param=name,
            code="context_length_exceeded",
        )


def _no_room(error: NoRoom, truncate: int | None, field: str = TRUNCATE) -> RequestError:
    return bad(field, f"{field}={truncate} leaves no room: {error.args[0]} special tokens are always kept.")


def _counted(total: int, prompt: Prompt, param: str) -> int:
    """Return ``total`` with the prompt's tokens. Raises RequestError where a call has too many."""
    total += len(prompt.token_ids)
    if total > MAX_TOKENS:
        raise _too_many(param)
    return total


def _too_many(param: str) -> RequestError:
    return bad(param, f"{param} comes to more than {MAX_TOKENS} tokens: send fewer at a time.", "too_many_tokens")


def _names(param: str, count: int) -> list[str]:
    """Return how messages call each of them."""
    return [param] if count == 1 else [f"{param}[{i}]" for i in range(count)]
