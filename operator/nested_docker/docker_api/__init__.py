"""A small client for the Docker API: one request, one whole answer, one error type."""
