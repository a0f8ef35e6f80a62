"""Compiles the C++ kernels, keeps the library, and tests it before use."""
