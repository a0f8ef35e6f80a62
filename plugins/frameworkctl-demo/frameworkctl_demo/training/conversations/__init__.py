"""Makes the conversations of the demo model, and their tokens."""
