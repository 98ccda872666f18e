"""The use cases, the only door for console, command line and daemon.

Every operation is ``verb(services, actor, …)``: permission, policy, change and audit row, in one transaction.
"""
