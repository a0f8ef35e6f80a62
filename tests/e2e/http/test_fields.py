"""Request fields beyond OpenAI's, over HTTP: what they do, and what they answer to nonsense."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
TEXT = "the quick brown fox jumps over"
MESSAGES = [{"role": "user", "content": TEXT}]
PROCESSOR = """
class Only:
    def __init__(self, *ids):
        self.ids = list(ids)
    def __call__(self, output, row):
        keep = row[self.ids].clone()
        row[:] = float("-inf")
        row[self.ids] = keep
        return row
"""


@pytest.fixture(scope="module")
def other(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose operator allows more."""
    folder = tmp_path_factory.mktemp("processors")
    (folder / "my_processors.py").write_text(PROCESSOR)
    args = [str(checkpoints["llama"]), "--served-model-name", "a", "--dtype", "float32", "--scheduling-policy"]
    args += ["priority", "--logits-processor-pattern", r"my_processors\..*", "--enable-tokenizer-info-endpoint"]
    args += ["--max-logprobs", "-1", "--override-generation-config", '{"temperature": 0, "max_new_tokens": 6}']
    server = start_server(args, env={"PYTHONPATH": str(folder)})
    yield server
    server.stop()


def post(server: RunningServer, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json={"model": "a", **body}, timeout=60)


def complete(server: RunningServer, **body: Any) -> dict[str, Any]:
    reply = post(server, "/v1/completions", **{"temperature": 0, "max_tokens": 8, "prompt": TEXT, **body})
    assert reply.status_code == 200, reply.text
    return reply.json()


def tokens_of(server: RunningServer, text: str) -> list[int]:
    return post(server, "/tokenize", prompt=text, add_special_tokens=False).json()["tokens"]


def logprobs_of_transformers(folder: Path, ids: list[int]) -> Any:
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), dim=-1)


def test_echo_and_prompt_logprobs(server: RunningServer, checkpoints: dict[str, Path]) -> None:
    """Twice, so that the second finds its prompt in the prefix cache; held to transformers on the same weights."""
    ids = tokens_of(server, TEXT)
    exact = logprobs_of_transformers(checkpoints["llama"], ids)
    for _ in range(2):
        whole = complete(server, echo=True, logprobs=2, n=1)
        choice = whole["choices"][0]
        assert choice["text"].startswith(TEXT)
        logprobs = choice["logprobs"]
        assert logprobs["token_logprobs"][0] is None
        assert len(logprobs["tokens"]) == len(ids) + 8
        assert logprobs["text_offset"][len(ids)] == len(TEXT)
        for at in range(1, len(ids)):
            assert logprobs["token_logprobs"][at] == pytest.approx(float(exact[at - 1, ids[at]]), abs=1e-3)
            entry = choice["prompt_logprobs"][at][str(ids[at])]
            assert entry["rank"] == int((exact[at - 1] > exact[at - 1, ids[at]]).sum()) + 1
            best = exact[at - 1].topk(2).indices.tolist()
            assert set(choice["prompt_logprobs"][at]) == {str(ids[at]), *map(str, best)}
    only = complete(server, echo=True, logprobs=0, max_tokens=0)
    assert only["choices"][0]["text"] == TEXT
    assert only["choices"][0]["finish_reason"] == "length"
    assert only["usage"]["completion_tokens"] == 0
    assert only["choices"][0]["logprobs"]["tokens"] == logprobs["tokens"][: len(ids)]


def test_streamed_echo_joins_to_the_plain_answer(server: RunningServer) -> None:
    body = {"model": "a", "prompt": [TEXT, "the lazy dog"], "echo": True, "logprobs": 1, "max_tokens": 5}
    plain = complete(server, **body)
    for interval in (1, 3):
        texts, tokens = ["", ""], [[], []]
        with httpx.stream(
            "POST",
            f"{server.url}/v1/completions",
            timeout=60,
            json={
                **body,
                "temperature": 0,
                "stream": True,
                "stream_interval": interval,
            },
        ) as reply:
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    choice = json.loads(line[6:])["choices"][0]
                    texts[choice["index"]] += choice["text"]
                    tokens[choice["index"]] += choice["logprobs"]["tokens"]
        assert texts == [c["text"] for c in plain["choices"]]
        assert tokens == [c["logprobs"]["tokens"] for c in plain["choices"]]


def test_all_logprobs(other: RunningServer) -> None:
    choice = complete(other, logprobs=-1, prompt_logprobs=-1, max_tokens=1)["choices"][0]
    assert len(choice["prompt_logprobs"][1]) == 320
    total = sum(math.exp(entry["logprob"]) for entry in choice["prompt_logprobs"][1].values())
    assert total == pytest.approx(1.0, abs=1e-4)


def test_chat_echo_and_final_message(server: RunningServer) -> None:
    messages = [*MESSAGES, {"role": "assistant", "content": "over the lazy"}]
    body = {"messages": messages, "continue_final_message": True, "temperature": 0, "max_tokens": 4}
    plain = post(server, "/v1/chat/completions", **body).json()
    echoed = post(server, "/v1/chat/completions", **body, echo=True).json()
    said = plain["choices"][0]["message"]["content"]
    assert echoed["choices"][0]["message"] == {**plain["choices"][0]["message"], "content": "over the lazy" + said}
    assert len(echoed["prompt_logprobs"]) == echoed["usage"]["prompt_tokens"]
    template = "<|im_start|>user\n" + TEXT + "<|im_end|>\n<|im_start|>assistant\nover the lazy"
    assert said == complete(server, prompt=template, max_tokens=4)["choices"][0]["text"]


@pytest.mark.parametrize(("extra", "kept"), [({}, slice(-5, None)), ({"truncation_side": "right"}, slice(5))])
def test_truncation(server: RunningServer, extra: dict[str, Any], kept: slice) -> None:
    got = complete(server, truncate_prompt_tokens=5, return_token_ids=True, **extra)["choices"][0]
    assert got["prompt_token_ids"] == tokens_of(server, TEXT)[kept]
    long = complete(server, prompt=TEXT * 200, truncate_prompt_tokens=-1)
    assert long["usage"]["prompt_tokens"] == 511


def test_lists_of_tokens(server: RunningServer) -> None:
    plain = complete(server, return_token_ids=True)["choices"][0]
    first = plain["token_ids"][0]
    banned = complete(
        server, bad_words=[plain["text"][:1] or "x"], logit_bias={str(first): -100}, return_token_ids=True
    )
    assert banned["choices"][0]["token_ids"][0] != first
    allowed = complete(server, allowed_token_ids=[70, 71], return_token_ids=True)["choices"][0]
    assert set(allowed["token_ids"]) <= {70, 71}
    chosen = complete(server, logprobs=0, logprob_token_ids=[70, 71], return_tokens_as_token_ids=True)["choices"][0]
    assert {"token_id:70", "token_id:71"} <= set(chosen["logprobs"]["top_logprobs"][0])


def test_bad_words_do_not_come(server: RunningServer) -> None:
    """What greedy decoding says first is forbidden, again and again; nothing forbidden is ever said again."""
    letters = [tokens_of(server, letter)[0] for letter in "qzxjvkw"]  # pairs of which are two tokens
    words: list[str] = []
    for _ in range(4):
        text = complete(server, bad_words=words, allowed_token_ids=letters, max_tokens=20)["choices"][0]["text"]
        assert len(text) == 20
        assert not any(word in text for word in words), (words, text)
        words.append(text[: 1 if words else 2])
    assert len(set(words)) == 4


def test_salts_keep_caches_apart(server: RunningServer) -> None:
    def cached(**body: Any) -> int:
        usage = complete(server, prompt="dog " * 60 + body.pop("end", ""), **body)["usage"]
        return usage["prompt_tokens_details"]["cached_tokens"]

    assert cached(cache_salt="a/b+c=") == 0
    assert cached(cache_salt="a/b+c=") > 0
    assert cached(cache_salt="other") == 0
    assert cached(cache_salt="other", prompt_logprobs=0) == 0
    assert cached(cache_salt="other") > 0


def test_request_id(server: RunningServer) -> None:
    assert complete(server, request_id="mine")["id"] == "cmpl-mine"
    reply = httpx.post(
        f"{server.url}/v1/completions",
        headers={"x-request-id": "header"},
        timeout=60,
        json={
            "model": "a",
            "prompt": TEXT,
            "max_tokens": 1,
            "request_id": "mine",
        },
    )
    assert reply.json()["id"] == "cmpl-header"


def test_operator_defaults_and_cap(other: RunningServer) -> None:
    reply = post(other, "/v1/completions", prompt=TEXT, max_tokens=50, ignore_eos=True).json()
    assert reply["usage"]["completion_tokens"] == 6
    assert reply["choices"][0]["text"] == complete(other, max_tokens=6, ignore_eos=True)["choices"][0]["text"]


def test_imported_processors(other: RunningServer, server: RunningServer) -> None:
    call = {"qualname": "my_processors.Only", "args": [70, 71]}
    ids = complete(other, logits_processors=[call], return_token_ids=True)["choices"][0]["token_ids"]
    assert set(ids) <= {70, 71}
    broken = post(other, "/v1/completions", prompt=TEXT, logits_processors=["my_processors.Missing"])
    assert broken.status_code == 500
    assert "my_processors.Missing" in broken.json()["error"]["message"]
    for where, name in ((other, "os.system"), (server, "my_processors.Only"), (other, "xmy_processors.f")):
        refused = post(where, "/v1/completions", prompt=TEXT, logits_processors=[name])
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "logits_processors[0]"


def test_priority(other: RunningServer, server: RunningServer) -> None:
    assert complete(other, priority=-3)["choices"][0]["text"] == complete(other, priority=7)["choices"][0]["text"]
    assert complete(server, priority=0)["choices"]
    for stream in (False, True):
        refused = post(server, "/v1/completions", prompt=TEXT, priority=1, stream=stream)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "priority"
        assert "--scheduling-policy fcfs" in refused.json()["error"]["message"]


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("guided_json", {"guided_json": {}}),
    ("guided_choice", {"guided_choice": ["a"]}),
    ("prompt_logprobs", {"prompt_logprobs": 21}),
    ("prompt_logprobs", {"prompt_logprobs": -2}),
    ("prompt_logprobs", {"prompt_logprobs": 1, "stream": True}),
    ("suffix", {"suffix": "x"}),
    ("truncate_prompt_tokens", {"truncate_prompt_tokens": -2}),
    ("truncation_side", {"truncation_side": "up"}),
    ("truncate_prompt_tokens", {"truncate_prompt_tokens": 513}),
    ("prompt", {"truncate_prompt_tokens": 0}),
    ("allowed_token_ids", {"allowed_token_ids": []}),
    ("allowed_token_ids", {"allowed_token_ids": [320]}),
    ("bad_words", {"bad_words": [""]}),
    ("bad_words", {"bad_words": ["dog" * i for i in range(1, 130)]}),
    ("bad_words[0]", {"bad_words": [1]}),
    ("cache_salt", {"cache_salt": ""}),
    ("cache_salt", {"cache_salt": "a" * 1025}),
    ("request_id", {"request_id": "a\nb"}),
    ("kv_transfer_params", {"kv_transfer_params": {"a": 1}}),
    ("vllm_xargs[...]", {"vllm_xargs": {"a": {"b": 1}}}),
    ("vllm_xargs[...]", {"vllm_xargs": {"a": None}}),
    ("vllm_xargs.a", {"vllm_xargs": {"a": 2**70}}),
    ("extra_args.a", {"extra_args": {"a": {}}}),
    ("logits_processors[0]", {"logits_processors": [{"args": []}]}),
    ("stream_interval", {"stream_interval": 0}),
    ("logprob_token_ids", {"logprob_token_ids": [4]}),
    ("max_tokens", {"max_tokens": 0}),
    ("thinking_token_budget", {"thinking_token_budget": 5}),
    ("prompt[1]", {"prompt": ["a", [1, "b"]]}),
    ("stop", {"use_beam_search": True, "stop": "x"}),
    ("n", {"use_beam_search": True, "n": 0}),
    ("echo", {"use_beam_search": True, "echo": True, "logprobs": 1}),
    ("priority", {"priority": 2**63}),
]


@pytest.mark.parametrize(("param", "body"), WRONG, ids=lambda v: str(v)[:40])
def test_refused_by_name(server: RunningServer, param: str, body: dict[str, Any]) -> None:
    reply = post(server, "/v1/completions", **{"prompt": TEXT, "max_tokens": 2, **body})
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"] == param


def test_arguments_for_plugins_are_accepted(server: RunningServer) -> None:
    assert complete(server, vllm_xargs={"a": 1, "b": "x", "c": [1.5, "y"], "d": True})["choices"]


def test_tokenizer_info(other: RunningServer, checkpoints: dict[str, Path]) -> None:
    info = httpx.get(f"{other.url}/tokenizer_info", timeout=60).json()
    config = json.loads((checkpoints["llama"] / "tokenizer_config.json").read_text())
    assert {**info, **config} == info
    assert info["chat_template"] == (checkpoints["llama"] / "chat_template.jinja").read_text()
