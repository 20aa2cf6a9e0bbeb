"""Layers, and networks on disk, that two methods or more use."""
