"""Architectures without native code, run through Hugging Face modules over the paged cache."""
