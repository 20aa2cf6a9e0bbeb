"""One loop for every method: it knows tasks, not methods."""
