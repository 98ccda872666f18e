"""gRPC of the Open Inference Protocol, over HTTP/2 in the event loop of the process: messages, calls, connections."""
