"""Engine processes: the client the server holds, the messages between them, the loop, and who looks after them."""
