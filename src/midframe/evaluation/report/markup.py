"""HTML and SVG as values: whatever is not markup already is escaped."""

from __future__ import annotations

from html import escape

WITHOUT_CONTENT = ("img", "input")


class Markup(str):
    """Text that is HTML, and goes into a page as it is."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: object) -> Markup:
    """An element.

    Args:
        name: Of the element.
        children: Markup, or text to escape.
        attributes: `class_` and the like lose their final underscore, other underscores become hyphens; True stands
            alone, False and None leave the attribute out.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in WITHOUT_CONTENT:
        assert not children
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str, between: str = "") -> Markup:
    """Children side by side."""
    return Markup(between.join(child if isinstance(child, Markup) else escape(child) for child in children))


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    if value is False or value is None:
        return ""
    return f' {name}="{escape(str(value))}"'
