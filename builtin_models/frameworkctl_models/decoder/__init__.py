"""Decoders that differ from Llama by declared switches: one implementation, many architecture names."""
