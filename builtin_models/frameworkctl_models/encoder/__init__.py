"""Encoders of the BERT kind: one implementation, many architecture names."""
