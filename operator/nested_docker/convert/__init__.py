"""Conversion of hand-written ways to a Docker daemon into NestedDockers or the label of injection; no I/O.

Everything that is removed is either carried over, or named as a `Difference`.
"""
