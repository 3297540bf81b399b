"""The simulator shares nothing with the parts that detect, read from its source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "pipelines" / "simulation"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ALLOWED = ("pipelines.simulation", "pipelines.errors")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_only_errors_are_imported_from_elsewhere_in_pipelines(source: Path) -> None:
    foreign = [
        name
        for name in imported_modules(source.read_text(encoding="utf-8"))
        if name.split(".")[0] == "pipelines"
        and not any(name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED)
    ]
    assert foreign == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_nothing_is_imported_or_read_by_a_computed_name(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    assert "importlib" not in text
    assert "__import__" not in text
    assert "dbt_project" not in text


def test_relative_and_nested_imports_are_seen() -> None:
    nested = "def f():\n    from pipelines import lake\n    from ..quality import x\n"
    assert imported_modules(nested) == ["pipelines.lake", "pipelines.relative"]


def imported_modules(text: str) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level > 0:
            names.append("pipelines.relative")
        elif isinstance(node, ast.ImportFrom) and node.module == "pipelines":
            names += [f"pipelines.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.append(node.module)
    return names
