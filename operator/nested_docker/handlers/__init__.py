"""kopf wiring: watches feed the router, and write nothing."""
