"""What a checkpoint pools, and how: options, the files of sentence-transformers, the built-in poolers."""
