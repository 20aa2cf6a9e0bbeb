"""`python -m midframe.cli`, for an environment whose scripts are not on the path."""

from midframe.cli import main

main()
