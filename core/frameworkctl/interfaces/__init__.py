"""The public names for plugin writers that need no torch; ``frameworkctl.interfaces.engine`` has the rest."""

from __future__ import annotations

from .. import __version__ as VERSION
from ..errors import ConfigError, EngineError, RequestError
from ..params import SamplingParams
from .commands import CommandSpec, OptionSpec
from .decoding import decode_body, decode_json
from .endpoint import (
    Call,
    Endpoint,
    EngineScope,
    FinishReason,
    Formatter,
    GenerateItem,
    Output,
    OutputFilter,
    Payload,
    Prompt,
    Reply,
    Route,
    SampledLogprobs,
    ServedModel,
    ServerEvent,
    Session,
    Socket,
    SocketClosed,
    Tokenizer,
    TokenLogprob,
    Usage,
    Work,
)
from .logits import LogitsProcessor, LogitsProcessorSpec, ProcessorContext, RowProcessor
from .markers import API_VERSION, Register, hookimpl
from .model import Checkpoint, CheckpointSpec, ModelInfo, ModelSpec
from .observation import EngineEvent, RequestFinished, RequestReceived
from .scheduling import Load, Policy, PolicySpec, RequestView
from .structured import Constraint, GrammarCompiler, GrammarContext, Matcher, StructuredOutputSpec

__all__ = [
    "API_VERSION",
    "VERSION",
    "Call",
    "Checkpoint",
    "CheckpointSpec",
    "CommandSpec",
    "ConfigError",
    "Constraint",
    "Endpoint",
    "EngineError",
    "EngineEvent",
    "EngineScope",
    "FinishReason",
    "Formatter",
    "GenerateItem",
    "GrammarCompiler",
    "GrammarContext",
    "Load",
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
    "ProcessorContext",
    "Prompt",
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
    "ServedModel",
    "ServerEvent",
    "Session",
    "Socket",
    "SocketClosed",
    "StructuredOutputSpec",
    "TokenLogprob",
    "Tokenizer",
    "Usage",
    "Work",
    "decode_body",
    "decode_json",
    "hookimpl",
]
