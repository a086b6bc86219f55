"""The texts that code builds: string literals, without comments and docstrings."""

from __future__ import annotations

import ast
import re
from pathlib import Path

GAP = "\0"
"""Stands for a value that is put into a text."""

_CPP_PIECE = re.compile(r'"((?:[^"\\\n]|\\.)*)"|//[^\n]*|/\*.*?\*/|(;)|([^\s"/;]+|/)', re.DOTALL)


def messages_of(path: Path) -> list[str]:
    """One text for each string expression of a Python file, or for each statement of a C++ file."""
    text = path.read_text(encoding="utf-8")
    return _python(ast.parse(text)) if path.suffix == ".py" else _cpp(text)


def _python(tree: ast.Module) -> list[str]:
    ignored = set()
    messages = []
    for node in ast.walk(tree):  # outer nodes first
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            ignored.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            ignored.update(node.values)
            messages.append("".join(v.value if isinstance(v, ast.Constant) else GAP for v in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in ignored:
            messages.append(node.value)
    return messages


def _cpp(text: str) -> list[str]:
    """Literals of a statement one after the other, with a gap where something stands between them."""
    messages, statement = [], ""
    for literal, end, other in _CPP_PIECE.findall(text):
        if end:
            messages.append(statement)
            statement = ""
        elif other:
            statement += "" if statement.endswith(GAP) else GAP
        else:
            statement += literal
    return [message for message in messages if message.strip(GAP)]
