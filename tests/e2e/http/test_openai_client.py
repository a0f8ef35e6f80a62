"""The official OpenAI client against a server with two models, streaming and not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest
import torch
from support.checkpoints.tiny import CHAT_TEMPLATE
from support.serving.server import RunningServer, start_server

pytestmark = pytest.mark.e2e
MESSAGES: list[Any] = [{"role": "user", "content": "the quick brown fox"}]
MODELS = ("a", "b")
FAMILY = {"a": "llama", "b": "qwen2"}


def greedy(folder: Path, prompt: str, tokens: int) -> list[int]:
    """What transformers says, ids up to and with an end token."""
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(prompt).ids
    out: list[int] = []
    with torch.no_grad():
        for _ in range(tokens):
            out.append(int(model(torch.tensor([ids + out])).logits[0, -1].argmax()))
            if out[-1] in (2, 4):
                break
    return out


def rendered(messages: list[Any]) -> str:
    from jinja2 import Environment

    return Environment().from_string(CHAT_TEMPLATE).render(messages=messages, add_generation_prompt=True)


@pytest.mark.parametrize("model", MODELS)
def test_chat_says_what_transformers_says(server: RunningServer, checkpoints: dict[str, Path], model: str) -> None:
    reply = server.openai().chat.completions.create(
        model=model, messages=MESSAGES, max_tokens=20, temperature=0, extra_body={"return_token_ids": True}
    )
    assert reply.model == model
    assert reply.choices[0].token_ids == greedy(checkpoints[FAMILY[model]], rendered(MESSAGES), 20)
    assert reply.usage.completion_tokens == len(reply.choices[0].token_ids)
    assert reply.usage.prompt_tokens == len(reply.prompt_token_ids)


@pytest.mark.parametrize("model", MODELS)
def test_completion_says_what_transformers_says(
    server: RunningServer, checkpoints: dict[str, Path], model: str
) -> None:
    reply = server.openai().completions.create(
        model=model, prompt="the lazy dog", max_tokens=20, temperature=0, extra_body={"return_token_ids": True}
    )
    assert reply.choices[0].token_ids == greedy(checkpoints[FAMILY[model]], "the lazy dog", 20)


@pytest.mark.parametrize("model", MODELS)
def test_streams_join_to_the_plain_answer(server: RunningServer, model: str) -> None:
    client = server.openai()
    kwargs: Any = {"model": model, "messages": MESSAGES, "max_tokens": 30, "temperature": 0}
    whole = client.chat.completions.create(**kwargs)
    chunks = list(client.chat.completions.create(**kwargs, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert len({c.id for c in chunks}) == 1
    content = whole.choices[0].message.content
    with client.chat.completions.stream(**kwargs, stop=content[5:7]) as stream:
        assert stream.get_final_completion().choices[0].message.content == content[: content.index(content[5:7])]


def test_completion_stream_with_several_choices_and_prompts(server: RunningServer) -> None:
    client = server.openai()
    kwargs: Any = {"model": "a", "prompt": ["the quick", "the lazy"], "max_tokens": 8, "seed": 3, "n": 2}
    whole = client.completions.create(**kwargs)
    texts = ["", "", "", ""]
    finished = [0, 0, 0, 0]
    for chunk in client.completions.create(**kwargs, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            finished[choice.index] += choice.finish_reason is not None
    assert [c.index for c in whole.choices] == [0, 1, 2, 3]
    assert texts == [c.text for c in whole.choices]
    assert finished == [1, 1, 1, 1]
    assert texts[0] != texts[1]


def test_token_ids_as_prompts(server: RunningServer) -> None:
    client = server.openai()
    text = client.completions.create(
        model="a", prompt="the quick", max_tokens=4, temperature=0, extra_body={"return_token_ids": True}
    )
    ids = text.choices[0].prompt_token_ids
    for prompt in (ids, [ids], [ids, ids]):
        reply = client.completions.create(model="a", prompt=prompt, max_tokens=4, temperature=0)
        assert {c.text for c in reply.choices} == {text.choices[0].text}


def test_logprobs_of_both_families_agree(server: RunningServer) -> None:
    client = server.openai()
    prompt = rendered(MESSAGES)
    chat = client.chat.completions.create(
        model="a", messages=MESSAGES, max_tokens=5, temperature=0, logprobs=True, top_logprobs=4
    )
    text = client.completions.create(model="a", prompt=prompt, max_tokens=5, temperature=0, logprobs=4)
    entries = chat.choices[0].logprobs.content
    assert [e.logprob for e in entries] == pytest.approx(text.choices[0].logprobs.token_logprobs, abs=1e-4)
    for entry, top in zip(entries, text.choices[0].logprobs.top_logprobs, strict=True):
        assert len(entry.top_logprobs) == 4
        values = [t.logprob for t in entry.top_logprobs]
        assert values == sorted(values, reverse=True)
        unique = [t for t in entry.top_logprobs if [o.token for o in entry.top_logprobs].count(t.token) == 1]
        assert [t.logprob for t in unique] == pytest.approx([top[t.token] for t in unique], abs=1e-4)


def test_stop_strings_and_limits(server: RunningServer) -> None:
    client = server.openai()
    kwargs: Any = {"model": "a", "prompt": "the quick brown", "temperature": 0}
    whole = client.completions.create(**kwargs, max_tokens=30).choices[0].text
    stop = whole[4:7]
    cut = client.completions.create(**kwargs, max_tokens=30, stop=stop).choices[0]
    assert (cut.text, cut.finish_reason, cut.stop_reason) == (whole[: whole.index(stop)], "stop", stop)
    one = client.completions.create(**kwargs, max_tokens=1).choices[0]
    assert one.finish_reason == "length"
    filled = client.completions.create(**kwargs, max_tokens=512, extra_body={"ignore_eos": True})
    assert filled.usage.total_tokens == 512
    assert filled.choices[0].finish_reason == "length"


def test_models(server: RunningServer) -> None:
    client = server.openai()
    listed = client.models.list().data
    assert [m.id for m in listed] == ["a", "b"]
    assert client.models.retrieve("b").id == "b"
    assert client.models.retrieve("b").created == listed[1].created
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("c")


def test_errors_name_the_field(server: RunningServer) -> None:
    client = server.openai()
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nope", messages=MESSAGES)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"temperature": 7}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"stop": [""]}, "stop"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "x " * 5000}]}, "messages"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tool_choice"),
        ({"extra_body": {"extra_args": {"nope": {}}}}, "extra_args.nope"),
        ({"extra_body": {"stop_token_ids": [-1]}}, "stop_token_ids"),
    ]
    for changes, param in cases:
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(**{"model": "a", "messages": MESSAGES, "temperature": 1, **changes})
        assert refused.value.param == param, changes
        assert refused.value.type == "invalid_request_error"
        assert param.partition("[")[0].partition(".")[0] in refused.value.message


def test_many_at_once_answer_as_one_by_one(server: RunningServer) -> None:
    """48 requests over both models, streamed and not, each the same as alone."""
    client = server.openai()
    prompts = [f"the {word} {i}" for i, word in enumerate(["fox", "dog", "other", "things"] * 3)]
    alone = {
        (m, p): client.completions.create(model=m, prompt=p, max_tokens=24, temperature=0).choices[0].text
        for m in MODELS
        for p in prompts
    }

    async def all_of_them() -> list[tuple[tuple[str, str], str]]:
        many = openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)

        async def plain(key: tuple[str, str]) -> str:
            reply = await many.completions.create(model=key[0], prompt=key[1], max_tokens=24, temperature=0)
            return reply.choices[0].text

        async def streamed(key: tuple[str, str]) -> str:
            stream = await many.completions.create(
                model=key[0], prompt=key[1], max_tokens=24, temperature=0, stream=True
            )
            return "".join([c.choices[0].text async for c in stream])

        keys = [*alone, *alone]
        texts = await asyncio.gather(*[(plain if i % 2 else streamed)(k) for i, k in enumerate(keys)])
        return list(zip(keys, texts, strict=True))

    for key, text in asyncio.run(all_of_them()):
        assert text == alone[key]


def test_served_names_and_defaults(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Aliases, defaults of generation_config.json, --max-logprobs, --chat-template, a first model for no model."""
    import json
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(checkpoints["llama"], folder)
    (folder / "generation_config.json").write_text(
        json.dumps({"eos_token_id": [4, 2], "top_k": 1, "max_new_tokens": 3})
    )
    template = tmp_path / "t.jinja"
    template.write_text("{{ messages[0]['content'] }}")
    args = [str(folder), "--served-model-name", "one", "two", "--dtype", "float32", "--chat-template", str(template)]
    server = start_server([*args, "--max-logprobs", "2"])
    try:
        client = server.openai()
        assert [m.id for m in client.models.list().data] == ["one", "two"]
        sampled = client.chat.completions.create(model="two", messages=[{"role": "user", "content": "the quick"}])
        greedily = client.completions.create(model="", prompt="the quick", max_tokens=3, temperature=0)
        assert sampled.model == greedily.model == "one"
        assert sampled.choices[0].message.content == greedily.choices[0].text  # top_k 1 by default
        assert sampled.usage.completion_tokens <= 3
        with pytest.raises(openai.BadRequestError):
            client.completions.create(model="one", prompt="x", logprobs=3)
    finally:
        assert server.stop() == 0
