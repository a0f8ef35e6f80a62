"""Runs the scheduler's plans: the persistent batch, the model's forward, sampling, weights and cache memory."""
