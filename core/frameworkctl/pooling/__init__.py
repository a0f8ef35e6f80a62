"""Pooling of a checkpoint: options, the files of sentence-transformers, the built-in poolers."""
