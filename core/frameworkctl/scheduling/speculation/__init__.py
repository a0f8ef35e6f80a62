"""Drafts of future tokens for the next step to verify."""
