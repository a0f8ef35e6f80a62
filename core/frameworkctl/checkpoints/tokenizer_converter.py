"""The child that makes a tokenizer.json of other vocabulary files, as transformers reads them."""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from .tokenizer_forms import REASON, TOKENIZER, TOKENS

NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")
CLASS = re.compile(r"(?!Auto)\w+(Tokenizer|TokenizerFast|Backend)")
TIKTOKEN = re.compile(rb"[A-Za-z0-9+/]+=* \d+\r?\n")
# What a tekken vocabulary calls its tokens, where no json file says it
TEKKEN_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


class Refused(Exception):
    """Raised with the reason why files cannot be converted, for the user."""


def convert(source: Path, made: Path) -> None:
    """Write tokenizer.json and the special tokens by name into ``made``, from the files in ``source``.

    Raises:
        Refused: with the reason.
    """
    for model in source.glob("*.model"):
        _check_model(model)
    _check_class(source)
    tokenizer = _load(source)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    kind = type(tokenizer).__name__
    if backend is None:
        raise Refused(f"transformers has {kind} in Python only")
    files = [str(value) for key, value in tokenizer.init_kwargs.items() if key.endswith("_file")]
    if not any(Path(f).parent == source for f in files):  # then it has made up a vocabulary of a few tokens
        raise Refused(f"{kind}, the class that transformers takes by the json files, does not read such files")
    tokens = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    if (source / "tekken.json").is_file():
        known = {n: t for n, t in TEKKEN_TOKENS.items() if backend.token_to_id(t) is not None}
        tokens = {**known, **tokens}
    (made / TOKENS).write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    (made / TOKENIZER).write_text(backend.to_str(), encoding="utf-8")


def _load(source: Path) -> Any:
    sys.modules["torch"] = None  # type: ignore[assignment]  # not needed here, and two thirds of the time
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            str(source), trust_remote_code=False, local_files_only=True, mistral_format=False
        )
    except ValueError as e:
        if "trust_remote_code" in str(e):
            raise Refused("its tokenizer is code in the checkpoint, which is never run") from e
        raise


def _check_class(source: Path) -> None:
    """Check the class that is named, since transformers would load any of its classes, and models with it."""
    for file in (source / "tokenizer_config.json", source / "config.json"):
        name = json.loads(file.read_text(encoding="utf-8")).get("tokenizer_class") if file.is_file() else None
        if name is not None and not CLASS.fullmatch(str(name)):
            raise Refused(f"{file.name} names {name!r}, which is no class of a tokenizer")


def _check_model(model: Path) -> None:
    """Refuse a ``.model`` (SentencePiece or tiktoken) if the package that reads it is missing."""
    with model.open("rb") as f:
        if TIKTOKEN.fullmatch(f.readline(4096)):
            _require(model, "tiktoken")
            return
    _require(model, "sentencepiece", "google.protobuf")
    proto = import_module("sentencepiece.sentencepiece_model_pb2").ModelProto()
    try:
        proto.ParseFromString(model.read_bytes())
    except Exception as e:
        raise Refused(f"{model.name} is not a SentencePiece model: {e}") from e
    if not proto.pieces:
        raise Refused(f"{model.name} is a SentencePiece model without pieces")


def _require(model: Path, *packages: str) -> None:
    for package in packages:
        try:
            import_module(package)
        except ImportError as e:
            raise Refused(f"{model.name} cannot be read ({e}): pip install 'frameworkctl[tokenizers]'") from e


def _no_network(event: str, args: tuple[Any, ...]) -> None:
    if event in NETWORK:
        raise RuntimeError(f"a tokenizer needs no network: {event}")


def main() -> None:
    source, made = Path(sys.argv[1]), Path(sys.argv[2])
    sys.addaudithook(_no_network)
    try:
        convert(source, made)
    except Exception as e:
        kind = "" if isinstance(e, Refused) else f"{type(e).__name__}: "
        (made / REASON).write_text(kind + " ".join(str(e).split()), encoding="utf-8")
        raise


if __name__ == "__main__":
    main()
