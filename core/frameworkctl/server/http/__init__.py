"""HTTP and WebSocket: application, keys, routes, replies. The only folder that knows litestar."""
