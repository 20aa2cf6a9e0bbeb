"""Recipes: TOML files read into nested frozen dataclasses, with every mistake named by its path."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import types
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from midframe.core.errors import MidframeError, RecipeError, WriteError

Recipe = TypeVar("Recipe")


def read_recipe(path: Path, kind: type[Recipe]) -> Recipe:
    """Read a TOML file as a dataclass.

    Args:
        path: The file.
        kind: A dataclass; its fields may be dataclasses, tuples, numbers, fractions (written as "1/2"), strings,
            booleans, or None.

    Raises:
        RecipeError: The file is missing or no TOML; or a key is unknown (the nearest is named), missing, or of
            another type; or the values contradict each other.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}.") from error
    return build(kind, content, path.name)


def write_recipe(path: Path, values: Mapping[str, Any]) -> None:
    """Write plain values, such as `dataclasses.asdict` of a recipe gives, so that `read_recipe` reads them.

    Args:
        path: The file.
        values: Numbers, text, truth values, fractions, lists of these, and mappings of all that; None is left out.

    Raises:
        WriteError: The file cannot be written.
    """
    try:
        path.write_text("\n".join(_lines(values, ())) + "\n", encoding="utf-8")
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error.strerror or error}.") from error


def _lines(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    tables = {name: value for name, value in values.items() if isinstance(value, Mapping)}
    plain = {name: value for name, value in values.items() if value is not None and name not in tables}
    lines = [f"[{'.'.join(path)}]"] if path else []
    lines += [f"{name} = {_text(value)}" for name, value in plain.items()]
    for name, table in tables.items():
        lines += _lines(table, (*path, name))
    return lines


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text, value))}]"
    # JSON writes numbers, truth values and quoted text as TOML does.
    return json.dumps(str(value) if isinstance(value, Fraction) else value)


def build(kind: type[Recipe], values: Mapping[str, Any], where: str) -> Recipe:
    """Fill a dataclass from plain values; arguments and errors as in `read_recipe`."""
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]
    for key in values:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(fields)}."
            raise RecipeError(f"{where}: there is no '{key}'.{hint}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise RecipeError(f"{where}: '{name}' is missing.")
    filled = {key: _value(hints[key], value, f"{where}.{key}") for key, value in values.items()}
    try:
        return kind(**filled)
    except RecipeError:
        raise
    except MidframeError as error:
        raise RecipeError(f"{where}: {error}") from error


def _value(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where} must be a table; got {value!r}.")
        return build(kind, value, where)
    if origin in (Union, types.UnionType):
        return _first_that_fits(get_args(kind), value, where)
    if origin is tuple:
        return _tuple(get_args(kind), value, where)
    if origin is Literal:
        if value not in get_args(kind):
            raise RecipeError(f"{where} must be one of {', '.join(map(repr, get_args(kind)))}; got {value!r}.")
        return value
    if kind is Fraction:
        return _fraction(value, where)
    return _plain(cast(type, kind), value, where)


def _fraction(value: Any, where: str) -> Fraction:
    """TOML has no exact fractions: they are written as text."""
    try:
        return Fraction(_plain(str, value, where))
    except (ValueError, ZeroDivisionError) as error:
        raise RecipeError(f"{where} must be a fraction such as '1/2'; got {value!r}.") from error


def _plain(kind: type, value: Any, where: str) -> Any:
    """A number, text or truth value; a whole number is a fine float, a boolean is no number."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        raise RecipeError(f"{where} must be {kind.__name__}; got {value!r}.")
    return value


def _first_that_fits(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    problems = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _value(kind, value, where)
        except RecipeError as error:
            problems.append(str(error))
    raise RecipeError(" / ".join(problems))


def _tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise RecipeError(f"{where} must be a list; got {value!r}.")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise RecipeError(f"{where} must have {len(kinds)} entries; got {len(value)}.")
    return tuple(
        _value(kind, item, f"{where}[{index}]") for index, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )
