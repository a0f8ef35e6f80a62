"""``/tokenize``, ``/detokenize`` and ``/tokenizer_info``: the tokens that a model reads and writes."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from frameworkctl.interfaces import (
    Call,
    Endpoint,
    EngineScope,
    Formatter,
    OptionSpec,
    Output,
    Payload,
    Register,
    Reply,
    RequestError,
    Route,
    ServedModel,
    Usage,
    Work,
    bad,
    hookimpl,
)

from .field_checks import asks_for_something
from .message_fields import Messages

INFO_OPTION = "enable_tokenizer_info_endpoint"
UNSUPPORTED = ("media_io_kwargs", "mm_processor_kwargs")


class TokenizeRequest(msgspec.Struct, kw_only=True):
    """The body of ``POST /tokenize``: ``prompt`` or ``messages``."""

    model: str | None = None
    prompt: str | None = None
    messages: Messages | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    tools: list[dict[str, Any]] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    chat_template: str | None = None
    media_io_kwargs: Any = None
    mm_processor_kwargs: Any = None


class DetokenizeRequest(msgspec.Struct, kw_only=True):
    """The body of ``POST /detokenize``."""

    tokens: list[int]
    model: str | None = None


class Answered(Work, kw_only=True):
    """Nothing for the engine to do: the answer is known when it is rendered."""

    body: bytes


class KnownAnswer(Formatter):
    """Gives the answer that came of rendering, written already: it may be long, and others share the event loop."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def delta(self, output: Output, usage: Usage) -> tuple[Payload, ...]:
        return ()

    def final(self, outputs: list[Output], usage: Usage) -> Reply:
        return Reply(body=self.body)


class TokenizingEndpoint(Endpoint):
    """vLLM's tokenizer API."""

    family: ClassVar[str] = "tokenizer"
    routes: ClassVar[tuple[Route, ...]] = (
        Route(method="POST", path="/tokenize", request=TokenizeRequest, summary="Tokens of a text or a conversation"),
        Route(method="POST", path="/detokenize", request=DetokenizeRequest, summary="The text of tokens"),
        Route(method="GET", path="/tokenizer_info", summary="The tokenizer's configuration, if the operator shows it"),
    )

    async def handle(self, call: Call, engine: EngineScope) -> Reply:
        if call.route.path != "/tokenizer_info":
            return await super().handle(call, engine)
        if not engine.options.get(INFO_OPTION):
            flag = INFO_OPTION.replace("_", "-")
            raise RequestError(f"The server does not show this: start it with --{flag}.", status=404, code="not_found")
        return Reply(body=tokenizer_info(engine.model(call.query.get("model") or None, frozenset())))

    def parse(self, call: Call) -> Any:
        request = super().parse(call)
        if isinstance(request, TokenizeRequest):
            _check(request)
        return request

    def waits(self, request: TokenizeRequest | DetokenizeRequest) -> bool:
        if isinstance(request, DetokenizeRequest):
            return False
        return bool(request.chat_template) or "chat_template" in (request.chat_template_kwargs or ())

    def render(self, request: TokenizeRequest | DetokenizeRequest, model: ServedModel) -> Answered:
        body = detokenized(request, model) if isinstance(request, DetokenizeRequest) else tokenized(request, model)
        return Answered(items=[], body=msgspec.json.encode(body))

    def format(self, request: Any, work: Work, model: ServedModel, call: Call) -> Formatter:
        assert isinstance(work, Answered)
        return KnownAnswer(work.body)


def _check(request: TokenizeRequest) -> None:
    if (request.prompt is None) == (request.messages is None):
        raise bad("prompt", "Send either prompt (a text) or messages (a conversation).")
    for name in UNSUPPORTED:
        if asks_for_something(name, getattr(request, name)):
            raise bad(name, f"{name} is not supported by this server.", "unsupported_parameter")
    if request.add_generation_prompt and request.continue_final_message:
        raise bad("continue_final_message", "continue_final_message and add_generation_prompt cannot both be true.")


def tokenized(request: TokenizeRequest, model: ServedModel) -> dict[str, Any]:
    """Longer than the model's context is fine: nothing is computed."""
    if isinstance(request.prompt, str):
        special = request.add_special_tokens is not False
        model.check_text(request.prompt, param="prompt")
        try:
            ids = model.tokenizer.encode(request.prompt, add_special_tokens=special)
        except RequestError as e:
            raise bad("prompt", e.message, e.code or "invalid_value") from None
    else:
        goes_on = bool(request.continue_final_message)
        begins = request.add_generation_prompt
        prompt = model.render_chat(
            request.messages or [],
            add_generation_prompt=not goes_on if begins is None else begins,
            continue_final_message=goes_on,
            add_special_tokens=bool(request.add_special_tokens),
            tools=request.tools,
            template_kwargs=request.chat_template_kwargs,
            chat_template=request.chat_template,
            check_length=False,
        )
        ids = list(prompt.token_ids)
    return {
        "count": len(ids),
        "max_model_len": model.max_model_len,
        "tokens": ids,
        "token_strs": _strings(ids, model) if request.return_token_strs else None,
    }


def _strings(ids: list[int], model: ServedModel) -> list[str]:
    known = {i: model.tokenizer.id_to_token(i) or "" for i in set(ids)}
    return [known[i] for i in ids]


def detokenized(request: DetokenizeRequest, model: ServedModel) -> dict[str, Any]:
    """Special tokens stay in the text."""
    limit = max(model.tokenizer.vocab_size, model.info.vocab_size)
    for index, token in enumerate(request.tokens):
        if not 0 <= token < limit:
            raise bad(f"tokens[{index}]", f"tokens[{index}] is outside the vocabulary of {limit}: {token!s:.40}.")
    return {"prompt": model.tokenizer.decode(request.tokens, skip_special_tokens=False)}


def tokenizer_info(model: ServedModel) -> dict[str, Any]:
    """Return what tokenizer_config.json says, without names of files on the server."""
    config = {k: v for k, v in model.tokenizer.config.items() if not k.endswith(("_file", "_path", "_files"))}
    return {"tokenizer_class": None, **config, "chat_template": model.chat_template}


@hookimpl
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    register(TokenizingEndpoint)


@hookimpl
def register_options(register: Register[OptionSpec]) -> None:
    register(OptionSpec(name=INFO_OPTION, type=bool, default=False, help="answer GET /tokenizer_info"))
