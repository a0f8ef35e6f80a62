"""Embeddings in place of prompts over HTTP: every file format, mixtures, what is refused, and that ids say the same."""

from __future__ import annotations

import base64
import concurrent.futures
import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.torch
import torch
from support.checkpoints.tiny import build_model, make_checkpoint
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
IDS = [list(range(5, 60)), list(range(60, 140)), [7, 8, 9]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Chunks of 32 tokens, and room for few sequences, so that prompts come in parts and lose their pages."""
    folder = make_checkpoint("llama", tmp_path_factory.mktemp("llama"))
    own = "enable_prompt_embeds: true, max_num_batched_tokens: 32, num_gpu_blocks_override: 23"
    config = folder.parent / "config.yaml"
    config.write_text(f"models:\n  - {{model: {folder}, name: m, {own}}}\n  - {{model: {folder}, name: closed}}\n")
    running = start_server(
        ["--config", str(config), "--dtype", "float32", "--max-model-len", "160", "--backend", "reference"]
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def embeds() -> list[torch.Tensor]:
    """What the model has for IDS."""
    table = build_model("llama").get_input_embeddings().weight.detach()
    return [table[torch.tensor(ids)].clone() for ids in IDS]


def torch_file(value: torch.Tensor) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def npy_file(value: torch.Tensor) -> bytes:
    file = io.BytesIO()
    np.save(file, value.numpy())
    return file.getvalue()


FORMATS: dict[str, Callable[[torch.Tensor], bytes]] = {
    "safetensors": lambda x: safetensors.torch.save({"prompt": x}),
    "npy": npy_file,
    "torch": torch_file,
}


def ask(server: RunningServer, **body: Any) -> httpx.Response:
    body = {"model": "m", "temperature": 0, "max_tokens": 12, "return_token_ids": True, **body}
    return httpx.post(f"{server.url}/v1/completions", json=body, timeout=60)


def said(response: httpx.Response) -> list[list[int]]:
    assert response.status_code == 200, response.text
    return [choice["token_ids"] for choice in response.json()["choices"]]


def text(file: bytes) -> str:
    return base64.b64encode(file).decode()


@pytest.fixture(scope="module")
def wanted() -> list[list[int]]:
    """Greedy tokens of transformers, from ``inputs_embeds``."""
    model = build_model("llama")
    table = model.get_input_embeddings()
    out = []
    for ids in IDS:
        rows = table(torch.tensor([ids])).detach()
        with torch.no_grad():
            out.append(model.generate(inputs_embeds=rows, max_new_tokens=12, do_sample=False, eos_token_id=None)[0])
    return [t.tolist() for t in out]


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_says_what_transformers_says(
    server: RunningServer, embeds: list[torch.Tensor], wanted: list[list[int]], form: str
) -> None:
    response = ask(server, prompt_embeds=text(FORMATS[form](embeds[0])), ignore_eos=True)
    assert said(response) == [wanted[0]]
    assert response.json()["usage"]["prompt_tokens"] == len(IDS[0])
    assert response.json()["choices"][0]["prompt_token_ids"] is None


def test_embeddings_come_first_and_mix_with_other_prompts(
    server: RunningServer, embeds: list[torch.Tensor], wanted: list[list[int]]
) -> None:
    files = [text(torch_file(rows)) for rows in embeds]
    response = ask(server, prompt_embeds=files, prompt=IDS, ignore_eos=True)
    assert said(response) == wanted + wanted
    usage = response.json()["usage"]
    assert usage["prompt_tokens"] == 2 * sum(map(len, IDS))


def test_chunks_preemption_and_sampling_change_nothing(server: RunningServer, embeds: list[torch.Tensor]) -> None:
    """At once, twelve sequences of up to 140 tokens in a cache of 22 pages of 16."""
    sampled = {"temperature": 1.0, "seed": 3, "max_tokens": 40, "ignore_eos": True, "repetition_penalty": 1.0}
    alone = [said(ask(server, prompt=ids, **sampled)) for ids in IDS]
    before = server.health()["models"]["m"]["preemptions"]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        files = [text(torch_file(rows)) for rows in embeds]
        asked = [pool.submit(ask, server, prompt_embeds=files[i % 3], **sampled) for i in range(12)]
        assert [said(f.result()) for f in asked] == [alone[i % 3] for i in range(12)]
    assert server.health()["models"]["m"]["preemptions"] > before


def test_the_cache_tells_embeddings_from_tokens_and_from_each_other(
    server: RunningServer, embeds: list[torch.Tensor]
) -> None:
    def cached(**body: Any) -> int:
        before = server.health()["models"]["m"]["cache_hit_tokens"]
        said(ask(server, **body))
        server.wait_idle()
        hit: int = server.health()["models"]["m"]["cache_hit_tokens"] - before
        return hit

    new = embeds[1] + 0.25
    assert cached(prompt_embeds=text(torch_file(new))) == 0
    assert cached(prompt_embeds=text(npy_file(new))) == 64  # whatever file it came in
    assert cached(prompt_embeds=text(torch_file(new + 0.25))) == 0
    assert cached(prompt_embeds=text(torch_file(new)), cache_salt="other") == 0
    assert cached(prompt=[0] * len(IDS[1])) == 0


def test_n_choices_and_streams(server: RunningServer, embeds: list[torch.Tensor]) -> None:
    file = text(torch_file(embeds[0]))
    how = {"temperature": 1.0, "seed": 5, "n": 4}
    assert said(ask(server, prompt_embeds=file, **how)) == said(ask(server, prompt=IDS[0], **how))
    whole = ask(server, prompt=IDS[0], max_tokens=8).json()["choices"][0]["text"]
    client = server.openai()
    chunks = client.completions.create(
        model="m", prompt="", temperature=0, max_tokens=8, stream=True, extra_body={"prompt_embeds": file}
    )
    assert "".join(c.choices[0].text for c in chunks if c.choices) == whole


def test_penalties_see_no_token_in_an_embedding(server: RunningServer, embeds: list[torch.Tensor]) -> None:
    """With logit bias on one token, which is not in the prompt: neither is it as id 0."""
    shared = {"logit_bias": {"0": 100}, "repetition_penalty": 1e30, "max_tokens": 1}
    assert said(ask(server, prompt_embeds=text(torch_file(embeds[0])), **shared)) == [[0]]
    assert said(ask(server, prompt=[*IDS[0][:-1], 0], **shared)) != [[0]]


@pytest.mark.parametrize("value", ["", "no base64!", text(b"hello" * 20), text(torch_file(torch.zeros(3, 63)))])
def test_what_cannot_be_read_is_refused(server: RunningServer, value: str) -> None:
    response = ask(server, prompt_embeds=[value])
    assert (response.status_code, response.json()["error"]["param"]) == (400, "prompt_embeds[0]"), response.text


@pytest.mark.parametrize(
    ("param", "body"),
    [
        ("prompt_embeds", {"model": "closed"}),
        ("prompt_embeds", {"prompt_embeds": 5}),
        ("echo", {"echo": True}),
        ("prompt_logprobs", {"prompt_logprobs": 0}),
        ("use_beam_search", {"use_beam_search": True}),
        ("truncate_prompt_tokens", {"truncate_prompt_tokens": 3}),
        ("prompt", {"prompt": [[1]] * 1024}),
    ],
)
def test_fields_that_do_not_go_together(
    server: RunningServer, embeds: list[torch.Tensor], param: str, body: dict[str, Any]
) -> None:
    response = ask(server, **{"prompt_embeds": text(torch_file(embeds[0])), **body})
    error = response.json()["error"]
    assert response.status_code == 400, error
    assert (error["param"] or error["message"]).lstrip("$.").startswith(param), error
    if body.get("model"):
        assert "--enable-prompt-embeds" in error["message"]


def chat(server: RunningServer, content: Any, **body: Any) -> httpx.Response:
    messages = [{"role": "system", "content": "the lazy dog"}, {"role": "user", "content": content}]
    body = {"model": "m", "temperature": 0, "max_tokens": 12, "return_token_ids": True, "messages": messages, **body}
    return httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)


def part(rows: torch.Tensor) -> dict[str, str]:
    return {"type": "prompt_embeds", "data": text(npy_file(rows))}


def test_parts_of_a_chat_stand_in_their_places(server: RunningServer) -> None:
    """Embeddings of a text's tokens say what the text says: as all of a content, and between others."""
    words = []
    for said_in_words in ("the quick brown fox", "jumps over"):
        asked = {"model": "m", "prompt": said_in_words, "add_special_tokens": False}
        words.append(httpx.post(f"{server.url}/tokenize", json=asked, timeout=60).json()["tokens"])
    table = build_model("llama").get_input_embeddings().weight.detach()
    one, other = (part(table[torch.tensor(ids)].clone()) for ids in words)
    for content, same in (
        ([one], "the quick brown fox"),
        (["and", one, "other things", other], "and\nthe quick brown fox\nother things\njumps over"),
    ):
        want, got = chat(server, same).json(), chat(server, content).json()
        assert got["choices"][0]["token_ids"] == want["choices"][0]["token_ids"]
        assert got["usage"]["prompt_tokens"] == want["usage"]["prompt_tokens"]
        assert (want["prompt_token_ids"] is None, got["prompt_token_ids"]) == (False, None)
    stream = chat(server, [one], stream=True)
    assert stream.status_code == 200
    assert stream.text.count("data: ") > 2


@pytest.mark.parametrize(
    ("param", "body"),
    [
        ("messages[1].content[1].data", {"model": "closed"}),
        ("echo", {"echo": True}),
        ("truncate_prompt_tokens", {"truncate_prompt_tokens": 3}),
        ("use_beam_search", {"use_beam_search": True}),
        ("prompt_logprobs", {"prompt_logprobs": 0}),
        ("messages[1].content[1].data", {"part": {"type": "prompt_embeds", "data": "no base64!"}}),
        ("messages[1].content[1].data", {"part": {"type": "prompt_embeds"}}),
        ("messages[1].content[1].data", {"part": part(torch.zeros(3, 63))}),
        ("messages", {"part": part(torch.zeros(150, 64))}),
    ],
)
def test_parts_that_cannot_be(server: RunningServer, param: str, body: dict[str, Any]) -> None:
    given = {"part": part(torch.zeros(3, 64)), **body}
    response = chat(server, ["a", given.pop("part")], **given)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param), response.text


def test_the_engine_is_well_after_all_that(server: RunningServer, wanted: list[list[int]]) -> None:
    assert said(ask(server, prompt=IDS[0], ignore_eos=True)) == [wanted[0]]
    assert server.health()["models"]["m"]["restarts"] == 0
