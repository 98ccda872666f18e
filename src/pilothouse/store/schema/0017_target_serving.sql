-- How targets are served that say so themselves: a port for gRPC, and the files of their tokens and of TLS.
CREATE TABLE target_serving (
  target_id       INTEGER PRIMARY KEY REFERENCES targets (id),
  grpc_port       INTEGER CHECK (grpc_port IS NULL OR grpc_port BETWEEN 1 AND 65535),
  tls_certificate TEXT NOT NULL DEFAULT '',
  tls_key         TEXT NOT NULL DEFAULT '',
  client_tokens   TEXT NOT NULL DEFAULT '',
  CHECK ((tls_certificate = '') = (tls_key = ''))
) STRICT;
