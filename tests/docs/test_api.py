"""The pages of the API hold everything public, and numbers have their units."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

griffe = pytest.importorskip("griffe")

ROOT = Path(__file__).parents[2]
PACKAGES = ("", ".analysis", ".electrostatics", ".hosts", ".models", ".reporters", ".training", ".view")
UNIT = re.compile(
    r"(?<![\w^'])(?:nm|ps|fs|K|D|V|e|eV|meV|kJ/mol|Da|1/A|1/cm|1/nm|minutes)(?!\w)|e\^2|A\^3|nm\^3"
    r"|\bA(?! ?\w)|\b(?:e|eV|in|of|V/|eV/) ?A\b"  # an angstrom, not an article
)
OF_NUMBERS = re.compile(r"^(?!.*callable).*(?:float|array|tensor|quantity)", re.IGNORECASE)
WITHOUT_UNIT = set(
    "batch pbc periodic chosen known groups species numbers elements atomic_numbers edge_index edge_shifts sizes particles "
    "pairs kind molecules multiplicity epsilon scale scaling embeddingScale field_scale differences features validation "
    "test accuracy tolerance eps_inf eps_infinity eps_e independent overlap weights average_neighbors host_rate "
    "learning_rate clip ema density_limit".split()
)
"""Indices, atomic numbers, factors, and shares: arguments whose names mean such a thing everywhere."""
OF_ANY_UNIT = re.compile(
    r"\bAs (?:in|for) `|unit of|values of any shape|any unit|without a unit|The signal|correlations of|in ``unit``",
    re.IGNORECASE,
)
"""Descriptions that stand elsewhere, and analyses of values of any unit."""


@pytest.fixture(scope="module")
def documented():
    """What the pages name, with the members that they show."""
    loader = griffe.GriffeLoader(search_paths=[str(ROOT)], docstring_parser="numpy")
    package = loader.load("openmm_polarmp", submodules=True)
    names = [
        name
        for page in sorted((ROOT / "docs" / "api").glob("*.md"))
        for name in re.findall(r"^::: openmm_polarmp\.(\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(names) == len(set(names)) > 50
    items = {}

    def add(item):
        if not item.is_alias and (item.is_function or item.is_class or item.is_module):
            items[item.path] = item
            for name, member in item.members.items():
                if not name.startswith("_") and not member.is_alias and not member.is_module:
                    add(member)

    for name in names:
        item = package[name]
        add(item.final_target if item.is_alias else item)
    return items


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_public_is_on_a_page(documented, package):
    module = importlib.import_module(f"openmm_polarmp{package}")
    public = [
        value
        for value in (getattr(module, name) for name in module.__all__)
        if inspect.isroutine(value) or inspect.isclass(value)
    ]
    missing = [v.__name__ for v in public if f"{v.__module__}.{v.__qualname__}" not in documented]
    assert not missing, f"openmm_polarmp{package}: {missing} are public, but on no page of docs/api"


def described(item):
    """Names and texts of the arguments and attributes that a docstring describes; a text without type has the name only."""
    for section in [] if item.docstring is None else item.docstring.parsed:
        if section.kind.value in ("parameters", "attributes"):
            for entry in section.value:
                yield from ((name.strip(), str(entry.annotation), entry.description) for name in entry.name.split(","))


def without_units(item):
    """Arguments and attributes that are numbers, but have no unit."""
    whole = "" if item.docstring is None else item.docstring.value
    seen = set()
    for name, kind, text in described(item):
        seen.add(name)
        if (
            OF_NUMBERS.search(kind)
            and name not in WITHOUT_UNIT
            and not UNIT.search(f"{kind} {text}")
            and not OF_ANY_UNIT.search(text)
        ):
            yield name
    for parameter in item.parameters if item.is_function else []:
        kind = str(parameter.annotation or "")
        if (
            parameter.name not in seen | WITHOUT_UNIT
            and OF_NUMBERS.search(kind)
            and not UNIT.search(whole)
            and not OF_ANY_UNIT.search(whole)
        ):
            yield parameter.name


def test_numbers_have_units(documented):
    wrong = [f"{path}: {name}" for path, item in documented.items() for name in without_units(item)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_everything_on_the_pages_is_described(documented):
    bare = [path for path, item in documented.items() if item.docstring is None]
    assert not bare, bare


def test_missing_units_are_noticed(tmp_path):
    (tmp_path / "made_up").mkdir()
    (tmp_path / "made_up" / "__init__.py").write_text(
        'def f(edge: float, tolerance: float, width: float, n: int = 1):\n    """Box.\n\n    Parameters\n    ----------\n'
        '    edge : float\n        Of the box.\n    tolerance : float\n        Relative.\n    width : float\n        In nm.\n    """\n'
        'def g(edge: float):\n    """The box."""\ndef h(edge: float):\n    """A box whose edge is in nm."""\n'
    )
    module = griffe.GriffeLoader(search_paths=[str(tmp_path)], docstring_parser="numpy").load("made_up")
    assert [list(without_units(module[name])) for name in "fgh"] == [["edge"], ["edge"], []]
