"""Who imports whom in openmm_polarmp, read from the syntax trees: nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path

PACKAGE = "openmm_polarmp"
COMPILED = f"{PACKAGE}._polarmp"
"""The extension module: it has no Python file, but it is imported like the others."""


@dataclass(frozen=True)
class Import:
    """One import of a module of the package by another.

    Attributes
    ----------
    importer, target : str
        Dotted names of the two modules.
    name : str
        Dotted name of what is imported: the target, or a member of it.
    line : int
        Where the statement stands in the importer's file.
    at_load : bool
        Whether it is executed when the importer is loaded; otherwise it stands in a function, or is a name of the
        package's ``lazy_attributes``.
    """

    importer: str
    target: str
    name: str
    line: int
    at_load: bool


def modules(root: Path) -> dict[str, Path]:
    """Dotted names of all modules of the package below ``root`` and their files."""
    result = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        result[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return result


def imports(files: dict[str, Path]) -> list[Import]:
    """All imports within the package, apart from those for type checkers only."""
    found = []
    for importer, path in files.items():
        for node, at_load in _statements(ast.parse(path.read_text(encoding="utf-8")), at_load=True):
            for name in _imported_names(node, importer):
                target = name if name in files or name == COMPILED else name.rpartition(".")[0]
                if target in files or target == COMPILED:
                    loads = at_load and not isinstance(node, ast.Call)
                    found.append(Import(importer, target, name, node.lineno, loads))
                elif name.split(".")[0] == PACKAGE:
                    raise ValueError(f"{path}:{node.lineno}: no module {target!r}")
    return found


def room(module: str) -> str:
    """The subpackage or top-level module that a module belongs to; ``__init__`` is the package itself."""
    return module.split(".")[1] if "." in module else "__init__"


def private_to(name: str, files: dict[str, Path]) -> str | None:
    """The package inside of which a dotted name may be used: that of its first part with an underscore, or None."""
    parts = name.split(".")
    for i, part in enumerate(parts):
        if part.startswith("_") and not part.endswith("__"):
            owner = ".".join(parts[:i])
            return owner if files[owner].name == "__init__.py" else owner.rpartition(".")[0]
    return None


def circles(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Closed chains of imports, each once, the first module repeated at its end."""
    graph: dict[str, set[str]] = {}
    for start, end in edges:
        graph.setdefault(start, set()).add(end)
    found, finished = [], set()

    def follow(module: str, chain: list[str]) -> None:
        if module in chain:
            found.append([*chain[chain.index(module) :], module])
        elif module not in finished:
            for following in sorted(graph.get(module, ())):
                follow(following, [*chain, module])
            finished.add(module)

    for module in sorted(graph):
        follow(module, [])
    return found


def _statements(node: ast.AST, at_load: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Import statements and calls below a node, and whether they run when the module is loaded."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for statement in child.orelse:
                yield from _statements(ast.Module([statement], []), at_load)
            continue
        if isinstance(child, (ast.Import, ast.ImportFrom, ast.Call)):
            yield child, at_load
        inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from _statements(child, at_load and not inside)


def _imported_names(node: ast.AST, importer: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE]
    if isinstance(node, ast.ImportFrom):
        if node.level:
            raise ValueError(f"{importer}, line {node.lineno}: relative import; the package imports by full names")
        if (node.module or "").split(".")[0] == PACKAGE:
            return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "lazy_attributes":
        # lazy_attributes(__name__, {"name": ".module"}): the modules are relative to the importing package
        return [resolve_name(value.value, importer) for value in node.args[1].values]
    return []
