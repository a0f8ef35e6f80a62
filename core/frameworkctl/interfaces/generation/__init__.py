"""Interfaces of the parts that shape generated tokens: policies, processors, parsers, structured output."""
