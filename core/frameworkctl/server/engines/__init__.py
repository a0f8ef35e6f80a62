"""The server's side of its engines: supervision, connections, streams of results."""
