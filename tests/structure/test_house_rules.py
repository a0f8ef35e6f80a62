"""Rules of the house that a machine can check: docstrings, lengths, and no traces of the place it was written in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.plugged.source_tree import PACKAGES, ROOT, tracked, tree
from support.plugged.source_tree import files as files_of

MOST_LINES, MOST_LINES_OF_FUNCTION = 350, 60
SOURCES = [path for root in PACKAGES for path in files_of(root)]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, FunctionNode]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own = f"{prefix}{child.name}"
            if not isinstance(child, ast.ClassDef):
                yield own, child
            yield from functions(child, own + ".")
        else:
            yield from functions(child, prefix)


def python_files() -> list[Path]:
    return [ROOT / n for n in tracked("*.py")]


def test_every_file_begins_with_a_docstring_of_one_line() -> None:
    """One line says what a file is for; what more there is to say comes after an empty line."""
    bad = []
    for path in sorted({*SOURCES, *python_files()}):
        text = path.read_text(encoding="utf-8")
        docstring = ast.get_docstring(tree(path))
        if docstring is None or not text.startswith('"""'):
            bad.append(f"{name(path)}: does not begin with a docstring")
        elif len(docstring.partition("\n\n")[0].splitlines()) != 1:
            bad.append(f"{name(path)}: the first sentence takes several lines")
    assert not bad, "\n".join(bad)


def test_every_file_postpones_annotations() -> None:
    def postpones(path: Path) -> bool:
        body = tree(path).body
        return len(body) < 2 or (isinstance(body[1], ast.ImportFrom) and body[1].module == "__future__")

    bad = [name(p) for p in sorted({*SOURCES, *python_files()}) if not postpones(p)]
    assert not bad, "\n".join(bad)


def test_no_file_is_too_long() -> None:
    lengths = {name(p): len(p.read_text(encoding="utf-8").splitlines()) for p in SOURCES}
    bad = {n: lines for n, lines in lengths.items() if lines > MOST_LINES}
    top = sorted(lengths.items(), key=lambda item: -item[1])[:10]
    assert not bad, f"longer than {MOST_LINES} lines: {bad}; the longest: {top}"


def test_no_function_is_too_long() -> None:
    lengths = {
        f"{name(path)}: {own}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in SOURCES
        for own, node in functions(tree(path))
    }
    bad = {n: lines for n, lines in lengths.items() if lines > MOST_LINES_OF_FUNCTION}
    top = sorted(lengths.items(), key=lambda item: -item[1])[:10]
    assert not bad, f"longer than {MOST_LINES_OF_FUNCTION} lines: {bad}; the longest: {top}"


def test_public_classes_and_functions_of_the_interfaces_say_what_they_are() -> None:
    bad = []
    for path in (ROOT / "core" / "frameworkctl" / "interfaces").glob("*.py"):
        for node in tree(path).body:
            if not isinstance(node, FunctionNode | ast.ClassDef) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                bad.append(f"{name(path)}: {node.name}")
    assert not bad, "\n".join(bad)


TRACES = {
    "a registry's host": r"pypi\.org|pythonhosted\.org|index[-_]url|/simple/?[\"'\s]|artifactory|\.pypirc",
    "a path of somebody's machine": r"(?<![\w.])/(home|Users)/\w+|(?<![\w.])/(work|root)/\w+|/tmp/lab\b",
    "an address of a private network": r"\b(10\.\d+|192\.168|172\.(1[6-9]|2\d|3[01]))\.\d+\.\d+\b",
}
BINARY = {".safetensors", ".png", ".jpg", ".jpeg", ".wav", ".gz", ".whl", ".bin"}


@pytest.mark.parametrize("what", TRACES)
def test_no_traces_of_where_it_was_written(what: str) -> None:
    pattern, bad = re.compile(TRACES[what]), []
    for file in tracked():
        path = ROOT / file
        if path.suffix in BINARY or path == Path(__file__).resolve():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        bad += [f"{file}:{text.count(chr(10), 0, m.start()) + 1}: {m[0]!r}" for m in pattern.finditer(text)]
    assert not bad, "\n".join(bad[:30])


def test_nothing_that_is_made_is_tracked() -> None:
    made = re.compile(r"(^|/)(__pycache__|\.[a-z]+_cache|\.venv|build|dist|[^/]+\.egg-info)/|\.py[co]$|\.so$")
    assert [n for n in tracked() if made.search(n)] == []


# First words of a docstring that are no verb: what a function does comes first ("Return the ...", "Check ...").
NO_VERBS = frozenset(
    [
        "A",
        "After",
        "All",
        "An",
        "And",
        "Any",
        "Are",
        "As",
        "At",
        "Back",
        "Because",
        "Before",
        "Behind",
        "Both",
        "But",
        "By",
        "Each",
        "Every",
        "Everything",
        "For",
        "From",
        "Has",
        "How",
        "If",
        "In",
        "Is",
        "It",
        "Its",
        "More",
        "Most",
        "Names",
        "No",
        "Not",
        "Nothing",
        "Of",
        "On",
        "One",
        "Only",
        "Others",
        "Raises",
        "Same",
        "Sequences",
        "Some",
        "Texts",
        "That",
        "The",
        "Their",
        "There",
        "These",
        "They",
        "This",
        "Those",
        "To",
        "Tokens",
        "Two",
        "Until",
        "What",
        "When",
        "Where",
        "Whether",
        "Which",
        "Who",
        "Why",
        "With",
        "Without",
    ]
)


def test_docstrings_of_functions_open_with_a_verb() -> None:
    bad = []
    for path in SOURCES:
        for own, node in functions(tree(path)):
            first = (ast.get_docstring(node) or "Do").split()[0].rstrip(",.:;")
            if first in NO_VERBS or not first[0].isupper():
                bad.append(f"{name(path)}: {own}: {first} ...")
    assert not bad, "\n".join(bad)


def test_no_docstring_opens_with_a_question() -> None:
    """Those of classes and files say what they are, in a noun or a verb."""
    questions = {"What", "Whether", "How", "Where", "Who", "Which", "Why", "When"}
    bad = []
    for path in SOURCES:
        for node in (n for n in ast.walk(tree(path)) if isinstance(n, ast.ClassDef | ast.Module)):
            if (ast.get_docstring(node) or "Do").split()[0] in questions:
                bad.append(f"{name(path)}: {getattr(node, 'name', 'the file')}")
    assert not bad, "\n".join(bad)
