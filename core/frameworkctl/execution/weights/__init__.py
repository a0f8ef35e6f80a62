"""Weights on their way from a checkpoint's files to the model."""
