"""HTTP as the guard reads and writes it: one spelling for each request."""
