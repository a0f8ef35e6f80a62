"""Names, facts and phrasings, and how they are varied and split into trained on and kept out."""
