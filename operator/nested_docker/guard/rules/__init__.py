"""What each Docker API route allows, by kind of object."""
