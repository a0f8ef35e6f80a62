"""Bodies before and after decoding: what they are made of, and names that nothing reads."""
