"""The public contract: what users and admins write, and what the operator answers in status."""
