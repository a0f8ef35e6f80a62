"""gpt-oss: attention with sinks, and experts with clamped gates."""
