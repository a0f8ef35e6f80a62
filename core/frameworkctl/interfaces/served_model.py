"""A model as endpoints and logits processors see it in the server process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from frameworkctl.interfaces.generation.parsers import ReasoningParserSpec, ToolParserSpec
from frameworkctl.params import SamplingParams

from .model import ModelInfo

if TYPE_CHECKING:
    from frameworkctl.interfaces.requests.prompts import Prompt

TruncationSide = Literal["left", "right"]


class Tokenizer(Protocol):
    """The text side of a served model; safe to use from any thread."""

    @property
    def vocab_size(self) -> int: ...
    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]: ...
    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str: ...
    def token_to_id(self, token: str) -> int | None: ...
    def id_to_token(self, token_id: int) -> str | None:
        """Return the token as the vocabulary writes it, which may not be its text."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Return the checkpoint's tokenizer_config.json."""


class ServedModel(Protocol):
    """A model as endpoints and logits processors see it in the server process."""

    name: str  # the first served name, which replies carry
    names: tuple[str, ...]
    root: str
    created: int  # unix seconds
    info: ModelInfo
    max_model_len: int
    options: Mapping[str, Any]  # values of options that plugins registered
    tool_parser: ToolParserSpec | None  # --tool-call-parser
    reasoning_parser: ReasoningParserSpec | None  # --reasoning-parser
    auto_tool_choice: bool  # the model may choose to call tools
    show_unused_tools: bool  # templates get tools that must not be called
    score_template: bool  # --chat-template was given: pairs are rendered with it (roles ``query`` and ``document``)

    @property
    def tokenizer(self) -> Tokenizer: ...
    @property
    def chat_template(self) -> str | None:
        """Return the Jinja text that messages are rendered with."""

    def encode_prompt(
        self,
        prompt: str | Sequence[int],
        *,
        add_special_tokens: bool = True,
        param: str = "prompt",
        truncate: int | None = None,
        truncation_side: TruncationSide | None = None,
        check_length: bool = True,
    ) -> Prompt:
        """Check lengths and ids and tokenize. Raises RequestError naming ``param`` when it cannot be computed.

        ``truncate`` tokens are kept (-1: as many as leave room for an answer), without those of ``truncation_side``
        (None: the left, but for tokens that the tokenizer puts in front).
        ``check_length`` false is for those who only want to know the tokens.
        """

    def check_text(self, text: str, *, param: str) -> None:
        """Raise RequestError naming ``param`` when a text is longer than the operator allows (``--max-text-bytes``).

        The methods here that tokenize or render check their texts; ``tokenizer.encode`` does not.
        """

    def encode_batch(
        self,
        texts: Sequence[str | Sequence[int]],
        *,
        add_special_tokens: bool = True,
        truncate: int | None = None,
        truncation_side: TruncationSide | None = None,
        padding: bool = False,
        param: str = "input",
        truncate_param: str = "truncate_prompt_tokens",
    ) -> list[Prompt]:
        """Many texts, or token ids, to pool: they may fill the context.

        ``truncate`` tokens are kept (-1: the context), without those of ``truncation_side`` (None: the tokenizer's
        own), and the tokenizer's special tokens stay. With ``padding``, all are filled up with the padding token to
        what is kept, or to the context. Raises RequestError naming ``param`` and which of them it is, or where nothing
        would be left ``truncate_param``, the field that ``truncate`` came in.
        """

    def encode_pair_batch(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        truncate: int | None = None,
        truncation_side: TruncationSide | None = None,
        max_query: int = 0,
        max_doc: int = 0,
        param: str = "documents",
    ) -> list[tuple[Prompt, int]]:
        """Pairs to score as one prompt each, put together as ``info.pooling.pairs`` says, with ``PoolParams.second``.

        ``max_query`` and ``max_doc`` tokens of either are kept (0: all); where a pair is longer than ``truncate`` then,
        the longer text loses tokens first. Raises RequestError naming ``param`` and which of them it is.
        """

    def cut_texts(self, texts: Sequence[str], tokens: int) -> list[str]:
        """Return each text up to the end of its first ``tokens`` tokens: cut between characters, not decoded."""

    def embeds_prompt(self, data: str, *, param: str) -> Prompt:
        """Return a prompt of embeddings: base64 of a safetensors, .npy or torch file with a float matrix [tokens,
        hidden].

        Waits for the engine, which reads it (see ``Endpoint.waits``). Raises RequestError naming ``param`` where the
        operator does not allow it (``--enable-prompt-embeds``) and where the file is no such matrix.
        """

    def render_chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
        template_kwargs: Mapping[str, Any] | None = None,
        chat_template: str | None = None,
        documents: Sequence[Mapping[str, Any]] | None = None,
        continue_final_message: bool = False,
        add_special_tokens: bool = False,
        truncate: int | None = None,
        truncation_side: TruncationSide | None = None,
        check_length: bool = True,
    ) -> Prompt:
        """Render messages with the chat template and tokenize. Raises RequestError when the template refuses.

        ``tools`` and ``documents`` as in a request; ``template_kwargs`` are more variables for the template. A
        ``chat_template`` of the request takes the place of the model's, if the operator allows it; it is rendered in a
        process of its own, which this call waits for (see ``Endpoint.waits``).
        With ``continue_final_message`` the prompt ends inside the last message, which the model goes on with.
        """

    def sampling(
        self,
        prompt: Prompt,
        fields: Mapping[str, Any],
        *,
        default_max_tokens: int | None = None,
        min_max_tokens: int = 1,
    ) -> SamplingParams:
        """Merge a request's fields (null = unset) over the model's defaults, clamp ``max_tokens`` to the room left,
        check.

        ``default_max_tokens`` None fills the context window; ``min_max_tokens`` 0 lets a request ask for no answer, for
        the sake of its prompt. Raises RequestError naming the field that is wrong.
        """
