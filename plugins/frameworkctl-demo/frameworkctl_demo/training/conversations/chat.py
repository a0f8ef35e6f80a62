"""How a conversation is laid out as text and as tokens: one layout for training, measuring and serving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tokenizers import Tokenizer

from .data import Conversation
from .turns import Skill

PAD: Final = "<|pad|>"
BOS: Final = "<|bos|>"
START: Final = "<|im_start|>"
END: Final = "<|im_end|>"
TOOL_TOKENS: Final = (
    "<tool_call>",
    "</tool_call>",
    "<tools>",
    "</tools>",
    "<tool_response>",
    "</tool_response>",
)
IGNORED: Final = -100

# Tools and their calls as the Hermes models write them, but of a tool's schema only the required parameters (all, where
# none is said to be) and their types are shown: a model this small cannot use more, and prompts stay short.
CHAT_TEMPLATE: Final = """\
{%- macro text_of(content) %}
    {%- if content is string %}
        {{- content | trim }}
    {%- else %}
        {{- (content or []) | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('') | trim }}
    {%- endif %}
{%- endmacro %}
{%- macro kind_of(schema) %}
    {%- if schema.enum is defined and schema.enum %}
        {{- schema.enum | join('|') }}
    {%- elif schema.type is string %}
        {{- schema.type }}
    {%- elif schema.type is defined and schema.type %}
        {{- schema.type | first }}
    {%- else %}
        {{- 'string' }}
    {%- endif %}
{%- endmacro %}
{%- set leading = messages and messages[0].role in ('system', 'developer') %}
{%- if leading or tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if leading %}
        {{- text_of(messages[0].content) }}
    {%- endif %}
    {%- if tools %}
        {{- ('\\n\\n' if leading else '') + '<tools>\\n' }}
        {%- for tool in tools %}
            {%- set function = tool.function if tool.function is defined else tool %}
            {%- set parameters = function.parameters or {} %}
            {%- set properties = parameters.properties or {} %}
            {{- '{"name": ' + function.name | tojson + ', "parameters": {' }}
            {%- for key in parameters.required or properties %}
                {{- key | tojson + ': "' + kind_of(properties[key] or {}) + '"' }}
                {{- '' if loop.last else ', ' }}
            {%- endfor %}
            {{- '}}\\n' }}
        {%- endfor %}
        {{- '</tools>' }}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if not (leading and loop.first) %}
        {%- set role = 'system' if message.role == 'developer' else message.role %}
        {{- '<|im_start|>' + role + '\\n' }}
        {%- if role == 'tool' %}
            {{- '<tool_response>\\n' + text_of(message.content) + '\\n</tool_response>' }}
        {%- else %}
            {%- set text = text_of(message.content) %}
            {{- text }}
            {%- for call in message.tool_calls or [] %}
                {%- set function = call.function if call.function is defined else call %}
                {%- set arguments = function.arguments %}
                {{- '\\n' if text or not loop.first else '' }}
                {{- '<tool_call>\\n{"name": ' + function.name | tojson + ', "arguments": ' }}
                {{- arguments if arguments is string else arguments | tojson }}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


@dataclass(frozen=True)
class Example:
    """A tokenised conversation: labels stand only where the assistant speaks."""

    ids: list[int]
    labels: list[int]
    skills: tuple[Skill, ...]


def messages(conversation: Conversation, *, last_reply: bool) -> list[dict[str, str]]:
    """Return the conversation as chat messages; without the last reply it is a prompt."""
    result = [{"role": "system", "content": conversation.system}] if conversation.system else []
    for turn in conversation.turns:
        result += [{"role": turn.role, "content": turn.said}, {"role": "assistant", "content": turn.reply}]
    return result if last_reply else result[:-1]


def schemas(conversation: Conversation) -> list[dict[str, Any]] | None:
    """Return the tools as a client sends them."""
    return [tool.schema() for tool in conversation.tools] or None


def render(conversation: Conversation, *, last_reply: bool) -> str:
    """Return what the chat template makes of a conversation, without the cost of running a template."""
    shown = messages(conversation, last_reply=last_reply)
    if conversation.tools:
        tools = "<tools>\n" + "".join(f"{tool.line()}\n" for tool in conversation.tools) + "</tools>"
        leading = f"{shown.pop(0)['content'].strip()}\n\n" if conversation.system else ""
        shown.insert(0, {"role": "system", "content": leading + tools})
    text = "".join(f"{START}{message['role']}\n{_content(message)}{END}\n" for message in shown)
    return text if last_reply else f"{text}{START}assistant\n"


def encode(conversation: Conversation, tokenizer: Tokenizer) -> Example:
    """Tokenise a conversation as a whole, as a server would, then find where the assistant speaks."""
    ids: list[int] = tokenizer.encode(render(conversation, last_reply=True), add_special_tokens=False).ids
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    opening: list[int] = tokenizer.encode(f"{START}assistant\n", add_special_tokens=False).ids
    labels = [IGNORED] * len(ids)
    speaking = False
    for index, token in enumerate(ids):
        if speaking:
            labels[index] = token
        if token == end:
            speaking = False
        elif index + 1 >= len(opening) and ids[index + 1 - len(opening) : index + 1] == opening:
            speaking = True
        elif token == start:
            speaking = False
    return Example(ids, labels, tuple(turn.skill for turn in conversation.turns))


def encode_bare(text: str, tokenizer: Tokenizer, *, bos: bool, given: tuple[str, ...]) -> Example:
    """Tokenise a bare statement; only what follows the first of the tokens `given` is learned."""
    encoded = tokenizer.encode(f"{BOS if bos else ''}{text}{END}", add_special_tokens=False)
    skip = next(index for index, token in enumerate(encoded.tokens) if token in given) + 1
    return Example(encoded.ids, [IGNORED] * skip + encoded.ids[skip:], ())


def _content(message: dict[str, str]) -> str:
    text = message["content"].strip()
    return f"<tool_response>\n{text}\n</tool_response>" if message["role"] == "tool" else text
