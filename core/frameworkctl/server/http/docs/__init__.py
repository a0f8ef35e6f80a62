"""``/docs`` and ``/openapi.json``."""
