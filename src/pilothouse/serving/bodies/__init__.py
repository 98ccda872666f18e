"""Forms of requests and answers: tensors, records, csv and what the clients that people have send."""
