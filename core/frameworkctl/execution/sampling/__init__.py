"""From logits to tokens: masks, penalties, logits processors, drawing, logprobs."""
