"""Chat templates: from a model's Jinja text and a conversation to the prompt, sandboxed and under a time limit."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from frameworkctl.errors import ConfigError, RequestError

from .messages import with_argument_texts
from .time_limit import within

CUT_MARK = "CONTINUE_FINAL_MESSAGE_TAG "  # ends in a blank so that a template's trimming can be seen


class ChatTemplate:
    """One compiled chat template; several threads may render it at once.

    ``source`` is Jinja text, ``special_tokens`` the variables that name the model's tokens (``bos_token`` ...).
    Raises ``ConfigError`` when the text does not compile.
    """

    def __init__(self, source: str, *, special_tokens: Mapping[str, str]) -> None:
        self.source = source
        self.special_tokens = dict(special_tokens)
        try:
            self._template = template_environment().from_string(source)
        except Exception as error:
            raise ConfigError(f"the chat template does not compile: {' '.join(str(error).split())}") from error

    def render(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None = None,
        documents: list[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        kwargs: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
    ) -> str:
        """Return the prompt for a conversation of plain JSON values; the arguments are not modified.

        ``kwargs`` adds variables or overrides ours. With ``continue_final_message`` the text ends right after the last
        content, and no generation prompt is added. Raises ``RequestError`` with the code ``chat_template_error`` for
        whatever the template or the conversation gets wrong, ``chat_template_timeout`` after ``timeout`` seconds.
        """
        variables = {
            **self.special_tokens,
            "tools": tools,
            "documents": documents,
            "add_generation_prompt": add_generation_prompt and not continue_final_message,
            **(kwargs or {}),
        }
        try:
            turns = _normalize(messages)
            final = _mark_final(turns, self.source) if continue_final_message else None
            text = within(timeout, lambda: self._rendered(turns, variables))
            return text if final is None else _cut_after_final(text, final)
        except TimeoutError:
            reason = f"the chat template was not rendered within {timeout:g} seconds"
            raise RequestError(reason, param="messages", code="chat_template_timeout") from None
        except RequestError:
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise RequestError(reason, param="messages", code="chat_template_error") from error

    def _rendered(self, turns: list[dict[str, Any]], variables: Mapping[str, Any]) -> str:
        """Return the text; where calls as objects raise, try again with their arguments as texts.

        Some templates print arguments as JSON, others put them together as text and so raise for an object.
        """
        try:
            return self._template.render({"messages": turns, **variables})
        except Exception as error:
            if (texts := with_argument_texts(turns)) is not None:
                with contextlib.suppress(Exception):
                    return self._template.render({"messages": texts, **variables})
            reason = str(error) or type(error).__name__
            raise RequestError(
                f"The chat template raised an error for this conversation: {reason}",
                param="messages",
                code="chat_template_error",
            ) from error


def special_tokens_of(tokenizer_config: Mapping[str, Any]) -> dict[str, str]:
    """Return the token variables that templates see, by name, from a ``tokenizer_config.json``.

    These are the string entries called ``*_token`` and the extra tokens that have names (a mapping); a plain list of
    extra tokens has none, so templates never see it.
    """
    named = {key: value for key, value in tokenizer_config.items() if key.endswith("_token")}
    for group in ("extra_special_tokens", "model_specific_special_tokens"):
        if isinstance(extra := tokenizer_config.get(group), Mapping):
            named.update(extra)
    texts = {key: value.get("content") if isinstance(value, Mapping) else value for key, value in named.items()}
    return {key: text for key, text in texts.items() if isinstance(text, str)}


def load_chat_template(
    folder: Path, tokenizer_config: Mapping[str, Any], *, override: str | None, has_tools: bool = False
) -> str | None:
    """Return the Jinja text to use for the checkpoint in ``folder``, or None when there is none.

    ``override`` is a path or Jinja text and wins; then ``chat_template.jinja``, ``chat_template.json`` and the
    tokenizer config are looked at. Of several named templates, ``tool_use`` is taken if ``has_tools``, else
    ``default``. Raises ``ConfigError`` for an override that is neither, or a file that cannot be read.
    """
    if override is not None:
        with contextlib.suppress(OSError, ValueError):  # a text may be too long, or hold a NUL, for a path
            if Path(override).is_file():
                return str(_read(Path(override)))
        if "{" not in override or "}" not in override:
            raise ConfigError(f"the chat template {override!r} is neither a file nor Jinja text")
        with contextlib.suppress(UnicodeDecodeError):  # escapes count, as shells make it hard to pass a line break
            return override.encode("latin-1", "backslashreplace").decode("unicode_escape")
        return override
    named: dict[str, str] = {}
    if (single := folder / "chat_template.jinja").is_file():
        named = {path.stem: _read(path) for path in (folder / "additional_chat_templates").glob("*.jinja")}
        named["default"] = _read(single)
    elif (legacy := folder / "chat_template.json").is_file():
        named = _named_templates(_read(legacy, json.loads))
    named = named or _named_templates(tokenizer_config)
    return (named.get("tool_use") if has_tools else None) or named.get("default")


@functools.lru_cache(maxsize=1)
def template_environment() -> ImmutableSandboxedEnvironment:
    """Return the environment that every chat template is parsed and rendered in (the one transformers defines)."""
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
    env.filters["tojson"] = _to_json
    env.globals.update(raise_exception=_raise_exception, dict=_Dict(), namespace=_Namespace)
    env.globals["strftime_now"] = lambda format: datetime.now().strftime(format)
    return env


class _Generation(Extension):
    """``{% generation %}...{% endgeneration %}``: for training; renders as its body, in a scope of its own."""

    tags = {"generation"}

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class _Dict:
    """``dict`` for templates: the calls without the type, whose attributes would lead out of the sandbox."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _Namespace(Namespace):
    """``namespace`` for templates, without attributes that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # no named self: a template may pass an attribute of that name
        Namespace.__init__(args[0])
        for name, value in dict(*args[1:], **kwargs).items():
            args[0][name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise TemplateError(f"a namespace attribute may not begin with an underscore: {name!r}")
        super().__setitem__(name, value)


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _to_json(
    x: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _normalize(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages without null fields, which most templates would print, and with every name of the
    reasoning.
    """
    if not messages:
        raise ValueError("the conversation is empty: at least one message is needed")
    turns = []
    for message in messages:
        turn = {key: value for key, value in message.items() if value is not None}
        reasoning = turn.get("reasoning_content", turn.get("thinking", turn.get("reasoning")))
        turns.append(turn if reasoning is None else {"thinking": reasoning, **turn, "reasoning_content": reasoning})
    return turns


def _mark_final(turns: list[dict[str, Any]], source: str) -> str:
    """Put the cut mark behind the last message's content (in our copy of it) and return that content."""
    content = turns[-1].get("content")
    if content is None:
        raise ValueError("continue_final_message is set but the final message has no content to continue")
    if "content" not in source:
        raise ValueError("continue_final_message is set but the chat template does not use the content of messages")
    if isinstance(content, str):
        turns[-1]["content"] = content + CUT_MARK
        return content
    for index in reversed(range(len(content))):
        if isinstance(part := content[index], dict) and "text" in part:
            marked = {**part, "text": part["text"] + CUT_MARK}
            turns[-1]["content"] = [*content[:index], marked, *content[index + 1 :]]
            return str(part["text"])
    raise ValueError("continue_final_message is set but the final message has no text to continue")


def _cut_after_final(text: str, final: str) -> str:
    at = text.rfind(CUT_MARK.strip())
    if at < 0 or final.strip() not in text:
        raise ValueError("continue_final_message is set but the chat template changes or leaves out the final message")
    # Where the blank that ends the mark is gone, the template trims: then the content loses its own blanks as well
    return text[:at] if text.startswith(CUT_MARK, at) else text[:at].rstrip()


def _named_templates(config: Mapping[str, Any]) -> dict[str, str]:
    value = config.get("chat_template") or []
    return {item["name"]: item["template"] for item in value} if isinstance(value, list) else {"default": value}


def _read(path: Path, parse: Callable[[str], Any] = str) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
