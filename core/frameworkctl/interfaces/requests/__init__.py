"""Requests and answers as data: bodies into Structs, prompts, outputs, and the filters that texts pass."""
