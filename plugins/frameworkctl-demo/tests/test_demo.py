"""The shipped demo checkpoint is small and well formed; what trained it is right, and apart from what measures it."""

from __future__ import annotations

import json
import random
import re
from itertools import islice
from pathlib import Path

import pytest
from frameworkctl_demo.training.conversations import chat, data, extraction, sentiment, turns
from frameworkctl_demo.training.conversations.smalltalk import INTENTS
from frameworkctl_demo.training.evaluate import WEIGHTS, Checkpoint
from frameworkctl_demo.training.words import capital_phrasings, people, sum_phrasings, tool_phrasings, unknown_topics
from frameworkctl_demo.training.words.augment import normal, overlap
from frameworkctl_demo.training.words.facts import CAPITALS, FIFTY, MORE
from frameworkctl_demo.training.words.split import Phrasings
from tokenizers import Tokenizer
from transformers import AutoConfig

SPLITS = {
    name: value
    for module in (capital_phrasings, extraction, people, sentiment, sum_phrasings, tool_phrasings, unknown_topics)
    for name, value in vars(module).items()
    if isinstance(value, Phrasings)
}
SPLITS |= {f"binary: {symbol}": phrasings for symbol, phrasings in tool_phrasings.BINARY.items()}
SPLITS |= {f"intent: {intent.reply}": intent.phrasings for intent in INTENTS}


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(WEIGHTS)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(WEIGHTS / "tokenizer.json"))


def test_checkpoint_is_a_small_llama(checkpoint):
    config = AutoConfig.from_pretrained(WEIGHTS)
    assert config.architectures == ["LlamaForCausalLM"]
    assert config.to_dict()["dtype"] == "bfloat16"
    assert config.max_position_embeddings == 1024
    assert 1_000_000 < checkpoint.model.num_parameters() < 2_500_000
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 5_000_000


def test_config_files_agree(tokenizer):
    config, generation, names = (
        json.loads((WEIGHTS / name).read_text())
        for name in ("config.json", "generation_config.json", "tokenizer_config.json")
    )
    assert config["torch_dtype"] == "bfloat16"
    for key in ("bos", "eos", "pad"):
        token = tokenizer.token_to_id(names[f"{key}_token"])
        assert config[f"{key}_token_id"] == generation[f"{key}_token_id"] == token
    assert tokenizer.get_vocab_size() == config["vocab_size"]


@pytest.mark.parametrize(
    "text", ["What is 12 + 7?", " two  spaces\n", "naïve 日本語 😀 \x00", '<tool_call>\n{"a": "b"}\n</tool_call>']
)
def test_any_text_survives_the_tokenizer(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=True) == text


def test_digits_are_single_tokens(tokenizer):
    assert tokenizer.encode("1234567890").tokens == list("1234567890")
    assert not [token for token in tokenizer.get_vocab() if sum(c.isdigit() for c in token) > 0 and len(token) > 1]


@pytest.mark.parametrize("name", SPLITS)
def test_splits_are_disjoint(name):
    assert SPLITS[name].train
    assert not overlap(SPLITS[name].train, SPLITS[name].held_out)


def test_training_never_sees_a_held_out_phrasing():
    given = [turn for talk in islice(data.training_conversations(7), 3000) for turn in talk.turns]
    assert len(given) > 5000
    kept = turns.HELD_OUT | {normal(text) for phrasings in SPLITS.values() for text in phrasings.held_out}
    assert not {normal(turn.phrasing) for turn in given} & kept
    # Not only where it came from: the text itself, for those phrasings that have no slots.
    assert not {normal(turn.said) for turn in given if turn.phrasing == turn.said} & kept


def test_words_that_sentences_are_measured_with_are_not_trained():
    rng = random.Random(1)
    trained = {sentiment.sentence(rng, "train", neutral=True)[0].rstrip(".!").lower() for _ in range(3000)}
    held_out = {sentiment.sentence(rng, "held_out", neutral=True)[0].rstrip(".!").lower() for _ in range(500)}
    assert not trained & held_out


def test_training_never_sees_held_out_operands():
    for talk in islice(data.training_conversations(8), 3000):
        for turn in talk.turns:
            if turn.skill in ("addition", "subtraction"):
                a, b = (int(number) for number in re.split(r" [+-] ", turn.reply.split(" = ")[0]))
                assert not turns.is_held_out_pair(a, b), turn.said
    held_out = [data.held_out_questions(skill, 200, 3) for skill in ("addition", "subtraction")]
    for talk in (talk for talks in held_out for talk in talks):
        a, b = (int(number) for number in re.split(r" [+-] ", talk.turns[-1].reply.split(" = ")[0]))
        assert turns.is_held_out_pair(a, b)


def test_replies_are_right():
    for talk in islice(data.training_conversations(9), 3000):
        for turn in talk.turns:
            if turn.skill in ("addition", "subtraction"):
                left, right = turn.reply.removesuffix(".").split(" = ")
                assert eval(left) == int(right)
            elif turn.skill == "extraction":
                values = json.loads(turn.reply).values()
                assert all(value is None or str(value) in turn.said.replace(".0", "") + turn.said for value in values)
            elif turn.skill == "tool_calls":
                call = json.loads(turn.reply.removeprefix("<tool_call>").removesuffix("</tool_call>"))
                tool = next(tool for tool in talk.tools if tool.name == call["name"])
                assert set(call["arguments"]) == set(tool.parameters)
            elif turn.skill == "sentiment":
                assert turn.reply in ("positive", "negative", "neutral")


def test_fifty_countries_and_more():
    assert len(set(FIFTY)) == 50
    assert len(CAPITALS) == len(FIFTY) + len(MORE)


def test_chat_template_renders_what_training_used(checkpoint, tokenizer):
    apply = checkpoint.tokenizer.apply_chat_template
    for talk in islice(data.training_conversations(10), 200):
        tools = chat.schemas(talk)
        for last_reply in (True, False):
            given = chat.messages(talk, last_reply=last_reply)
            text = chat.render(talk, last_reply=last_reply)
            assert apply(given, tools=tools, tokenize=False, add_generation_prompt=not last_reply) == text
        given = chat.messages(talk, last_reply=True)
        assert apply(given, tools=tools, return_dict=False) == chat.encode(talk, tokenizer).ids


def test_chat_template_takes_tool_calls_as_clients_send_them_back(checkpoint):
    call = {"name": "get_weather", "arguments": '{"city": "Rome"}'}
    given = [
        {"role": "user", "content": "weather in Rome"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": call}]},
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
    ]
    parameters = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where."},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "days": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
        "required": ["city"],
    }
    function = {"name": "get_weather", "description": "The weather in a city.", "parameters": parameters}
    tools = [{"type": "function", "function": function}, {"type": "function", "function": {"name": "now"}}]
    text = checkpoint.tokenizer.apply_chat_template(given, tools=tools, tokenize=False, add_generation_prompt=True)
    assert text == (
        '<|im_start|>system\n<tools>\n{"name": "get_weather", "parameters": {"city": "string"}}\n'
        '{"name": "now", "parameters": {}}\n</tools><|im_end|>\n'
        "<|im_start|>user\nweather in Rome<|im_end|>\n<|im_start|>assistant\n"
        '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call><|im_end|>\n'
        "<|im_start|>tool\n<tool_response>\nsunny\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )
    call["arguments"] = {"city": "Rome"}
    assert text == checkpoint.tokenizer.apply_chat_template(
        given, tools=tools, tokenize=False, add_generation_prompt=True
    )
    del parameters["required"]
    text = checkpoint.tokenizer.apply_chat_template(given, tools=tools, tokenize=False)
    assert '{"city": "string", "unit": "celsius|fahrenheit", "days": "string"}' in text


def test_chat_template_takes_content_parts_and_developer_messages(checkpoint):
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    given = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    text = checkpoint.tokenizer.apply_chat_template(given, tokenize=False)
    assert text == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nab<|im_end|>\n"


def test_labels_stand_only_where_the_assistant_speaks(tokenizer):
    talk = next(talk for talk in data.training_conversations(11) if len(talk.turns) == 3)
    example = chat.encode(talk, tokenizer)
    spoken = tokenizer.decode([label for label in example.labels if label != chat.IGNORED], skip_special_tokens=False)
    assert spoken == "".join(f"{turn.reply}{chat.END}" for turn in talk.turns)


def test_weights_are_in_the_package():
    assert Path(WEIGHTS).parent.name == "frameworkctl_demo"
    expected = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in WEIGHTS.iterdir()} == expected | {"chat_template.jinja", "model.safetensors"}
