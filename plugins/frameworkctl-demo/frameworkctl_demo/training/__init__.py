"""Trains and measures the bundled demo models."""
