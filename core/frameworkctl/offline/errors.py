"""Exceptions for Python code in place of HTTP errors, with the same words."""

from __future__ import annotations

from frameworkctl.errors import ConfigError, RequestError


class InvalidRequest(RequestError, ValueError):
    """A prompt or parameter that cannot be served; ``param`` names it, ``code`` is a word to switch on."""


class InvalidOption(ConfigError, ValueError):
    """An option of ``LLM``, or a model, that cannot be used."""


def as_value_error(error: RequestError) -> RequestError:
    """Return the same error as a ValueError where the caller can mend it; the engine's own failures as they are."""
    if error.status >= 500 or isinstance(error, ValueError):
        return error
    return InvalidRequest(error.message, param=error.param, code=error.code, status=error.status, type=error.type)
