"""What is attached to a request and to its approvals: documents, conditions, the replay that a policy asks for."""
