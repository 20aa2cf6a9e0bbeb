from pathlib import Path

import pytest

from midframe.core.errors import RecipeError
from midframe.core.recipe import read_recipe
from midframe.methods.rife.train import RifeRecipe

RECIPES = Path(__file__).parents[2] / "src/midframe/recipes"
GOOD = (RECIPES / "rife.toml").read_text()


@pytest.mark.parametrize("name", sorted(path.name for path in RECIPES.glob("rife*.toml")))
def test_every_shipped_recipe_reads(name: str):
    recipe = read_recipe(RECIPES / name, RifeRecipe)
    assert recipe.stages[-1].until >= recipe.schedule.steps


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("learning_rate =", "learning_rat ="), "Did you mean 'learning_rate'"),
        (("warm_up = 300", 'warm_up = "many"'), r"schedule.warm_up must be int; got 'many'"),
        (("steps = 13800", ""), "'steps' is missing"),
        (("until = 13800", "until = 6000"), "stages must end at ascending steps"),
        (("[stages.samples]\n", "[stages.samples]\ncontext = 2\n"), "learns from 2 input frames.* need context = 1"),
        (("[schedule]", "[schedule"), "is not TOML"),
        (("synthetic = 0.2", "synthetic = 2.0"), r"share in \[0, 1\]; got 2.0"),
        (("clip = 1.0", "clip = true"), "clip must be float; got True"),
    ],
)
def test_a_mistake_is_named_by_its_path(change: tuple[str, str], message: str, tmp_path: Path):
    assert change[0] in GOOD
    path = tmp_path / "wrong.toml"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(RecipeError, match=message):
        read_recipe(path, RifeRecipe)


def test_a_missing_file_is_one_sentence(tmp_path: Path):
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        read_recipe(tmp_path / "none.toml", RifeRecipe)
