"""The repository's own configuration: workflows and hooks call what exists."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


def test_workflows_call_what_exists():
    assert WORKFLOWS
    commands = []
    for path in WORKFLOWS:
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
        steps = [step for job in jobs.values() for step in job["steps"]]
        assert all("uses" in step or "run" in step for step in steps)
        commands += [step["run"] for step in steps if "run" in step]
    assert ".ci/run" in commands
    assert any(command.startswith("pip wheel .") for command in commands)
    scripts = re.findall(r"\b(?:packaging|examples)/[\w/]+\.py", " ".join(commands))
    assert scripts and all((ROOT / script).exists() for script in scripts)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100, ".ci/run is not executable"


def test_the_tests_cache_of_kernels_is_the_one_that_the_workflow_keeps():
    steps = [s for path in WORKFLOWS for job in yaml.safe_load(path.read_text())["jobs"].values() for s in job["steps"]]
    (cache,) = [step["with"] for step in steps if step.get("uses", "").startswith("actions/cache@")]
    assert f"POCL_CACHE_DIR=$(CURDIR)/{cache['path']}" in (ROOT / "Makefile").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"hashFiles\('(.*?)'\)", cache["key"])
    assert list(ROOT.glob(pattern))


def test_issue_forms_ask_for_the_platforms():
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        if path.stem != "config":
            form = yaml.safe_load(path.read_text(encoding="utf-8"))
            assert form["name"] and form["description"]
            identifiers = [item["id"] for item in form["body"] if item["type"] != "markdown"]
            assert len(identifiers) == len(set(identifiers))
            assert any("polarmp check" in item["attributes"].get("label", "") for item in form["body"])


def test_hooks_need_no_network():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    (repository,) = config["repos"]
    assert all(hook["language"] == "system" for hook in repository["hooks"])
    assert {hook["entry"].split()[0] for hook in repository["hooks"]} == {"ruff", "mypy"}
