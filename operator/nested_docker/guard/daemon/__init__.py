"""What the guard looks up at the Docker daemon: owners, quotas, and the objects to remove."""
