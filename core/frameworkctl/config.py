"""The one tree of options: command line, config file and environment are three ways to fill it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from frameworkctl.interfaces.pooling import PoolingInfo

from .cross_origin import check_origins
from .errors import ConfigError
from .limits import MAX_TEXT_BYTES

Size = Annotated[int, msgspec.Meta(ge=0, extra={"size": True})]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
LogLevel = Literal["debug", "info", "warning", "error"]
Count = Annotated[int, msgspec.Meta(ge=1)]


def opt(group: str, help: str, **extra: Any) -> msgspec.Meta:
    """Return where an option stands in ``--help`` and what is said of it there."""
    return msgspec.Meta(extra={"group": group, "help": help, **extra})


class EngineOptions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Options of one model's engine. Flags set these for all models, a ``models:`` entry of the config file for one."""

    dtype: Annotated[
        Literal["auto", "float32", "float", "bfloat16", "float16", "half"],
        opt(
            "model",
            "data type of weights and activations; auto: the checkpoint's, float32 where the device is slow in it",
        ),
    ] = "auto"
    max_model_len: Annotated[
        Size | None, opt("model", "context length in tokens (8k = 8000); default: the model's own")
    ] = None
    seed: Annotated[int | None, opt("model", "makes unseeded requests reproducible in order of arrival")] = None
    backend: Annotated[str, opt("engine", "compute backend; auto: the best one for the device")] = "auto"
    device: Annotated[str, opt("engine", "auto, cpu, cuda or cuda:N")] = "auto"
    quantization: Annotated[
        Literal["int8", "int4"] | None,
        opt(
            "model",
            "round weights of linear layers and experts to 8 or 4 bits when they are loaded; default: as they are",
        ),
    ] = None
    deterministic: Annotated[
        bool, opt("engine", "the same logits to the last bit, whatever else is in the batch; somewhat slower")
    ] = False
    enforce_eager: Annotated[
        bool, opt("engine", "run the model's own code in every step; else small steps are recorded and played back")
    ] = False
    threads: Annotated[Count | None, opt("engine", "compute threads of each engine; default: the cores shared out")] = (
        None
    )
    max_num_seqs: Annotated[Count, opt("scheduling", "sequences that run at once")] = 128
    max_num_batched_tokens: Annotated[Count, opt("scheduling", "tokens computed per step, over all sequences")] = 2048
    long_prefill_token_threshold: Annotated[
        int, opt("scheduling", "at most this many tokens of one prompt per step when others run; 0: no limit")
    ] = 0
    structured_output: Annotated[
        str, opt("engine", "what holds outputs to schemas and grammars: llguidance, or a plugin's")
    ] = "llguidance"
    max_grammar_seconds: Annotated[
        float, msgspec.Meta(gt=0), opt("engine", "seconds that compiling one schema or grammar may take; then HTTP 400")
    ] = 10.0
    scheduling_policy: Annotated[
        str, opt("scheduling", "order of waiting requests: fcfs, priority (lowest first), or a plugin's")
    ] = "fcfs"
    logits_processor_pattern: Annotated[
        str | None,
        opt("engine", "regular expression for what requests may have imported as logits processors; default: nothing"),
    ] = None
    async_scheduling: Annotated[
        bool | None, opt("scheduling", "plan a step while the last one runs; default: where the device allows it")
    ] = None
    speculative_config: Annotated[
        dict[str, Any],
        opt(
            "engine",
            'guess tokens and verify them together, as JSON: {"method": "ngram", "num_speculative_tokens": 4}',
        ),
    ] = {}
    block_size: Annotated[Count, opt("cache", "tokens per page of the KV cache (of the group that needs most)")] = 16
    kv_cache_memory_bytes: Annotated[
        Size | None, opt("cache", "size of the KV cache (4G); default: by model and memory")
    ] = None
    num_gpu_blocks_override: Annotated[Count | None, opt("cache", "pages of the KV cache, whatever their size")] = None
    enable_prefix_caching: Annotated[bool, opt("cache", "reuse the cache of prompts that begin alike")] = True
    watermark: Annotated[float, opt("cache", "share of pages kept free when a request is admitted")] = 0.0


class ModelOptions(EngineOptions, kw_only=True, forbid_unknown_fields=True):
    """Options of a model's source and its text side."""

    served_model_name: Annotated[list[str], opt("model", "names that requests use; the first is put in replies")] = []
    model_impl: Annotated[
        str,
        opt("model", "auto: native code, else a fallback; native: no fallback; transformers (or another's name): that"),
    ] = "auto"
    runner: Annotated[
        Literal["auto", "generate", "pooling"],
        opt("model", "what the model is served for; auto: as its class and the files beside it say"),
    ] = "auto"
    convert: Annotated[
        Literal["auto", "none", "embed", "classify"],
        opt("model", "make a model that generates one that pools: embed or classify; auto: as its class says"),
    ] = "auto"
    pooler_config: Annotated[
        dict[str, Any], opt("model", 'how a model pools, as JSON: {"pooling_type": "MEAN", "use_activation": false}')
    ] = {}
    revision: Annotated[str | None, opt("model", "branch, tag or commit on the Hub")] = None
    download_dir: Annotated[str | None, opt("model", "where downloads are kept; default: the Hub client's cache")] = (
        None
    )
    hf_token: Annotated[str | None, opt("model", "access token for the Hub; default: the Hub client's")] = None
    chat_template: Annotated[str | None, opt("text", "chat template: a file, or the template itself")] = None
    trust_request_chat_template: Annotated[
        bool, opt("text", "take chat templates from requests; they are rendered in processes with limits")
    ] = False
    enable_prompt_embeds: Annotated[
        bool, opt("text", "take embeddings from requests in place of prompts (prompt_embeds)")
    ] = False
    chat_template_content_format: Annotated[
        Literal["auto", "string", "openai"], opt("text", "form in which a template gets message contents")
    ] = "auto"
    generation_config: Annotated[
        str,
        opt("text", "sampling defaults: auto: the model's generation_config.json; vllm: none; or another's folder"),
    ] = "auto"
    override_generation_config: Annotated[
        dict[str, Any], opt("text", 'sampling defaults on top of those, as JSON: {"temperature": 0.5}')
    ] = {}
    enable_auto_tool_choice: Annotated[
        bool | None, opt("text", "let models choose to call tools (tool_choice auto); needs a tool call parser")
    ] = None
    tool_call_parser: Annotated[str | None, opt("text", "format of the model's tool calls, a plugin's name")] = None
    exclude_tools_when_tool_choice_none: Annotated[
        bool, opt("text", "do not show a request's tools to the model when its tool_choice is none")
    ] = False
    reasoning_parser: Annotated[str | None, opt("text", "format of the model's reasoning, a plugin's name")] = None
    max_json_whitespace: Annotated[
        int, opt("text", "most blanks between two tokens of constrained JSON, next to a line break; -1: no limit")
    ] = 8
    max_logprobs: Annotated[int, opt("text", "most logprobs per token a request may ask for; -1: no limit")] = 20
    max_text_bytes: Annotated[
        Size, opt("text", "longest text of a request in bytes: a prompt, or all messages; beyond, HTTP 400")
    ] = MAX_TEXT_BYTES
    max_num_queued_reqs: Annotated[
        int, opt("scheduling", "sequences (prompts times n) that may wait for a model; beyond, HTTP 429. -1: no limit")
    ] = 1024


class ServerOptions(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The HTTP side."""

    host: Annotated[str, opt("server", "address to listen on; 0.0.0.0: all")] = "127.0.0.1"
    port: Annotated[Port, opt("server", "port to listen on; 0: any free one")] = 8000
    api_key: Annotated[list[str], opt("server", "keys, one of which every request must carry", blanks=True)] = []
    enable_request_id_headers: Annotated[
        bool, opt("server", "let X-Request-Id of a reply be the client's own, where it sent one")
    ] = False
    allowed_origins: Annotated[
        list[str] | None,
        opt(
            "server",
            'pages that browsers let in, as a JSON list; ["*"]: all; default: those of this machine',
            json=True,
        ),
    ] = None
    allowed_methods: Annotated[
        list[str], opt("server", "methods that such pages may use, as a JSON list", json=True)
    ] = msgspec.field(default_factory=lambda: ["*"])
    allowed_headers: Annotated[
        list[str], opt("server", "headers that such pages may send, as a JSON list", json=True)
    ] = msgspec.field(default_factory=lambda: ["*"])
    allow_credentials: Annotated[bool, opt("server", "let such pages send cookies; needs --allowed-origins")] = False
    max_body_bytes: Annotated[Size, opt("server", "largest body accepted; beyond, HTTP 413")] = 32 << 20
    unknown_fields: Annotated[
        Literal["warn", "reject", "ignore"], opt("server", "fields no one knows: named in a reply header, or 400")
    ] = "warn"
    shutdown_timeout: Annotated[float, opt("server", "seconds that open requests get after SIGTERM")] = 30.0
    log_level: Annotated[LogLevel, opt("server", "how much is logged")] = "info"
    plugins: Annotated[
        list[str],
        opt("server", "a,b adds plugins (name, distribution, dotted.path, ./file.py); no:x; none,; all", comma=True),
    ] = []

    def __post_init__(self) -> None:
        """Raise ConfigError where the options would open what they seem to close."""
        if not all(key.strip() for key in self.api_key):
            raise ConfigError(
                "--api-key: an empty key protects nothing: give a key that is not empty (is a variable unset?),"
                " or leave the option out to serve without keys"
            )
        check_origins(self.allowed_origins, credentials=self.allow_credentials)


class NamedModel(msgspec.Struct, kw_only=True):
    """A model to serve: path, bundled name or Hub id, with its options."""

    source: str
    options: ModelOptions


class Options(msgspec.Struct, kw_only=True):
    """All there is: the server, the models, and the values of options that plugins registered.

    Where no model is named, ``first`` are the options of the first model that is served then, ``beside`` of the others.
    """

    server: ServerOptions
    models: list[NamedModel]
    first: ModelOptions = msgspec.field(default_factory=ModelOptions)
    beside: ModelOptions = msgspec.field(default_factory=ModelOptions)
    plugin_options: dict[str, Any] = {}


class EngineConfig(msgspec.Struct, kw_only=True):
    """Configuration that an engine process starts with. ``engines`` share the machine's cores and memory.

    ``tokenizer`` and ``eos_token_ids`` are for structured output. ``pooling`` is set where the model pools.
    ``registered`` is the name of the model's spec where that is not the architecture's: a fallback's.
    """

    name: str
    folder: str
    architecture: str
    checkpoint_dtype: str
    max_model_len: int
    vocab_size: int
    options: EngineOptions
    plugin_options: dict[str, Any] = {}
    engines: int = 1
    registered: str | None = None
    tokenizer: str = ""  # path of a tokenizer.json
    eos_token_ids: tuple[int, ...] = ()
    pooling: PoolingInfo | None = None
