"""HTTP: the server, its bounds, TLS and tokens, bodies and answers."""
