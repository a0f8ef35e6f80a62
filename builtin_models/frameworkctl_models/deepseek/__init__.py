"""DeepSeek-V2 and V3: latent attention, and experts chosen by groups."""
