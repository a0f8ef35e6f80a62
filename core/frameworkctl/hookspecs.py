"""Every hook, typed and documented: the one page a plugin writer reads.

No hook is called per token or per step, and none may be ``async``. Each docstring says when it is called, with what,
what it returns, what a failure does, and since which version it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from frameworkctl.interfaces.markers import hookspec

if TYPE_CHECKING:
    from frameworkctl_kernels.protocol import Backend, BackendSpec

    from frameworkctl.interfaces.engine import Model, ModelContext, Pooler

    from .interfaces import (
        Call,
        CheckpointSpec,
        CommandSpec,
        Endpoint,
        EngineEvent,
        Formatter,
        LogitsProcessorSpec,
        ModelSpec,
        OptionSpec,
        OutputFilter,
        Policy,
        PolicySpec,
        PoolerSpec,
        PoolFormatter,
        PoolingInfo,
        ReasoningParserSpec,
        Register,
        RequestFinished,
        RequestReceived,
        ServedModel,
        SpeculatorSpec,
        StructuredOutputSpec,
        ToolParserSpec,
        Work,
    )


# -- registration: once, when a plugin is loaded -------------------------------------------------------------------


@hookspec
def register_endpoints(register: Register[type[Endpoint]]) -> None:
    """Register API families.

    When: once at start-up, in the server. Arguments: ``register(EndpointClass)``. Failure: a family name or a route
    that is taken is refused with both origins; the plugin is left out, or start-up ends if it was named. Since: 0.1.
    """


@hookspec
def register_models(register: Register[ModelSpec]) -> None:
    """Register model architectures.

    When: once, in the server and in the engine, and only if an entry point of the plugin in ``frameworkctl.models`` has
    the name of the architecture to serve, or is called ``fallback.NAME`` and nobody has it. Arguments:
    ``register(ModelSpec(...))``. Failure: as above. Since: 0.1.
    """


@hookspec
def register_backends(register: Register[BackendSpec]) -> None:
    """Register compute backends (``--backend NAME``).

    When: once, in the server and in the engine. Arguments: ``register(BackendSpec(...))``. Failure: as above. Since:
    0.1.
    """


@hookspec
def register_checkpoints(register: Register[CheckpointSpec]) -> None:
    """Register checkpoints that a package carries, so that ``frameworkctl serve NAME`` finds them.

    When: once at start-up, in the server. Arguments: ``register(CheckpointSpec(...))``. Failure: as above. Since: 0.1.
    """


@hookspec
def register_logits_processors(register: Register[LogitsProcessorSpec]) -> None:
    """Register logits processors, which requests switch on by name.

    When: once, in the server and in the engine. Arguments: ``register(LogitsProcessorSpec(...))``. Failure: as above.
    Since: 0.1.
    """


@hookspec
def register_structured_output(register: Register[StructuredOutputSpec]) -> None:
    """Register ways to hold outputs to schemas and grammars (``--structured-output NAME``).

    When: once, in the server and in the engine. Arguments: ``register(StructuredOutputSpec(...))``. Failure: as above.
    Since: 0.1.
    """


@hookspec
def register_policies(register: Register[PolicySpec]) -> None:
    """Register scheduling policies (``--scheduling-policy NAME``).

    When: once, in the server and in the engine. Arguments: ``register(PolicySpec(...))``. Failure: as above. Since:
    0.1.
    """


@hookspec
def register_speculators(register: Register[SpeculatorSpec]) -> None:
    """Register speculators, which guess tokens for the model to verify (``--speculative-config '{"method": "NAME"}'``).

    When: once, in the server and in the engine. Arguments: ``register(SpeculatorSpec(...))``. Failure: as above. Since:
    0.1.
    """


@hookspec
def register_poolers(register: Register[PoolerSpec]) -> None:
    """Register poolers: ways to make vectors of hidden states (``--pooler-config '{"pooling_type": "NAME"}'``).

    When: once, in the server and in the engine. Arguments: ``register(PoolerSpec(...))``. Failure: as above. Since:
    0.1.
    """


@hookspec
def register_tool_parsers(register: Register[ToolParserSpec]) -> None:
    """Register formats of tool calls (``--tool-call-parser NAME``).

    When: once at start-up, in the server. Arguments: ``register(ToolParserSpec(...))``. Failure: as above. Since: 0.1.
    """


@hookspec
def register_reasoning_parsers(register: Register[ReasoningParserSpec]) -> None:
    """Register formats of reasoning (``--reasoning-parser NAME``).

    When: once at start-up, in the server. Arguments: ``register(ReasoningParserSpec(...))``. Failure: as above. Since:
    0.1.
    """


@hookspec
def register_options(register: Register[OptionSpec]) -> None:
    """Register options of ``serve``: a flag, a key of the config file and an environment variable each.

    When: once, before the command line is parsed. Arguments: ``register(OptionSpec(...))``. Failure: as above. Since:
    0.1.
    """


@hookspec
def register_commands(register: Register[CommandSpec]) -> None:
    """Register commands of the ``frameworkctl`` program.

    When: once, when the program starts. Arguments: ``register(CommandSpec(...))``. Failure: as above. Since: 0.1.
    """


# -- the stages of a request: in the server -------------------------------------------------------------------------


@hookspec(firstresult=True)
def parse_request(call: Call) -> Any | None:
    """Turn the body of a call into a request object.

    When: per request, on the event loop, or in a worker thread for a large body. Arguments: ``call`` (its ``endpoint``
    and ``route`` tell which family). Return: the request, or None for "not mine"; core's own implementation calls
    ``Endpoint.parse``. A wrapper may inspect, rewrite or refuse. Failure: RequestError reaches the client, anything
    else is a 500 that names the plugin. Since: 0.1.
    """


@hookspec(firstresult=True)
def render_prompt(request: Any, model: ServedModel, call: Call) -> Work | None:
    """Turn a request into prompts and parameters.

    When: per request, in a worker thread. Arguments: the request, its model, the call. Return: Work, or None for "not
    mine"; core's own implementation calls ``Endpoint.render``. Failure: as for ``parse_request``. Since: 0.1.
    """


@hookspec(firstresult=True)
def format_output(request: Any, work: Work, model: ServedModel, call: Call) -> Formatter | PoolFormatter | None:
    """Make the formatter that turns outputs into the answer.

    When: per request, before the first output. Arguments: the request, its work, its model, the call. Return: a
    Formatter, or a PoolFormatter where texts are pooled, or None for "not mine"; core's own implementation calls
    ``Endpoint.format``. Failure: as above. Since: 0.1.
    """


@hookspec
def filter_output(request: Any, model: ServedModel, call: Call) -> OutputFilter | None:
    """Stand between the detokenizer and the formatter of every family.

    When: per request. Arguments: the request, its model, the call. Return: an OutputFilter, or None to stay out;
    filters run in the order in which their plugins were loaded. ``request`` is None for endpoints that handle a call
    without the stages. Failure: what a filter raises ends the request with a 500 that names the plugin; nothing passes
    unfiltered. Since: 0.1.
    """


# -- making what was registered: once per engine --------------------------------------------------------------------


@hookspec(firstresult=True)
def create_policy(name: str, options: dict[str, Any]) -> Policy | None:
    """Make the scheduling policy of an engine.

    When: once per engine, in the engine. Arguments: the name asked for; the values of plugins' options. Return: a
    Policy, or None for "not mine"; core's own implementation instantiates what was registered. Failure: the engine
    does not start. Since: 0.1.
    """


@hookspec(firstresult=True)
def create_model(spec: ModelSpec, config: dict[str, Any], ctx: ModelContext) -> Model | None:
    """Make the model of an engine, without weights.

    When: once per engine, in the engine. Arguments: the registered spec, the checkpoint's config.json, what layers are
    built with. Return: a Model, or None for "not mine"; core's own implementation instantiates ``spec.implementation``.
    Failure: the engine does not start. Since: 0.1.
    """


@hookspec(firstresult=True)
def create_backend(spec: BackendSpec, device: str) -> Backend | None:
    """Make the compute backend of an engine.

    When: once per engine, in the engine. Arguments: the registered spec, the device (``cpu``, ``cuda:0``). Return: a
    Backend, or None for "not mine"; core's own implementation instantiates ``spec.implementation``. Failure: the engine
    does not start. Since: 0.1.
    """


@hookspec(firstresult=True)
def create_pooler(name: str, info: PoolingInfo) -> Pooler | None:
    """Make a pooler of an engine.

    When: once per engine and name, in the engine. Arguments: the name that the model or ``--pooler-config`` asks for;
    how the model pools. Return: a Pooler, or None for "not mine"; core's own implementation instantiates what was
    registered. Failure: the engine does not start. Since: 0.1.
    """


# -- observation: as it happens, on a thread of its own -------------------------------------------------------------


@hookspec
def request_received(event: RequestReceived) -> None:
    """Observe a call that passed authentication. When: per request, on the observers' thread. Failure: logged.
    Since: 0.1.
    """


@hookspec
def request_finished(event: RequestFinished) -> None:
    """Observe the end of a call, however it ended. When: per request, on the observers' thread. Failure: logged.
    Since: 0.1.
    """


@hookspec
def engine_started(event: EngineEvent) -> None:
    """Observe an engine that is ready. When: at its start and at every restart, on the observers' thread. Failure:
    logged. Since: 0.1.
    """


@hookspec
def engine_failed(event: EngineEvent) -> None:
    """Observe the death of an engine. When: as it happens, on the observers' thread. Failure: logged. Since: 0.1."""
