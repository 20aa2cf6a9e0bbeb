"""Data sets that read what is on disk, the clip bank, and the synthetic scene renderer."""
