"""`midframe methods`: what can be asked for by name."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def methods() -> None:
    """List the methods: what each is, the paper behind it, and whether its weights ship with this version."""
    from midframe import api  # Imports PyTorch: not before a command needs it.
    from midframe.weights import catalogue

    table = Table("name", "what it does", "source", "weights", box=None)
    for name, registration in api.methods().items():
        if not registration.has_network:
            weights = "needs none"
        elif registration.finder:
            weights = "your own"
        else:
            weights = "shipped" if name in catalogue() else "not shipped"
        table.add_row(name, registration.summary, registration.source or "a formula", weights)
    Console().print(table)
