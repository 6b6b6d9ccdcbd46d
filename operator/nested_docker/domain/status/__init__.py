"""Conditions, their reasons, and the Events that report them."""
