"""Pooling methods of ``LLM``: embed, classify, score, encode."""
