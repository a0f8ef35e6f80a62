"""Formats in which tags or tokens stand around a call's name and arguments."""
