"""The commands that people run; what they print is computed apart from the cluster and the terminal."""
