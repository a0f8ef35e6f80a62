"""Checkpoints on disk and on the Hub: json files, tokenizer files, sampling defaults. Torch-free."""
