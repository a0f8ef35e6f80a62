"""JSON Schemas before they are compiled: read, bounded, rewritten, loosened."""
