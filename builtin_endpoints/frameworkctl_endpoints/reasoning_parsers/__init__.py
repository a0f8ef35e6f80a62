"""Formats of reasoning, a file for each."""
