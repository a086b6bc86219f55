"""The prose inside of code: comments and docstrings, with the markers of lines taken away."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

_BLOCK = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_HASH = re.compile(r"(?:^|\s)#[^\n]*")
_MARKER = re.compile(r"^[ \t]*(?:#+|//+|/\*+|\*+(?!/)|\*/)?[ \t]?", re.MULTILINE)


def prose_of(path: Path) -> str:
    """All comments and docstrings of a file as one text, whose words are separated by single spaces."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        pieces = _python(text)
    elif path.suffix in (".cc", ".cpp", ".h", ".c"):
        pieces = _BLOCK.findall(text)
    else:
        pieces = _HASH.findall(text)
    return re.sub(r"\s+", " ", " ".join(_MARKER.sub("", piece) for piece in pieces))


def _python(text: str) -> list[str]:
    """Comments, and all strings that stand alone: docstrings of modules, functions and attributes."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    pieces = [token.string for token in tokens if token.type == tokenize.COMMENT]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            pieces.append(node.value.value)
    return pieces
