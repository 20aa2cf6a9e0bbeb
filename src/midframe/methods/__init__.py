"""One folder per published method. Methods do not import each other."""
