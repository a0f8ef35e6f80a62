"""Tokenizers that are stored in another form than tokenizer.json: converted once, by a child, and cached.

The child has transformers, which the server has not, and sees copies of nothing but the vocabulary and json files: no
code of a checkpoint can run. What it makes is kept under a digest of those files and of the converting versions.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from frameworkctl.errors import ConfigError

log = logging.getLogger("frameworkctl.server")

TOKENIZER, TOKENS, REASON = "tokenizer.json", "special_tokens.json", "reason.txt"  # what a conversion writes
VOCABULARIES = ("*.model", "tekken.json", "vocab.json", "merges.txt", "vocab.txt", "*.tiktoken")
SETTINGS = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
VERSION = 1  # counts changes of the converter that change what it makes
TIMEOUT = 600.0  # seconds; a vocabulary of 256k pieces takes about 6


def cache_dir() -> Path:
    """Return where what was made once is kept: ``$FRAMEWORKCTL_CACHE``, else ``frameworkctl`` in the user's cache
    folder.
    """
    if own := os.environ.get("FRAMEWORKCTL_CACHE"):
        return Path(own).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "frameworkctl"


def vocabulary_files(folder: Path) -> list[Path]:
    """Return the files of other forms in a checkpoint folder, by name."""
    return sorted(f for pattern in VOCABULARIES for f in folder.glob(pattern) if f.is_file())


def converted(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return the tokenizer.json made of a checkpoint's other files, and its special tokens by name (``bos_token`` ...).

    Raises:
        ConfigError: there are no such files, or they cannot be converted.
    """
    vocabulary = vocabulary_files(folder)
    if not vocabulary:
        raise ConfigError(f"{folder} has no tokenizer: neither tokenizer.json nor any of {', '.join(VOCABULARIES)}")
    settings = [folder / name for name in SETTINGS if (folder / name).is_file()]
    entry = cache_dir() / "tokenizers" / _digest(vocabulary + settings)
    if not (entry / TOKENIZER).is_file():
        log.info("making a tokenizer.json of %s, once", " and ".join(str(f) for f in vocabulary))
        _make(vocabulary, settings, entry)
    return entry / TOKENIZER, json.loads((entry / TOKENS).read_text(encoding="utf-8"))


def _digest(files: list[Path]) -> str:
    whole = hashlib.sha256(f"{VERSION} {metadata.version('transformers')} {metadata.version('tokenizers')}".encode())
    for file in files:
        with file.open("rb") as f:
            whole.update(f"\0{file.name}\0".encode() + hashlib.file_digest(f, "sha256").digest())
    return whole.hexdigest()


def _make(vocabulary: list[Path], settings: list[Path], entry: Path) -> None:
    """Fill ``entry`` in one move; whoever comes second finds it filled."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        work = tempfile.TemporaryDirectory(prefix="making-", dir=entry.parent)
    except OSError as e:
        raise ConfigError(f"cannot write to {entry.parent}: {e.strerror}; set FRAMEWORKCTL_CACHE to another") from e
    with work as place:
        source, made = Path(place) / "source", Path(place) / "made"
        source.mkdir()
        made.mkdir()
        for file in vocabulary + settings:
            (source / file.name).symlink_to(file.resolve())
        if reason := _run_child(source, made):
            raise ConfigError(
                f"{vocabulary[0].parent}: cannot convert {' and '.join(f.name for f in vocabulary)}"
                f" to tokenizer.json: {reason}"
            )
        try:
            made.rename(entry)
        except OSError:
            if not (entry / TOKENIZER).is_file():
                raise


def _run_child(source: Path, made: Path) -> str | None:
    """Return why it failed, None if it did not."""
    # -P: the folder that the server was started in may be the checkpoint's, and is no place to import from
    command = [sys.executable, "-P", "-m", "frameworkctl.checkpoints.tokenizer_converter", str(source), str(made)]
    env = {k: v for k, v in os.environ.items() if k not in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")}
    env |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error"}
    try:
        done = subprocess.run(
            command, env=env, cwd=made, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {TIMEOUT:.0f} seconds"
    if done.returncode == 0 and (made / TOKENIZER).is_file():
        return None
    if (made / REASON).is_file():
        return (made / REASON).read_text(encoding="utf-8")
    last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return f"the converter ended with status {done.returncode}{f': {last}' if last else ''}"
