"""Model architectures: each family declared torch-free and implemented beside it."""
