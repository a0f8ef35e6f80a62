"""Measuring: load for any OpenAI-compatible server, batches in process, starts; results as tables, JSON and charts."""
