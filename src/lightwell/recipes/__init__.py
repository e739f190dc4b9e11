"""What we train, one Python file for each model, and the code that finds recipes."""

from __future__ import annotations

import pkgutil
import runpy
from importlib import import_module

from lightwell.errors import LightwellError, RecipeError
from lightwell.models.registry import mark_imported
from lightwell.training.recipe import Recipe, refuse_unknown

__all__ = ["list_recipes", "load_recipe"]


def list_recipes() -> list[str]:
    """Names of the shipped recipes."""
    return [module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)]


def load_recipe(name: str) -> Recipe:
    """A shipped recipe by name, or the variable ``recipe`` of a Python file, which is run.

    Raises:
        RecipeError: when there is none, or it is wrong.
    """
    if name.endswith(".py"):
        try:
            recipe = runpy.run_path(name).get("recipe")
            mark_imported(name)
        except LightwellError:
            raise
        except Exception as error:
            raise RecipeError(f"{name}: {error}") from error
    else:
        refuse_unknown("recipe", name, list_recipes())
        recipe = import_module(f"lightwell.recipes.{name.replace('-', '_')}").recipe
    if not isinstance(recipe, Recipe):
        raise RecipeError(f"{name}: does not set the variable `recipe` to a Recipe")
    return recipe
