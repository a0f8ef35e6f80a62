"""Formats in which a call is written as in Python."""
