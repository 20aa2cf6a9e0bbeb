"""Objectives that two methods or more use."""
