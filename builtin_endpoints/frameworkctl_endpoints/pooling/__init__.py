"""Embeddings, classes, scores and rankings: what the pooling API families are made of."""
