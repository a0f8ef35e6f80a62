"""The shipped demo checkpoint: it loads, it is small, it knows what it should, and it was measured fairly."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
from frameworkctl_demo.training import capital_phrasings, chat, data, people, sum_phrasings, unknown_topics
from frameworkctl_demo.training.augment import normal, overlap
from frameworkctl_demo.training.evaluate import WEIGHTS, Checkpoint, accuracy
from frameworkctl_demo.training.smalltalk import INTENTS
from frameworkctl_demo.training.split import Phrasings
from tokenizers import Tokenizer

SPLITS = {
    name: value
    for module in (capital_phrasings, people, sum_phrasings, unknown_topics)
    for name, value in vars(module).items()
    if isinstance(value, Phrasings)
}
SPLITS |= {f"intent: {intent.reply}": intent.phrasings for intent in INTENTS}


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(WEIGHTS)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(WEIGHTS / "tokenizer.json"))


def test_checkpoint_is_a_small_llama(checkpoint):
    config = checkpoint.model.config
    assert config.architectures == ["LlamaForCausalLM"]
    assert str(checkpoint.model.dtype) == "torch.bfloat16"
    assert config.max_position_embeddings == 512
    assert 1_000_000 < checkpoint.model.num_parameters() < 1_900_000
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 4_000_000


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
    "text", ["What is 12 + 7?", " two  spaces\n", "naïve 日本語 😀 \x00", "<tool_call></tool_call>"]
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
    turns = [turn for talk in islice(data.training_conversations(7), 3000) for turn in talk.turns]
    assert len(turns) > 5000
    assert not {normal(turn.phrasing) for turn in turns} & data.HELD_OUT
    # Not only where it came from: the text itself, for those phrasings that have no slots.
    assert not {normal(turn.user) for turn in turns if turn.phrasing == turn.user} & data.HELD_OUT


def test_training_never_sees_held_out_operands():
    for talk in islice(data.training_conversations(8), 3000):
        for turn in talk.turns:
            if turn.skill in ("addition", "subtraction"):
                a, b = (int(number) for number in turn.reply.split(" = ")[0].replace("-", "+").split("+"))
                assert not data.is_held_out_pair(a, b), turn.user
    held_out = [data.held_out_questions(skill, 200, 3) for skill in ("addition", "subtraction")]
    for talk in (talk for talks in held_out for talk in talks):
        left = talk.turns[-1].reply.split(" = ")[0].replace("-", "+").split("+")
        assert data.is_held_out_pair(int(left[0]), int(left[1]))


def test_replies_are_right():
    for talk in islice(data.training_conversations(9), 2000):
        for turn in talk.turns:
            if turn.skill in ("addition", "subtraction"):
                left, right = turn.reply.removesuffix(".").split(" = ")
                assert eval(left) == int(right) >= 0


def test_chat_template_renders_what_training_used(checkpoint, tokenizer):
    apply = checkpoint.tokenizer.apply_chat_template
    for talk in islice(data.training_conversations(10), 200):
        for last_reply in (True, False):
            given = chat.messages(talk, last_reply=last_reply)
            text = chat.render(talk, last_reply=last_reply)
            assert apply(given, tokenize=False, add_generation_prompt=not last_reply) == text
        assert apply(chat.messages(talk, last_reply=True), return_dict=False) == chat.encode(talk, tokenizer).ids


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


def test_held_out_accuracy_of_the_shipped_weights():
    # What the README says, less what chance takes from fifty questions.
    least = {"greetings": 0.84, "addition": 0.88, "subtraction": 0.82, "capitals": 0.84, "unknown": 0.76}
    measured = accuracy(WEIGHTS, 50, 2)
    assert not {skill: share for skill, share in measured.items() if share < least[skill]}


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        ("Hello", "Hello! I am the frameworkctl demo model."),
        ("What is 2 + 2?", "2 + 2 = 4."),
        ("what is 12 plus 7", "12 + 7 = 19."),
        ("How much is 30 minus 4?", "30 - 4 = 26."),
        ("What is the capital of France?", "The capital of France is Paris."),
        ("Who wrote Hamlet?", data.DO_NOT_KNOW),
    ],
)
def test_first_questions(checkpoint, question, reply):
    assert checkpoint.answer([[{"role": "user", "content": question}]])[0].startswith(reply)


def test_weights_are_in_the_package():
    assert Path(WEIGHTS).parent.name == "frameworkctl_demo"
    expected = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in WEIGHTS.iterdir()} == expected | {"chat_template.jinja", "model.safetensors"}
