"""Reading and writing video with PyAV, the only room that imports it."""
