"""What the guard asks of the daemon and keeps count of there."""
