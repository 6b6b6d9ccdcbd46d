"""Reads and writes YAML as kubectl does."""
