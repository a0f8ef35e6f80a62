"""The HTTP process: Litestar application, the life of a request, and the models it serves. Torch-free."""
