"""What is attached to a request and to its approvals: documents, and conditions."""
