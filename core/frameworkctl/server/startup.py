"""Models with their engines from the first process to the last: what serving and working in process begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from frameworkctl.config import Options
from frameworkctl.plugins import PluginHost
from frameworkctl.server.calls.service import Service
from frameworkctl.server.engines.supervisor import NurseryProcess, Supervisor
from frameworkctl.server.models.loading import engine_config, load_backends, load_model, models_to_serve
from frameworkctl.server.models.request_templates import template_workers

from .observers import Observers


@asynccontextmanager
async def started(options: Options, host: PluginHost, nursery: NurseryProcess) -> AsyncIterator[Service]:
    """Yield a service whose engines are being loaded (``service.supervisor.wait_ready`` waits for them); ended on
    leaving.

    Raises:
        ConfigError: a model cannot be found, read, or run.
    """
    models = [load_model(m, options, host) for m in models_to_serve(options, host)]
    load_backends(host, models)
    observers = Observers(host)  # now that every plugin is loaded
    supervisor = Supervisor(nursery, observers.tell, options.server.log_level)
    workers = template_workers()
    for model in models:
        model.workers = workers
    try:
        configs = [engine_config(m, options, len(models)) for m in models]
        # What is served when nobody asked for it must not make the first answer wait.
        await supervisor.start(configs, host.loaded(), first_alone=not options.models)
        for model, engine in zip(models, supervisor.engines, strict=True):
            model.engine = engine
        service = Service(options, host, models, supervisor, observers)
        try:
            yield service
        finally:
            service.lanes.shutdown()
    finally:
        await supervisor.stop()
        workers.close()
        for model in models:
            if model.constraints is not None:
                model.constraints.close()
        observers.close()
