"""The numbers of each experiment, one TOML file per trained model."""

from __future__ import annotations

from pathlib import Path

from midframe.core.errors import RecipeError

FOLDER = Path(__file__).parent


def shipped_recipes() -> list[str]:
    """Names of the recipes in this folder."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find_recipe(recipe: str | Path) -> Path:
    """A shipped recipe by its name, or any file.

    Raises:
        RecipeError: Neither exists.
    """
    if Path(recipe).suffix == ".toml" and Path(recipe).is_file():
        return Path(recipe)
    if str(recipe) in shipped_recipes():
        return FOLDER / f"{recipe}.toml"
    raise RecipeError(
        f"There is no recipe '{recipe}': it is neither a TOML file nor one of {', '.join(shipped_recipes())}."
    )
