"""Served models as the server sees them: tokenizer, templates, prompts, sampling parameters, limits."""
