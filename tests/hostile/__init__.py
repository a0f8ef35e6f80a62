"""A corpus of hostile requests, and what must hold while a server answers it."""
