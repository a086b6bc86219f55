"""The rooms of the package and the arrows between them are those of docs/design.md; nothing private, no circle."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
from support.imports import COMPILED, circles, imports, modules, private_to, room

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "design.md"
FILES = modules(ROOT)
IMPORTS = imports(FILES)


def test_nothing_private_is_imported_from_outside_of_its_package():
    violations = []
    for i in IMPORTS:
        owner = private_to(i.name, FILES)
        if owner is not None and i.importer != owner and not i.importer.startswith(owner + "."):
            violations.append(f"{FILES[i.importer].relative_to(ROOT)}:{i.line} imports {i.name}, private to {owner}")
    assert not violations, "\n" + "\n".join(violations)


def test_no_circle_of_imports_between_modules():
    found = circles((i.importer, i.target) for i in IMPORTS if i.at_load)
    assert not found, "modules that import each other when they are loaded:\n" + "\n".join(map(" -> ".join, found))


def documented_rooms() -> dict[str, tuple[set[str], set[str]]]:
    """For each row of the map: rooms that it imports when it is loaded, and those that only functions of it import."""
    table: dict[str, tuple[set[str], set[str]]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and re.fullmatch(r"`\w+`", cells[0]):
            name = cells[0].strip("`")
            assert name not in table, f"docs/design.md has two rows for the room {name}"
            table[name] = tuple(set(re.findall(r"`(\w+)`", cell)) for cell in cells[2:])
    return table


def real_rooms() -> dict[str, tuple[set[str], set[str]]]:
    at_load, later = defaultdict(set), defaultdict(set)
    for i in IMPORTS:
        if room(i.importer) != room(i.target):
            (at_load if i.at_load else later)[room(i.importer)].add(room(i.target))
    names = {room(module) for module in FILES} | {room(COMPILED)}
    return {name: (at_load[name], later[name] - at_load[name]) for name in sorted(names)}


def test_the_map_names_every_room():
    assert set(documented_rooms()) == set(real_rooms())


def test_the_map_stands_in_the_order_of_layers():
    order = list(documented_rooms())
    upwards = [
        f"{i.importer} (line {i.line}) imports {i.target}"
        for i in IMPORTS
        if i.at_load and order.index(room(i.importer)) < order.index(room(i.target))
    ]
    assert not upwards, "imports of a higher layer at load:\n" + "\n".join(upwards)


@pytest.mark.parametrize("name", sorted(real_rooms()))
def test_the_arrows_of_the_map_are_the_real_ones(name):
    documented, real = documented_rooms().get(name), real_rooms()[name]
    assert documented is not None, f"docs/design.md has no row for the room {name}"
    messages = []
    for column, there, here in zip(("at load", "inside functions"), documented, real, strict=True):
        messages += [f"{name} imports {other} {column}: not in docs/design.md" for other in sorted(here - there)]
        messages += [
            f"{name} does not import {other} {column}, as docs/design.md says" for other in sorted(there - here)
        ]
    row = " | ".join(", ".join(f"`{other}`" for other in sorted(column)) for column in real)
    assert not messages, "\n".join([*messages, f"the last two columns of its row should be: {row} |"])


def test_the_reader_of_imports_sees_what_it_should(tmp_path):
    """A small package with one violation of each kind."""
    package = tmp_path / "openmm_polarmp"
    texts = {
        "__init__.py": "__getattr__ = lazy_attributes(__name__, {'x': '.a'})\n",
        "a/__init__.py": "from openmm_polarmp.b import c\nfrom openmm_polarmp import _polarmp\n",
        "a/_hidden.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from openmm_polarmp import b\n",
        "b/__init__.py": "",
        "b/c.py": "import openmm_polarmp.a\ndef f():\n    from openmm_polarmp.a import _hidden\n    return _hidden\n",
    }
    for name, text in texts.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text, encoding="utf-8")
    files = modules(tmp_path)
    seen = {(i.importer, i.target, i.at_load) for i in imports(files)}
    a, c = "openmm_polarmp.a", "openmm_polarmp.b.c"
    assert seen == {
        ("openmm_polarmp", a, False),
        (a, c, True),
        (a, COMPILED, True),
        (c, a, True),
        (c, "openmm_polarmp.a._hidden", False),
    }
    assert circles((i.importer, i.target) for i in imports(files) if i.at_load) == [[a, c, a]]
    assert private_to("openmm_polarmp.a._hidden", files) == a
    assert private_to("openmm_polarmp.b.c._name", files) == "openmm_polarmp.b"
    assert private_to(COMPILED, files) == "openmm_polarmp"
    assert room(c) == "b" and room("openmm_polarmp") == "__init__"
