"""The machinery: what has been seen, what is to be looked at, and carrying plans out."""
