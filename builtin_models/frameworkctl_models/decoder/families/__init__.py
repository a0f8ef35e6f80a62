"""Families of decoders: which name belongs to which, and how each config.json becomes a DecoderConfig. Torch-free."""
