"""The files of a new project, as text: what is tracked, what stays of it, and what stands in it."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.new import cuts, rules, slicing
from deploy.new.choice import Choice
from deploy.tree import SKIP_FOLDERS, wanted

NOT_OURS = {".git", ".run", "reports", ".env"}  # where git cannot say what belongs to the project
CHANGELOG = "# Changelog\n\n## Unreleased\n\nMade from Ponte.\n"


def tracked(root: Path) -> list[str]:
    listed = (
        subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True) if own_git(root) else None
    )
    if listed and not listed.returncode:
        return [path for path in listed.stdout.split("\0") if path and (root / path).is_file()]
    return sorted(found(root)) + ["reports/.gitignore"]


def own_git(root: Path) -> bool:
    return (root / ".git").exists()


def found(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        unwanted = SKIP_FOLDERS | (NOT_OURS if here == Path() else set())
        folders[:] = [name for name in folders if name not in unwanted]
        yield from (str(here / name) for name in names if wanted(name) and name not in NOT_OURS)


def project(root: Path, choice: Choice) -> dict[str, bytes]:
    """Path -> content."""
    paths = tracked(root)
    kept = [path for path in paths if rules.stays(path, choice)]
    absent = set(paths) - set(kept)
    files = {path: (root / path).read_bytes() for path in kept}
    for path, each in rules.RULES.items():
        if path in files:
            files[path] = cuts.apply(path, files[path].decode(), each, choice).encode()
    files |= {path: linked(path, files[path].decode(), absent).encode() for path in kept if path.endswith(".md")}
    files |= python({path: files[path].decode() for path in kept if path.endswith(".py")}, absent, choice)
    files["CHANGELOG.md"] = CHANGELOG.encode()
    return {path: content for path, content in files.items() if not gone(path, content)}


def gone(path: str, content: bytes) -> bool:
    """A module of tests in which no test is left."""
    return is_test(path) and not content


def is_test(path: str) -> bool:
    return path.startswith("tests/") and Path(path).name.startswith("test_")


def linked(path: str, text: str, absent: set[str]) -> str:
    """Links to pages that are left out are their words only."""

    def link(found: re.Match[str]) -> str:
        target = os.path.normpath(Path(path).parent / found[2].partition("#")[0])
        return found[1] if target in absent - {"CHANGELOG.md"} else found[0]

    return re.sub(r"\[([^]]+)\]\(([^):]+)\)", link, text)


def python(files: dict[str, str], absent: set[str], choice: Choice) -> dict[str, bytes]:
    outside = {
        path for path in files if path.startswith("apps/") and not path.startswith(("apps/core/", "apps/serve/"))
    }
    files = {
        path: slicing.without_elements(text, choice, is_test(path))
        for path, text in files.items()
        if path not in outside
    }
    tests = {path: slicing.Module(Path(path), text) for path, text in files.items() if path.startswith("tests/")}
    modules = {path.removesuffix(".py").replace("/", ".") for path in absent if path.endswith(".py")}
    pages = tuple(Path(path).name for path in absent if path.startswith("docs/"))
    apart = lambda module, node: any(rules.apart(str(module.path), name, choice) for name in slicing.defines(node))  # noqa: E731
    lost = slicing.without_definitions(tests, choice, modules, pages, apart)
    wanted = slicing.exported(tests)
    for path, module in tests.items():
        files[path] = "" if idle(module, wanted) else slicing.remaining(module, modules, lost, wanted)
    return {path: text.encode() for path, text in files.items()}


def idle(module: slicing.Module, wanted: slicing.Taken) -> bool:
    """A module of tests that has none left, and nothing that others take from it."""
    taken = any(
        (module.dotted, name) in wanted
        for node in module.tree.body
        if node not in module.gone
        for name in slicing.defines(node)
    )
    return module.is_test and bool(module.gone) and not module.tests and not taken
