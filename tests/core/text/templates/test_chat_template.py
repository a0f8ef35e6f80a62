"""Chat templates render exactly as transformers renders them, safely, and in bounded time."""

from __future__ import annotations

import copy
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from frameworkctl.errors import ConfigError, RequestError
from frameworkctl.server.models.request_templates import requested_template
from frameworkctl.text.templates.chat_template import ChatTemplate, load_chat_template, special_tokens_of
from frameworkctl.text.templates.messages import prepare_messages
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

transformers = pytest.importorskip("transformers")

STYLES = sorted(path.stem for path in (Path(__file__).parent / "styles").glob("*.jinja"))
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather in <b>Zürich</b> & 'elsewhere'",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["東京", "Paris"]}}},
        "strict": None,
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "東京", "n": 1.5}}}
CONVERSATIONS: dict[str, list[dict[str, Any]]] = {
    "one": [{"role": "user", "content": "Hi"}],
    "turns": [
        {"role": "user", "content": "  Hello \n"},
        {"role": "assistant", "content": " Hi! "},
        {"role": "user", "content": "How are you?"},
    ],
    "system": [{"role": "system", "content": "Be <brief>."}, {"role": "user", "content": "Who are you?"}],
    "unicode": [
        {"role": "user", "content": "żółć 漢字 👩‍👩‍👧 e\u0301 \u202e {{ 7*7 }} {% raw %}"},
        {"role": "assistant", "content": "\ufeff🎉\u2028"},
    ],
    "empty": [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}],
    "null": [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "name": None}],
    "tools": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "name": "get_weather", "content": '{"t": 20, "s": "ü"}'},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {"role": "assistant", "content": "20 degrees."},
    ],
    "parts": [
        {
            "role": "user",
            "content": [{"type": "text", "text": " a "}, {"type": "image"}, {"type": "text", "text": "b"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "It is "}]},
    ],
    "reasoning": [
        {"role": "user", "content": "2+2"},
        {"role": "assistant", "reasoning": "easy", "content": "4"},
        {"role": "assistant", "reasoning_content": "r", "thinking": "t", "content": "<think>no</think>\nyes"},
    ],
    "other role": [{"role": "judge", "content": "Order!"}, {"role": "user", "content": "Yes"}],
}
SAID = "The chat template raised an error for this conversation: "
OPTIONS: list[dict[str, Any]] = [
    {},
    {"add_generation_prompt": False},
    {"tools": [WEATHER, {**WEATHER, "z": [], "a": {"b": True}}]},
    {"tools": [], "documents": []},
    {"documents": [{"title": "Ä", "text": "line\nline"}, {"text": "<x>"}], "add_generation_prompt": False},
    {"kwargs": {"enable_thinking": False, "unknown": {"a": [1]}, "date_string": "1 Jan 1970"}},
    {"kwargs": {"thinking_budget": 12, "bos_token": "<other>", "eos_token": ""}},
    {"continue_final_message": True, "add_generation_prompt": False},
]


@pytest.fixture(scope="module")
def oracle() -> Any:
    tokenizer = Tokenizer(models.WordLevel({"<pad>": 0, "<s>": 1, "</s>": 2}, unk_token="<pad>"))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **TOKENS)


@pytest.fixture(scope="module")
def compiled(templates: dict[str, str]) -> dict[str, ChatTemplate]:
    return {style: ChatTemplate(source, special_tokens=TOKENS) for style, source in templates.items()}


def expected(oracle: Any, source: str, messages: list[dict[str, Any]], options: dict[str, Any]) -> str | Exception:
    """What transformers makes of it: the text, or the error it raises."""
    given_options = {"add_generation_prompt": True, **options}
    kwargs = given_options.pop("kwargs", {})
    try:
        text = oracle.apply_chat_template(messages, chat_template=source, tokenize=False, **given_options, **kwargs)
    except Exception as error:
        return error
    return text


def check(oracle: Any, template: ChatTemplate, messages: list[dict[str, Any]], options: dict[str, Any]) -> bool:
    """Compares with transformers; returns whether there was a text to compare."""
    before = copy.deepcopy(messages)
    want = expected(oracle, template.source, messages, options)
    if isinstance(want, str):
        assert template.render(messages, **options) == want
    else:
        with pytest.raises(RequestError) as caught:
            template.render(messages, **options)
        assert (caught.value.status, caught.value.param) == (400, "messages")
        assert caught.value.code == "chat_template_error"
        if type(want).__module__.startswith("jinja2"):
            assert caught.value.message == SAID + str(want)
    assert messages == before
    return isinstance(want, str)


@pytest.mark.parametrize("style", STYLES)
def test_renders_as_transformers(oracle: Any, compiled: dict[str, ChatTemplate], style: str) -> None:
    rendered = sum(
        check(oracle, compiled[style], messages, options) for messages in CONVERSATIONS.values() for options in OPTIONS
    )
    assert rendered >= 16


TEXTS = st.one_of(st.text(max_size=12), st.sampled_from(["", " ", "\n a \n", "<think>x</think>y", "</think>", "漢 🎉"]))
PARTS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}),
        st.just({"type": "image"}),
        st.just({"type": "image_url", "image_url": {"url": "u"}}),
    ),
    max_size=3,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"])},
        optional={
            "content": st.one_of(TEXTS, TEXTS, st.none(), PARTS),
            "reasoning": st.one_of(st.none(), TEXTS),
            "reasoning_content": TEXTS,
            "tool_calls": st.sampled_from([None, [], [CALL], [CALL, CALL]]),
            "tool_call_id": TEXTS,
        },
    ),
    max_size=5,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(style=st.sampled_from(STYLES), messages=MESSAGES, options=st.sampled_from(OPTIONS))
def test_any_conversation_renders_as_transformers(
    oracle: Any, compiled: dict[str, ChatTemplate], style: str, messages: list[dict[str, Any]], options: dict[str, Any]
) -> None:
    check(oracle, compiled[style], messages, options)


def test_recorded_prompts(goldens: Any) -> None:
    """The template and the tokenizer of each recorded model give the recorded prompt tokens."""
    checked = 0
    for answer in goldens.choices:
        request, folder = answer.request, goldens.zoo / answer.model
        messages = request.get("messages")
        if not messages or answer.prompt_ids is None or any(not isinstance(m.get("content"), str) for m in messages):
            continue
        if any(message["role"] not in ("system", "user", "assistant") or len(message) > 2 for message in messages):
            continue
        if "chat_template" in request or "reasoning_effort" in request or "truncate_prompt_tokens" in request:
            continue
        config = json.loads((folder / "tokenizer_config.json").read_text())
        source = load_chat_template(folder, config, override=None)
        assert source is not None
        if "part['text']" in source:  # this one is given lists of parts
            messages = [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in messages]
        text = ChatTemplate(source, special_tokens=special_tokens_of(config)).render(
            messages,
            tools=request.get("tools"),
            documents=request.get("documents"),
            add_generation_prompt=request.get("add_generation_prompt", True),
            continue_final_message=request.get("continue_final_message", False),
            kwargs=request.get("chat_template_kwargs"),
        )
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        special = request.get("add_special_tokens", False)
        assert tokenizer.encode(text, add_special_tokens=special).ids == answer.prompt_ids, answer.case
        checked += 1
    assert checked > 50


def render(source: str, messages: list[dict[str, Any]] | None = None, **options: Any) -> str:
    return ChatTemplate(source, special_tokens=TOKENS).render(messages or [{"role": "user", "content": "x"}], **options)


def refused(source: str, messages: list[dict[str, Any]] | None = None, **options: Any) -> str:
    with pytest.raises(RequestError) as caught:
        render(source, messages, **options)
    assert (caught.value.status, caught.value.code) == (400, "chat_template_error")
    return caught.value.message


def test_continuing_switches_the_generation_prompt_off() -> None:
    source = "{% for m in messages %}<{{ m.content }}>{% endfor %}{{ 'go' if add_generation_prompt }}"
    assert render(source) == "<x>go"
    assert render(source, continue_final_message=True) == "<x"


def test_continuing_a_list_of_parts() -> None:
    source = "{% for m in messages %}{% for p in m.content %}[{{ p.text | trim }}]{% endfor %}{% endfor %}"
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": " b "}, {"type": "image"}]
    assert render(source, [{"role": "assistant", "content": parts}], continue_final_message=True) == "[a][b"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ messages[0].content }}", {"role": "assistant"}),
        ("{{ messages[0].content }}", {"role": "assistant", "content": None}),
        ("{{ messages[0].content }}", {"role": "assistant", "content": [{"type": "image"}]}),
        ("{{ messages[0].content }}", {"role": "assistant", "content": 5}),
        ("{{ messages[0].role }}", {"role": "assistant", "content": "x"}),
        ("{# content #}{{ messages[0].role }}", {"role": "assistant", "content": "x"}),
        ("{{ messages[0].content | upper }}", {"role": "assistant", "content": "x"}),
    ],
)
def test_continuing_what_cannot_be_continued(source: str, message: dict[str, Any]) -> None:
    assert refused(source, [message], continue_final_message=True)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ raise_exception('no way: é') }}", "no way: é"),
        ("{{ foo.bar.baz }}", "'foo' is undefined"),
        ("{{ messages[0].nothing.more }}", "'dict object' has no attribute 'nothing'"),
        ("{{ 'a' + 1 }}", 'can only concatenate str (not "int") to str'),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ {'a': undefined} | tojson }}", "Object of type Undefined is not JSON serializable"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "maximum recursion depth exceeded"),
        ("{% include 'other' %}", "no loader for this environment specified"),
    ],
)
def test_errors_carry_the_words_of_the_template(source: str, message: str) -> None:
    assert refused(source).startswith(SAID + message)


CONCATENATES = (
    "{% for m in messages %}{% for c in m.tool_calls or [] %}"
    "{{ c['function']['name'] + ' ' + c['function']['arguments'] }}{% endfor %}{% endfor %}"
)


@pytest.mark.parametrize("text", ['{"city":   "Oslo"}', "{}", '{"cut": "o'])
def test_a_template_that_concatenates_arguments_gets_the_clients_text(text: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": text}}
    prepared = prepare_messages([{"role": "assistant", "tool_calls": [call]}], "string", developer_role=False)
    assert render(CONCATENATES, prepared) == f"f {text}"
    printed = CONCATENATES.replace("['arguments']", "['arguments'] | tojson")
    assert json.loads(render(printed, prepared)[2:]) == (json.loads(text) if text.endswith("}") else {})


@pytest.mark.parametrize(
    "printed", ["c.function.arguments", "'' ~ c.function.arguments", "c.function.arguments | string"]
)
def test_a_template_that_prints_arguments_prints_json(printed: str) -> None:
    for sent in ('{"city":   "Oslo"}', {"city": "Oslo"}):
        call = {"function": {"name": "f", "arguments": sent}}
        prepared = prepare_messages([{"role": "assistant", "tool_calls": [call]}], "string", developer_role=False)
        source = (
            f"{{% for m in messages %}}{{% for c in m.tool_calls %}}{{{{ {printed} }}}}{{% endfor %}}{{% endfor %}}"
        )
        assert render(source, prepared) == (sent if isinstance(sent, str) else '{"city": "Oslo"}')


def test_arguments_that_came_as_an_object_are_written_as_json() -> None:
    call = {"function": {"name": "f", "arguments": {"city": "Århus"}}}
    prepared = prepare_messages([{"role": "assistant", "tool_calls": [call]}], "string", developer_role=False)
    assert render(CONCATENATES, prepared) == 'f {"city": "Århus"}'


def test_an_error_that_texts_do_not_mend_is_the_first_one() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    prepared = prepare_messages([{"role": "assistant", "tool_calls": [call]}], "string", developer_role=False)
    assert refused("{{ 1 / 0 }}", prepared) == SAID + "division by zero"


@pytest.mark.parametrize("kind", [["text"], {"a": 1}, 3, True])
def test_a_part_whose_type_is_no_string_is_refused_with_its_path(kind: Any) -> None:
    with pytest.raises(RequestError) as caught:
        prepare_messages([{"role": "user", "content": [{"type": kind, "text": "x"}]}], "string", developer_role=False)
    assert (caught.value.status, caught.value.param) == (400, "messages[0].content[0].type")


def test_arguments_nested_too_deeply_are_refused_with_their_path() -> None:
    call = {"function": {"name": "f", "arguments": '{"a":' * 5000 + "1" + "}" * 5000}}
    with pytest.raises(RequestError) as caught:
        prepare_messages([{"role": "assistant", "tool_calls": [call]}], "string", developer_role=False)
    assert (caught.value.status, caught.value.param) == (400, "messages[0].tool_calls[0].function.arguments")


@pytest.mark.parametrize("name", ["messages", "tools", "documents", "add_generation_prompt", "continue_final_message"])
def test_template_kwargs_do_not_replace_what_was_checked(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        requested_template(None, {name: None}, trusted=True)
    assert (caught.value.status, caught.value.param) == (400, f"chat_template_kwargs.{name}")


def test_empty_conversation_is_refused() -> None:
    with pytest.raises(RequestError, match="at least one message"):
        ChatTemplate("x", special_tokens={}).render([])


@pytest.mark.parametrize(
    "source", ["{% for m in messages %}", "{{ a b }}", "{% nonsense %}", "{% break %}", "{% if %}"]
)
def test_what_does_not_compile_is_a_config_error(source: str) -> None:
    with pytest.raises(ConfigError, match="does not compile") as caught:
        ChatTemplate(source, special_tokens={})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ().__class__.__base__.__subclasses__() }}",
        "{{ raise_exception.__globals__.keys() }}",
        "{{ strftime_now.__globals__['sys'] }}",
        "{{ dict.__class__.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ ''|attr('__class__')|attr('__mro__')|list|length > 0 or raise_exception('undefined') }}",
        "{{ '{0.__class__.__mro__}'.format('') }}",
        "{% set ns = namespace() %}{% set ns.__class__ = 1 %}{{ ns.__dict__ }}",
        "{{ namespace(__class__=1) }}",
        "{{ messages.append({}) }}",
        "{{ messages.clear() }}",
        "{{ messages[0].update(role='system') }}",
        "{{ messages[0].pop('role') }}",
        "{{ messages[0].setdefault('a', 1) }}",
        "{{ range(1000000) | list }}",
    ],
)
def test_escapes_and_mutations_are_refused(source: str) -> None:
    messages = [{"role": "user", "content": "x"}]
    refused(source, messages)
    assert messages == [{"role": "user", "content": "x"}]


def test_strftime_now() -> None:
    before = datetime.now().strftime("%Y-%m-%d %H")
    text = render("{{ strftime_now('%Y-%m-%d %H') }}")
    assert text in (before, datetime.now().strftime("%Y-%m-%d %H"))
