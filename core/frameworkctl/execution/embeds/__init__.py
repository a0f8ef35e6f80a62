"""Prompts given as embeddings: files read into rows, rows placed in a batch."""
