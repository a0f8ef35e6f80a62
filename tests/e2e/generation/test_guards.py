"""A guard that masks a word, against every field in which an answer could still say it.

A logits processor makes the model say the word, in any tokens that it can be written in; whatever an answer has in it
is then put together again. The same with a word that is not masked shows that it would be found.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.serving.leaks import Reader, splits
from support.serving.server import RunningServer, start_server
from tokenizers import Tokenizer

pytestmark = pytest.mark.e2e

WORD, OTHER = "brown", "jumps"
CLIENT = httpx.Client(timeout=60)

PLUGIN = '''
"""Makes models say what a test wants, and has an API family of its own."""
from __future__ import annotations
import msgspec
from frameworkctl.interfaces import *

class Script(msgspec.Struct):
    ids: list[int]

class Say(RowProcessor):
    def process(self, params, prompt, output, row):
        if len(output) < len(params.ids):
            chosen = params.ids[len(output)]
            row[chosen] = row.max() + 100.0
        return row

class Whole:
    """A search that finds what it was told to."""
    def __init__(self, ids):
        self.ids = ids
    async def run(self, item, engine, model):
        text = model.tokenizer.decode(self.ids)
        yield Output(item=0, index=0, text=text, token_ids=self.ids, finish_reason="stop")

class Strange(msgspec.Struct):
    prompt: str
    ids: list[int]
    search: bool = False

class Stranger(Endpoint):
    family = "stranger"
    routes = (Route(method="POST", path="/stranger", request=Strange),)
    async def handle(self, call, engine):
        request = self.parse(call)
        model = engine.model(None, frozenset({"generate"}))
        prompt = model.encode_prompt(request.prompt)
        params = model.sampling(prompt, {"temperature": 0.0, "max_tokens": 20, "logprobs": 3, "n": 1,
                                         "extra_args": {"say": {"ids": request.ids}}})
        found = {"search": Whole(request.ids), "width": 1} if request.search else {}
        seen = []
        async for output in engine.generate(GenerateItem(prompt=prompt, params=params, **found), model):
            entries = [e.sampled.text for e in output.logprobs or ()]
            seen.append({"text": output.text, "ids": output.token_ids, "tokens": entries})
        return Reply(body={"outputs": seen})

@hookimpl
def register_endpoints(register):
    register(Stranger)

@hookimpl
def register_logits_processors(register):
    register(LogitsProcessorSpec(name="say", params=Script, implementation=f"{__name__}:Say", tokens="host"))
'''


@pytest.fixture(scope="module")
def guarded(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = tmp_path_factory.mktemp("plugin") / "say.py"
    path.write_text(PLUGIN)
    args = [str(checkpoints["llama"]), "--served-model-name", "m", "--plugins", f"{path},secret-mask"]
    args += ["--tool-call-parser", "hermes", "--reasoning-parser", "deepseek_r1", "--enable-auto-tool-choice"]
    server = start_server([*args, "--secret-word", WORD])
    yield server
    server.stop()


@pytest.fixture(scope="module")
def tokenizer(checkpoints: dict[str, Path]) -> Any:
    return Tokenizer.from_file(str(checkpoints["llama"] / "tokenizer.json"))


def ask(server: RunningServer, path: str, body: dict[str, Any]) -> list[Any]:
    """The answer's chunks; one where it is no stream."""
    reply = CLIENT.post(f"{server.url}{path}", json=body)
    assert reply.status_code == 200, reply.text
    if not body.get("stream"):
        return [reply.json()]
    events = [line[6:] for line in reply.text.splitlines() if line.startswith("data: {")]
    chunks = [json.loads(event) for event in events]
    assert not any("error" in chunk for chunk in chunks), chunks
    return chunks


def text_of(chunks: list[Any], index: int = 0) -> str:
    choices = [c for chunk in chunks for c in chunk["choices"] if c["index"] == index]
    return "".join(
        c["text"] if "text" in c else (c.get("message") or c.get("delta"))["content"] or ""
        for c in choices
        if "text" in c or (c.get("message") or c.get("delta") or {}).get("content")
    )


def scripts(tokenizer: Any) -> list[tuple[str, list[int]]]:
    """The word in many ways, among them one token for each letter, and the other word in one."""
    ways = splits(WORD, tokenizer.get_vocab())
    return [*((WORD, ids) for ids in [*ways[::8], ways[-1]]), (OTHER, splits(OTHER, tokenizer.get_vocab())[-1])]


def said(tokenizer: Any, word: list[int], *, before: str = "the ", after: str = " fox.") -> list[int]:
    return [*tokenizer.encode(before).ids, *word, *tokenizer.encode(after).ids]


COMPLETIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ids": {"return_token_ids": True},
    "logprobs": {"logprobs": 5},
    "tokens as ids": {"logprobs": 5, "return_tokens_as_token_ids": True},
    "several": {"n": 3, "temperature": 1.0, "return_token_ids": True, "logprobs": 1},
    "stop string": {"stop": [WORD], "logprobs": 2, "return_token_ids": True},
    "stop string shown": {"stop": [WORD], "include_stop_str_in_output": True, "logprobs": 2, "return_token_ids": True},
    "stop behind it": {"stop": ["fox"], "logprobs": 2, "return_token_ids": True},
    "echo": {"echo": True, "prompt": f"the {WORD} dog", "logprobs": 2, "return_token_ids": True},
    "echo of its beginning": {"echo": True, "prompt": "the lazy ", "before": "", "logprobs": 2},
    "prompt logprobs": {"prompt": f"the {WORD} dog", "prompt_logprobs": 5, "return_token_ids": True},
    "special tokens": {"skip_special_tokens": False, "return_token_ids": True, "logprobs": 1},
    "intervals": {"stream_interval": 3, "return_token_ids": True, "logprobs": 1},
    "cut in the word": {"max_tokens": 4, "return_token_ids": True, "logprobs": 1},
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", COMPLETIONS)
def test_completions(guarded: RunningServer, tokenizer: Any, name: str, stream: bool) -> None:
    extra = dict(COMPLETIONS[name])
    before = extra.pop("before", "the ")
    if stream and "prompt_logprobs" in extra:
        extra["prompt_logprobs"] = 0
    for word, ids in scripts(tokenizer):
        script = said(tokenizer, ids, before=before)
        sent = {"prompt": "quick", "max_tokens": len(script), "temperature": 0, "stream": stream, **extra}
        sent = json.loads(json.dumps(sent).replace(WORD, word))
        chunks = ask(guarded, "/v1/completions", {**sent, "extra_args": {"say": {"ids": script}}})
        reader = Reader(tokenizer, chunks)
        if word == WORD:
            assert not reader.shows(WORD), ids
            assert name in ("stop string", "cut in the word") or "***" in text_of(chunks)
        elif name == "cut in the word":
            assert text_of(chunks) == tokenizer.decode(script[:4])
        else:
            assert len(reader.shows(OTHER)) >= (1 if name == "plain" else 2), ids
            if name in ("ids", "special tokens"):
                got = [i for chunk in chunks for c in chunk["choices"] for i in c["token_ids"] or ()]
                assert got == script


CHAT: dict[str, dict[str, Any]] = {
    "ids": {"return_token_ids": True},
    "logprobs": {"logprobs": True, "top_logprobs": 5},
    "several": {"n": 2, "temperature": 1.0, "logprobs": True},
    "stop string": {"stop": [WORD[1:]], "include_stop_str_in_output": True, "logprobs": True},
    "echo": {"echo": True, "messages": [{"role": "assistant", "content": f"a {WORD} dog"}]},
    "gone on with": {
        "echo": True,
        "continue_final_message": True,
        "return_token_ids": True,
        "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": f"a {WORD[:2]}"}],
    },
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", CHAT)
def test_chat(guarded: RunningServer, tokenizer: Any, name: str, stream: bool) -> None:
    for word, ids in scripts(tokenizer):
        script = said(tokenizer, ids, before="</think>x ")
        if name == "gone on with":
            script = [*tokenizer.encode(word[2:] + "</think>" + word[2:]).ids]
        sent = {
            "messages": [{"role": "user", "content": "hi"}],
            "max_tokens": len(script),
            "temperature": 0,
            **CHAT[name],
        }
        sent = json.loads(json.dumps(sent).replace(WORD, word).replace(f"a {WORD[:2]}", f"a {word[:2]}"))
        sent |= {"stream": stream, "extra_args": {"say": {"ids": script}}}
        reader = Reader(tokenizer, ask(guarded, "/v1/chat/completions", sent))
        assert bool(reader.shows(word)) == (word == OTHER), ids


TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
SAYINGS = {
    "argument": '</think><tool_call>{"name": "look", "arguments": {"a": "x WORD y"}}</tool_call>',
    "escaped": '</think><tool_call>{"name": "look", "arguments": {"a": "x ESCAPED y"}}</tool_call>',
    "name": '</think><tool_call>{"name": "WORD", "arguments": {}}</tool_call>',
    "around a call": '</think>HEAD<tool_call>{"name": "look", "arguments": {}}</tool_call>TAIL',
    "reasoning": "a WORD b</think>c",
}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", SAYINGS)
def test_tools_and_reasoning(guarded: RunningServer, tokenizer: Any, name: str, stream: bool) -> None:
    for word in (WORD, OTHER):
        escaped = "".join(f"\\u{ord(c):04x}" for c in word)
        text = SAYINGS[name].replace("WORD", word).replace("ESCAPED", escaped)
        text = text.replace("HEAD", word[:2]).replace("TAIL", word[2:])
        script = tokenizer.encode(text).ids
        sent = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": len(script), "temperature": 0}
        sent |= {"tools": [TOOL], "stream": stream, "logprobs": True, "return_token_ids": True}
        chunks = ask(guarded, "/v1/chat/completions", {**sent, "extra_args": {"say": {"ids": script}}})
        shown = [*Reader(tokenizer, chunks).texts()]
        for text in list(shown):
            if text.startswith("{"):
                try:
                    shown += [str(value) for value in json.loads(text).values()]
                except ValueError:
                    continue
        found = any(word in text for text in shown)
        assert found == (word == OTHER), (word, chunks)


@pytest.mark.parametrize("search", [False, True], ids=["generate", "search"])
def test_family_of_a_stranger(guarded: RunningServer, tokenizer: Any, search: bool) -> None:
    """Outputs are guarded in core, whoever asks for them, and those of a search as any."""
    for word, ids in scripts(tokenizer):
        body = {"prompt": "quick", "ids": said(tokenizer, ids), "search": search}
        reader = Reader(tokenizer, ask(guarded, "/stranger", body))
        assert bool(reader.shows(word)) == (word == OTHER)


def test_stream_broken_off(guarded: RunningServer, tokenizer: Any) -> None:
    """Nothing that was held back is said to anybody later."""
    script = said(tokenizer, [tokenizer.token_to_id(c) for c in WORD])
    sent = {"prompt": "quick", "max_tokens": 200, "temperature": 0, "stream": True, "return_token_ids": True}
    for stop_after in range(1, 8):
        chunks: list[Any] = []
        with httpx.stream(
            "POST", f"{guarded.url}/v1/completions", json={**sent, "extra_args": {"say": {"ids": script}}}, timeout=60
        ) as reply:
            events = (line for line in reply.iter_lines() if line.startswith("data: {"))
            chunks = [json.loads(line[6:]) for line in itertools.islice(events, stop_after)]
        assert not Reader(tokenizer, chunks).shows(WORD)
    guarded.wait_idle()
    after = said(tokenizer, [], before="own", after=" dog")
    chunks = ask(guarded, "/v1/completions", {**sent, "max_tokens": len(after), "extra_args": {"say": {"ids": after}}})
    assert text_of(chunks) == "own dog"
