"""Attention layers and rotary position embeddings."""
