"""Pure tensor functions: warping, flow arithmetic, padding, pyramids."""
