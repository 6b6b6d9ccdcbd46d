"""Wires kopf: watches feed the router, the webhook calls the reviewer; neither writes to the cluster."""
