"""A logits processor that makes words more likely, or bans them."""
