"""The built-in commands, one file or folder each."""
