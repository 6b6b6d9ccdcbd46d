"""Whether a request is accepted, and as what."""
