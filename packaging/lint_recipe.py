"""Renders the conda recipe for each Python, as a build would, and prints the variants; nothing is downloaded or built.

python packaging/lint_recipe.py

Run it through `make lint-recipe`, which installs py-rattler-build. A field that the format does not know is an error.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rattler_build import PlatformConfig, RenderConfig, Stage0Recipe, VariantConfig

RECIPE = Path(__file__).parent / "conda" / "recipe.yaml"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
# conda-forge sets these for all its recipes.
PINNINGS = {
    "python": list(PYTHONS),
    "c_compiler": ["gcc"],
    "cxx_compiler": ["gxx"],
    "c_stdlib": ["sysroot"],
    "c_stdlib_version": ["2.28"],
}


def main() -> None:
    """Render the recipe on the platform that it builds for."""
    platform = PlatformConfig(target_platform="linux-64", build_platform="linux-64", host_platform="linux-64")
    variants = Stage0Recipe.from_file(RECIPE).render(VariantConfig(PINNINGS), RenderConfig(platform))
    rendered = tuple(variant.variant["python"] for variant in variants)
    if rendered != PYTHONS:
        sys.exit(f"the recipe is rendered for Python {rendered}; {PYTHONS} are expected")
    for variant in variants:
        package = variant.recipe.package
        print(f"Python {variant.variant['python']}: {package.name} {package.version} {variant.recipe.build.string}")


if __name__ == "__main__":
    main()
