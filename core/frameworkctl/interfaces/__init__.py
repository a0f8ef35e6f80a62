"""The public names for plugin writers that need no torch; ``frameworkctl.interfaces.engine`` has the rest."""

from __future__ import annotations

from frameworkctl.errors import ConfigError, EngineError, RequestError, bad
from frameworkctl.interfaces.generation.logits import (
    LogitsProcessor,
    LogitsProcessorSpec,
    ProcessorContext,
    RowProcessor,
)
from frameworkctl.interfaces.generation.parsers import (
    CallArguments,
    CallBegin,
    CallFormat,
    ContentText,
    FunctionTool,
    ReasoningContext,
    ReasoningParser,
    ReasoningParserSpec,
    ReasoningText,
    ToolEvent,
    ToolParser,
    ToolParserSpec,
)
from frameworkctl.interfaces.generation.scheduling import Load, Policy, PolicySpec, RequestView
from frameworkctl.interfaces.generation.speculation import Speculator, SpeculatorSpec
from frameworkctl.interfaces.generation.structured import (
    Constraint,
    ConstraintError,
    GrammarCompiler,
    GrammarContext,
    Matcher,
    PreparedGrammar,
    SchemaPart,
    StructuredOutputSpec,
)
from frameworkctl.interfaces.requests.decoding import decode_json
from frameworkctl.interfaces.requests.filters import Guard, TextStream
from frameworkctl.interfaces.requests.outputs import (
    FinishReason,
    Output,
    Payload,
    PromptLogprob,
    Reply,
    SampledLogprobs,
    ServerEvent,
    TokenLogprob,
    Usage,
)
from frameworkctl.interfaces.requests.prompts import Prompt, PromptEmbeds
from frameworkctl.limits import LENGTHS, Limit
from frameworkctl.params import SamplingParams
from frameworkctl.version import VERSION

from .commands import CommandSpec, OptionSpec
from .endpoint import (
    Call,
    Endpoint,
    EngineScope,
    Formatter,
    GenerateItem,
    OutputFilter,
    Route,
    Search,
    Session,
    Socket,
    SocketClosed,
    Work,
    decode_body,
)
from .markers import API_VERSION, Register, hookimpl
from .model import Checkpoint, CheckpointSpec, ModelInfo, ModelSpec
from .observation import EngineEvent, RequestFinished, RequestReceived
from .pooling import PoolerSpec, PoolFormatter, PoolingInfo, PoolItem, PoolOutput, PoolParams, PoolTask
from .served_model import ServedModel, Tokenizer, TruncationSide

__all__ = [
    "API_VERSION",
    "LENGTHS",
    "VERSION",
    "Call",
    "CallArguments",
    "CallBegin",
    "CallFormat",
    "Checkpoint",
    "CheckpointSpec",
    "CommandSpec",
    "ConfigError",
    "Constraint",
    "ConstraintError",
    "ContentText",
    "Endpoint",
    "EngineError",
    "EngineEvent",
    "EngineScope",
    "FinishReason",
    "Formatter",
    "FunctionTool",
    "GenerateItem",
    "GrammarCompiler",
    "GrammarContext",
    "Guard",
    "Load",
    "Limit",
    "LogitsProcessor",
    "LogitsProcessorSpec",
    "Matcher",
    "ModelInfo",
    "ModelSpec",
    "OptionSpec",
    "Output",
    "OutputFilter",
    "Payload",
    "Policy",
    "PolicySpec",
    "PoolFormatter",
    "PoolItem",
    "PoolOutput",
    "PoolParams",
    "PoolTask",
    "PoolerSpec",
    "PoolingInfo",
    "PreparedGrammar",
    "ProcessorContext",
    "Prompt",
    "PromptEmbeds",
    "PromptLogprob",
    "ReasoningContext",
    "ReasoningParser",
    "ReasoningParserSpec",
    "ReasoningText",
    "Register",
    "Reply",
    "RequestError",
    "RequestFinished",
    "RequestReceived",
    "RequestView",
    "Route",
    "RowProcessor",
    "SampledLogprobs",
    "SamplingParams",
    "SchemaPart",
    "Search",
    "ServedModel",
    "ServerEvent",
    "Session",
    "Socket",
    "SocketClosed",
    "Speculator",
    "SpeculatorSpec",
    "StructuredOutputSpec",
    "TextStream",
    "TokenLogprob",
    "Tokenizer",
    "TruncationSide",
    "ToolEvent",
    "ToolParser",
    "ToolParserSpec",
    "Usage",
    "Work",
    "bad",
    "decode_body",
    "decode_json",
    "hookimpl",
]
