"""What comments, docstrings and pages cite exists: sections of pages, pages, files and modules of the repository."""

import re
from functools import cache
from pathlib import Path

import pytest
from support.comments import prose_of
from support.imports import modules

ROOT = Path(__file__).parents[2]
FOLDERS = ("openmm_polarmp", "plugin_cpp", "tests", "examples", "packaging", "docs")
CODE = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".cc", ".cpp", ".h", ".c", ".yaml", ".sh", ".cmake") or path.name == "CMakeLists.txt"
)
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
MODULES = modules(ROOT)

NUMBERS = r"(\d+(?:(?:, | and |, and | to )\d+)*)"
SECTIONS = (
    re.compile(rf"\b(theory|design)(?:\.md)?[,:]? (?:page,? )?sections? {NUMBERS}", re.IGNORECASE),
    re.compile(rf"\bsections? {NUMBERS} of (?:docs/)?(theory|design)\b", re.IGNORECASE),
)
FILE = re.compile(r"(?<![\w./*{<-])((?:[\w-]+/)*[\w-]+\.(?:py|cc|cpp|h|md|sh|cmake))\b(?!\.\w|\(|-\w)")
FOLDER = re.compile(rf"(?<![\w./-])((?:{'|'.join(FOLDERS)})(?:/[\w.-]*\w)+)")
MODULE = re.compile(r"(?<![\w./])(openmm_polarmp(?:\.\w+)+)\b(?!/)")
ELSEWHERE = re.compile(
    r"""(?:openmm|CL)/ | (?:cuda|opencl|CpuPlatform)\.h$       # headers of OpenMM, CUDA and OpenCL
      | openmm_polarmp/(?:lib|_polarmp)\b                      # where the build puts the libraries
      | (?:.*/)?_?\w(?:\.\w+)?$                                # names of a single letter are examples""",
    re.VERBOSE,
)


@cache
def numbered_sections(page: str) -> set[int]:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    return {int(number) for number in re.findall(r"^## (\d+)\. ", text, re.MULTILINE)}


@cache
def files() -> list[str]:
    """Paths of all files, each with a slash before it."""
    hidden = re.compile(r"/(?:\.|build/|__pycache__)")
    paths = (f"/{path.relative_to(ROOT)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    return [*(p for p in paths if not hidden.search(p)), *(f"/{path.name}" for path in ROOT.iterdir())]


def missing_sections(text: str) -> list[str]:
    cited = [(page, numbers) for page, numbers in SECTIONS[0].findall(text)]
    cited += [(page, numbers) for numbers, page in SECTIONS[1].findall(text)]
    return [
        f"section {number} of {page.lower()}.md"
        for page, numbers in cited
        for number in re.findall(r"\d+", numbers)
        if int(number) not in numbered_sections(page.lower())
    ]


def missing_files(text: str) -> list[str]:
    """Paths count as found where any file's path ends with them."""
    cited = [*FILE.findall(text), *FOLDER.findall(text)]
    return [
        path
        for path in dict.fromkeys(cited)
        if not ELSEWHERE.match(path) and not any(f.endswith(f"/{path}") for f in files())
    ]


def missing_modules(text: str) -> list[str]:
    """A dotted name is a module, or a word that stands in the file of one."""
    missing = []
    for name in dict.fromkeys(MODULE.findall(text)):
        module, rest = name, ""
        while module not in MODULES:
            module, _, rest = module.rpartition(".")
        if rest and rest != "_polarmp" and not re.search(rf"\b{rest}\b", MODULES[module].read_text(encoding="utf-8")):
            missing.append(name)
    return missing


def missing(text: str) -> list[str]:
    pages = ["DESIGN, a page that is not in the repository"] if re.search(r"\bDESIGN\b", text) else []
    return [*missing_sections(text), *missing_files(text), *missing_modules(text), *pages]


@pytest.mark.parametrize("folder", FOLDERS[:-1])
def test_what_code_cites_exists(folder):
    wrong = []
    for path in CODE:
        if path.is_relative_to(ROOT / folder) and path != Path(__file__):
            wrong += [f"{path.relative_to(ROOT)} cites {what}" for what in missing(prose_of(path))]
    assert not wrong, "\n" + "\n".join(wrong)


def test_what_pages_cite_exists():
    wrong = []
    for path in PAGES:
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        wrong += [f"{path.relative_to(ROOT)} cites {what}" for what in missing(re.sub(r"\s+", " ", text))]
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_sections_of_the_derivation_are_numbered_without_gaps():
    assert numbered_sections("theory") == set(range(1, 13))


def test_wrong_citations_are_noticed(tmp_path):
    file = tmp_path / "x.py"
    file.write_text('"""See theory.md\nsections 2, 4 and 19."""\n# as in models/nothing.py\nx = "tests/not_cited.py"\n')
    assert missing(prose_of(file)) == ["section 19 of theory.md", "models/nothing.py"]
    file = tmp_path / "x.cc"
    file.write_text("/**\n * Sections 1 and 14 of theory.md;\n * units as in units.py\n */\nint y; // tests/nowhere\n")
    assert missing(prose_of(file)) == ["section 14 of theory.md", "tests/nowhere"]
    file = tmp_path / "x.yaml"
    file.write_text("# made by openmm_polarmp.bench.nothing, DESIGN\na: b # openmm_polarmp.units\n")
    assert missing(prose_of(file)) == ["openmm_polarmp.bench.nothing", "DESIGN, a page that is not in the repository"]
