"""HTTP and JSON: strict parsing, and one canonical form for each request."""
