"""From a request and the observed objects to the next writes."""
