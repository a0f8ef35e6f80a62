"""Generation without a listening server: the Python API, and batch files."""
