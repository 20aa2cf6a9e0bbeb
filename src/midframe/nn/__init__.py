"""Layers, trunks of classifiers, and networks on disk, that two methods or more use."""
