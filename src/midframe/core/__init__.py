"""Values and contracts that every room shares. No networks, no files, no devices."""
