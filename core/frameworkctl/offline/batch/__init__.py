"""``run-batch``: OpenAI batch files answered through the server's application, without a socket."""
