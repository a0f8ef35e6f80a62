"""Jamba: Mamba layers with an attention layer now and then, and a mixture of experts in some of them."""
