"""Finds a model's files: a folder, a checkpoint that a package carries, or a repository on the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from frameworkctl.errors import ConfigError
from frameworkctl.interfaces import CheckpointSpec

from .hub_progress import download_progress
from .tokenizer_forms import VOCABULARIES

# What serving needs: json files, templates, weights. No pickles, no code, no other frameworks' weights, none twice;
# and no vocabulary where there is a tokenizer.json.
NEEDED = ("*.json", "*.jinja", "*.safetensors")
LEFT_OUT = ("original/*", "onnx/*", "openvino/*", "*.gguf", "consolidated*.safetensors")
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")


def locate(
    source: str,
    checkpoints: Mapping[str, CheckpointSpec],
    *,
    revision: str | None = None,
    download_dir: str | None = None,
    token: str | None = None,
) -> Path:
    """Return the folder with the files of ``source``; downloads what is lacking of a Hub repository.

    Raises:
        ConfigError: nothing of that name, or the Hub refuses or cannot be reached.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return path.resolve()
    if source in checkpoints:
        return Path(checkpoints[source].path)
    if path.is_absolute() or source.startswith((".", "~")) or not _HUB_ID.match(source):
        raise ConfigError(f"there is no model folder {source!r}")
    if "/" not in source:
        bundled = f" (bundled: {', '.join(sorted(checkpoints))})" if checkpoints else ""
        raise ConfigError(
            f"{source!r} is neither a folder nor a bundled checkpoint{bundled}; Hub ids look like org/name"
        )
    return _download(source, revision, download_dir, token)


def _download(repo: str, revision: str | None, download_dir: str | None, token: str | None) -> Path:
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    try:
        with download_progress(repo, download_dir):
            fetch = partial(snapshot_download, repo, cache_dir=download_dir, token=token)
            left_out = [*LEFT_OUT, *VOCABULARIES]
            folder = Path(fetch(revision=revision, allow_patterns=list(NEEDED), ignore_patterns=left_out))
            if not (folder / "tokenizer.json").is_file():
                # The folder is called as its commit, so that these are of the same, whatever is pushed meanwhile
                fetch(revision=folder.name, allow_patterns=list(VOCABULARIES), ignore_patterns=list(LEFT_OUT))
            return folder
    except hub.GatedRepoError as e:
        raise ConfigError(f"{repo}: access has to be asked for on the Hub first (--hf-token)") from e
    except hub.RepositoryNotFoundError as e:
        raise ConfigError(f"{repo}: there is no such repository on the Hub, or it is private (--hf-token)") from e
    except hub.RevisionNotFoundError as e:
        raise ConfigError(f"{repo}: there is no revision {revision!r}") from e
    except hub.LocalEntryNotFoundError as e:
        raise ConfigError(
            f"{repo}: not in the cache, and the Hub cannot be reached (offline mode or no network)"
        ) from e
    except (hub.HfHubHTTPError, OSError) as e:
        raise ConfigError(f"{repo}: download failed: {e}") from e
