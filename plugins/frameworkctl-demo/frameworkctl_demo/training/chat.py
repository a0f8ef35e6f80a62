"""How a conversation is laid out as text and as tokens: one layout for training, measuring and serving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tokenizers import Tokenizer

from .data import Conversation, Skill

PAD: Final = "<|pad|>"
BOS: Final = "<|bos|>"
START: Final = "<|im_start|>"
END: Final = "<|im_end|>"
# Not used by this version of the weights; reserved so that a later one needs no new vocabulary.
TOOL_TOKENS: Final = ("<tool_call>", "</tool_call>")
IGNORED: Final = -100

CHAT_TEMPLATE: Final = """\
{%- for message in messages %}
    {%- set role = 'system' if message.role == 'developer' else message.role %}
    {%- if message.content is string %}
        {%- set text = message.content %}
    {%- else %}
        {%- set parts = (message.content or []) | selectattr('type', 'equalto', 'text') %}
        {%- set text = parts | map(attribute='text') | join('') %}
    {%- endif %}
    {{- '<|im_start|>' + role + '\\n' + text | trim + '<|im_end|>\\n' }}
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
    """The conversation as chat messages; without the last reply it is a prompt."""
    result = [{"role": "system", "content": conversation.system}] if conversation.system else []
    for turn in conversation.turns:
        result += [{"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.reply}]
    return result if last_reply else result[:-1]


def render(conversation: Conversation, *, last_reply: bool) -> str:
    """What the chat template makes of a conversation, without the cost of running a template."""
    text = "".join(
        f"{START}{message['role']}\n{message['content'].strip()}{END}\n"
        for message in messages(conversation, last_reply=last_reply)
    )
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
