"""Models by Hub id: downloads from a fake hub, revisions, tokens, a prepared cache, offline mode, clear refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.checkpoints.tiny import make_checkpoint
from support.serving.fake_hub import FakeHub, serve_hub
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sharded checkpoint with files around it that nobody needs."""
    folder = make_checkpoint("qwen2", tmp_path_factory.mktemp("repo") / "main", shard="100KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "modeling_evil.py").write_text("raise SystemExit")
    (folder / "README.md").write_text("# hello")
    (folder / "original").mkdir()
    (folder / "original" / "params.json").write_text("{}")
    return folder


def environment(hub: FakeHub, **more: str) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", **more}


def completion(server: RunningServer) -> str:
    try:
        client = server.openai()
        model = client.models.list().data[0].id
        return client.completions.create(model=model, prompt="the quick", max_tokens=8, temperature=0).choices[0].text
    finally:
        assert server.stop() == 0


def test_download_then_cache_then_offline(repo: Path, tmp_path: Path) -> None:
    """Only what is needed is fetched, once; later starts work without the hub, and from an offline cache."""
    want = completion(start_server([str(repo), "--dtype", "float32"]))
    args = ["org/tiny", "--dtype", "float32", "--download-dir", str(tmp_path)]
    with serve_hub(FakeHub({"org/tiny": {"main": repo}})) as hub:
        assert completion(start_server(args, env=environment(hub))) == want
        fetched = {r.rpartition("/")[2] for r in hub.requests if r.startswith("GET") and "/resolve/" in r}
        assert {"config.json", "tokenizer.json", "model.safetensors.index.json"} <= fetched
        assert not fetched & {"pytorch_model.bin", "modeling_evil.py", "README.md", "params.json"}
        before = sum("GET" in r and "/resolve/" in r for r in hub.requests)
        assert completion(start_server(args, env=environment(hub))) == want
        assert sum("GET" in r and "/resolve/" in r for r in hub.requests) == before
    assert completion(start_server(args, env=environment(hub))) == want  # the hub is gone
    assert completion(start_server(args, env={"HF_HUB_OFFLINE": "1"})) == want


def test_revision_and_token(repo: Path, tmp_path: Path) -> None:
    newer = tmp_path / "v2"
    shutil.copytree(repo, newer)
    (newer / "chat_template.jinja").write_text("{{ 'v2' }}")
    with serve_hub(FakeHub({"org/tiny": {"main": repo, "v2": newer}}, token="hf_secret")) as hub:
        args = ["org/tiny", "--download-dir", str(tmp_path / "cache"), "--revision", "v2", "--hf-token", "hf_secret"]
        server = start_server(args, env=environment(hub))
        try:
            root = Path(server.openai().models.list().data[0].root)
            assert (root / "chat_template.jinja").read_text() == "{{ 'v2' }}"
            server.logged("downloaded org/tiny: ")
            assert "hf_secret" not in server.log
            assert "Fetching" not in server.log  # the Hub client's bars are for terminals
        finally:
            server.stop()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["org/none"], "no such repository"),
        (["org/tiny", "--revision", "v9"], "no revision 'v9'"),
        (["./nowhere/at/all"], "no model folder './nowhere/at/all'"),
        (["nothing"], "neither a folder nor a bundled checkpoint"),
    ],
    ids=str,
)
def test_what_is_not_there(repo: Path, tmp_path: Path, args: list[str], message: str) -> None:
    with serve_hub(FakeHub({"org/tiny": {"main": repo}})) as hub, pytest.raises(AssertionError, match=message):
        start_server([*args, "--download-dir", str(tmp_path)], env=environment(hub))


def test_offline_without_a_cache(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="not in the cache"):
        start_server(["org/tiny", "--download-dir", str(tmp_path)], env={"HF_HUB_OFFLINE": "1"})
