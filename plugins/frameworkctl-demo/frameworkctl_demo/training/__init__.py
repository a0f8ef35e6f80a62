"""Trains and measures the bundled demo chat model."""
