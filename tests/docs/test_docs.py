"""The site builds; links, messages, commands, keywords, variables and code on the pages are those of the package."""

import argparse
import ast
import builtins
import dataclasses
import importlib
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.literals import messages_of

from openmm_polarmp import FixedMultipoles, PolarMPForce, mlpotential
from openmm_polarmp.commands import COMMANDS
from openmm_polarmp.sources.options import SourceOptions

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
PROSE = [*PAGES, ROOT / "examples" / "gpu" / "README.md", *sorted(ROOT.glob(".github/**/*.md"))]
SOURCES = [*ROOT.glob("openmm_polarmp/**/*.py"), *ROOT.glob("plugin_cpp/**/*.cpp")]
LONGEST_LINE = 120
RUN_ELSEWHERE = {"use-in-your-own-code.md"}
"""Pages whose code needs packages of others: tests/hosts and tests/engines run it where they are installed."""
READERS = {"topology", "system", "simulation"}
"""Names that the code on the pages leaves to the reader."""


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_lines(page: Path) -> list[str]:
    """Lines of code blocks, fenced and indented."""
    lines, fenced = [], False
    for line in text_of(page).splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            lines.append(line.strip())
    return lines


def inline_code(page: Path) -> list[str]:
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    return [re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", prose)]


def test_the_site_builds_without_warnings(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for page, name in (("force", "getBornEffectiveCharges"), ("training", "TrainingConfig"), ("run", "infrared")):
        assert name in (tmp_path / "site" / "api" / page / "index.html").read_text(encoding="utf-8")
    for page in (tmp_path / "site").rglob("*.html"):  # it works offline
        loaded = re.findall(
            r"<(?:script|img|link)[^>]* (?:src|href)=\"?(https?:[^\" >]+)", page.read_text(encoding="utf-8")
        )
        assert not loaded, f"{page.name} loads {loaded}"


def test_links_to_files_of_the_repository_hold():
    for page in PROSE:
        for target in re.findall(r"\]\((?!https?:|mailto:)([^)#]+)", text_of(page)):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_are_short(page):
    """Tables, code and the targets of links may be long."""
    fenced, long = False, []
    for number, line in enumerate(text_of(page).splitlines(), 1):
        fenced ^= line.startswith("```")
        if fenced or line.startswith(("|", "    ", "```")):
            continue
        if len(re.sub(r"\]\([^)]*\)", "]", line)) > LONGEST_LINE:
            long.append(f"line {number}: {line}")
    assert not long, "\n" + "\n".join(long)


def test_messages_of_the_page_of_errors_are_messages_of_the_code():
    """Headings in the style of code, '..' standing for anything: one statement of the code must build such a text."""
    headings = re.findall(r"^### `(.*)`$", text_of(ROOT / "docs" / "errors.md"), re.MULTILINE)
    assert len(headings) > 60 and len(set(headings)) == len(headings)
    messages = [message for path in SOURCES for message in messages_of(path)]
    patterns = {heading: ".*".join(re.escape(piece) for piece in heading.split("..")) for heading in headings}
    gone = [h for h, pattern in patterns.items() if not any(re.search(pattern, message) for message in messages)]
    assert not gone, f"no message of the code is like {gone}"


def test_comments_are_not_messages(tmp_path):
    python = tmp_path / "x.py"
    python.write_text('"""a docstring"""\n# a comment\nraise E(f"in {x} " "and {y}", "b")\n', encoding="utf-8")
    assert sorted(messages_of(python)) == ["b", "in \0 and {y}"]
    cpp = tmp_path / "x.cpp"
    cpp.write_text('// "a"; x\nf("b; c" /* "d" */ + x + "e");\nint y = 1;\n', encoding="utf-8")
    assert messages_of(cpp) == ["\0b; c\0e\0"]


def parsers() -> dict[str, argparse.ArgumentParser]:
    commands = argparse.ArgumentParser(prog="polarmp").add_subparsers()
    for command in COMMANDS:
        command.add(commands)
    return commands.choices


def test_every_command_is_documented():
    documented = {
        code.split()[1] for code in inline_code(ROOT / "docs" / "index.md") if re.match(r"polarmp [a-z]", code)
    }
    assert documented == set(parsers())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_are_accepted(page):
    """Whole command lines of code blocks are parsed; pieces within a sentence may leave required arguments out."""
    known = parsers()
    for line in code_lines(page):
        if line.startswith("polarmp "):
            _, name, *arguments = shlex.split(line, comments=True)
            known[name].parse_args(arguments)
    for code in inline_code(page):
        if code.startswith("polarmp "):
            _, name, *arguments = shlex.split(code)
            options = {option for action in known[name]._actions for option in action.option_strings}
            unknown = [word for word in arguments if word.startswith("--") and word not in options]
            assert not unknown, f"`{code}`: polarmp {name} has no {' '.join(unknown)}"


def test_the_table_of_keywords_is_that_of_the_potential():
    table = text_of(ROOT / "docs" / "index.md").partition("| keyword of `createSystem` |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", table, re.MULTILINE)
    network = {f.name: f.default for f in dataclasses.fields(SourceOptions)}
    defaults = {f.name: f.default for f in dataclasses.fields(mlpotential.PotentialSettings)}
    defaults |= {word: network[option] for word, option in mlpotential.NETWORK_KEYWORDS.items()}
    defaults["ewaldErrorTolerance"] = PolarMPForce(FixedMultipoles([0.0])).getEwaldErrorTolerance()
    assert {name for name, _ in rows} == set(mlpotential.KEYWORDS)
    for name, written in rows:
        if defaults[name] is not None:
            written = written.strip("`")
            assert written == str(defaults[name]) or float(written) == defaults[name], name


def test_environment_variables_are_read_somewhere():
    folders = ("openmm_polarmp", "plugin_cpp", "tests", "examples")
    code = [p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in (".py", ".cpp", ".sh")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in code if path != Path(__file__))
    for page in PROSE:
        for name in set(re.findall(r"\bPOLARMP_\w+", text_of(page))):
            assert re.search(rf"""["'{{]{name}\b""", code), f"{page.name}: nothing reads {name}"


def python_blocks() -> list:
    """Every Python block; those of the README run one after the other, so that later ones know earlier names.

    Those of the tutorials are run in tests/docs/test_tutorials.py.
    """
    blocks = []
    for page in [page for page in PAGES if page.name not in RUN_ELSEWHERE and page.parent.name != "tutorials"]:
        codes = re.findall(r"^```python\n(.*?)^```", text_of(page), flags=re.DOTALL | re.MULTILINE)
        codes = ["\n".join(codes)] if page.name == "README.md" else codes
        blocks += [pytest.param(code, id=f"{page.name}-{i}") for i, code in enumerate(codes)]
    return blocks


def imported_by(tree: ast.Module) -> dict:
    """Names that the imports of a block make, and what they stand for; None for openmm-torch where it is missing."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                module = node.module if isinstance(node, ast.ImportFrom) else alias.name
                try:
                    value = importlib.import_module(module)
                except ImportError:
                    assert module == "openmmtorch", f"{module} cannot be imported"
                    value = None
                if isinstance(node, ast.ImportFrom):
                    value = getattr(value, alias.name)
                names[alias.asname or alias.name.split(".")[0]] = value
    return names


@pytest.mark.parametrize("code", python_blocks())
def test_python_on_the_pages_names_what_exists(code):
    """Imports work, no name is undefined, and functions and classes of ours take the arguments that they are given.

    That the README's code runs is in tests/demo/test_demo.py.
    """
    tree = ast.parse(code)
    names = imported_by(tree)
    made = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert used <= made | set(names) | READERS | set(dir(builtins)), "undefined names"
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and getattr(names.get(call.func.id), "__module__", "").startswith(
            "openmm_p"
        ):
            keywords = {keyword.arg: keyword.value for keyword in call.keywords}
            inspect.signature(names[call.func.id]).bind(*call.args, **keywords)
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            owner = names.get(call.func.value.id)
            assert owner is None or hasattr(owner, call.func.attr), f"{call.func.value.id}.{call.func.attr}"
