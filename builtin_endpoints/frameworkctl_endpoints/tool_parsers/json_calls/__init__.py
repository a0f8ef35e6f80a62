"""Formats in which a call is a JSON object, whatever stands around it."""
