"""Engine processes: messages and their framing, the nursery that forks them, and the loop of each."""
