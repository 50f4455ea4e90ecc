"""What the documents say is what the files hold: the same services, servers, variables, targets and folders."""

import re
from pathlib import Path

import pytest
import yaml
from core.settings import PER_SERVICE, SECRETS
from core.settings import VARIABLES as READ_BY_APPS

from deploy.targets import TARGETS
from deploy.tasks import CHECKS
from deploy.variables import VARIABLES, prefix
from loadtests.experiments import words
from loadtests.measure.validity import INVALID
from loadtests.report import choosing, sizing
from tests.contract import CORE, FRAMEWORKS, ROOT, ROUTES, SERVICES, table

README = (ROOT / "README.md").read_text()
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
COMPOSE_TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
LOCKS = sorted(path for path in ROOT.glob("[!.]*/**/requirements.txt") if "reports" not in path.parts)
PAGES = [
    page
    for page in ROOT.rglob("*.md")
    if ".run" not in page.parts and "reports" not in page.relative_to(ROOT).parts[:-1]
]
PREFIXED = {f"{prefix(service)}_{name}" for service in SERVICES for name in PER_SERVICE}


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head; back quotes are taken off."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def variables_of_readme() -> set[str]:
    return {name for row in rows("Settings") for name in re.findall("[A-Z][A-Z_]+[A-Z0-9]", row[1])}


def variables_of_example() -> dict[str, str]:
    return dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", ENV_EXAMPLE, re.MULTILINE))


def targets_of_make() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_table_of_services_is_the_launchers():
    expected = [
        [name, service.framework.lower(), service.interface.upper(), service.server, f"/{name}/"]
        for name, service in SERVICES.items()
    ]

    assert [[row[0], row[1].lower(), *row[2:]] for row in rows("Services")] == expected


def test_the_table_of_frameworks_is_the_launchers():
    expected = [
        [name, about.framework, about.interface.upper(), about.server, f"apps/{about.folder}"]
        for name, about in FRAMEWORKS.items()
    ]

    assert [[row[0], row[1].lower(), *row[2:]] for row in rows("Frameworks")] == expected


def test_the_readme_says_what_a_framework_answers():
    told = README.partition("\n## Frameworks\n")[2].partition("\n|")[0]

    assert set(re.findall("`(/[a-z/]*)`", told)) == CORE


@pytest.mark.parametrize("folder", {about.folder for about in (SERVICES | FRAMEWORKS).values()})
def test_every_application_is_checked_for_its_types(folder: str):
    assert f"apps/{folder}" in {where for where, _ in CHECKS}


def test_the_table_of_servers_is_the_launchers():
    assert rows("Servers") == [as_row(name, about) for name, about in table()["servers"].items()]


def as_row(name: str, about: dict) -> list[str]:
    speaks = [*about["protocols"], *(["WebSocket"] if about["websockets"] else [])]
    what = about["about"] + (f"; loses {about['loses']}" if about["loses"] else "")
    cells = [name, ", ".join(about["interfaces"]).upper(), ", ".join(speaks), what, about["stop"]]
    return [cell.replace("`", "") for cell in cells]


def test_the_table_of_routes_is_the_contracts():
    told = set(
        re.findall(r"(?:GET|POST|WS) (/[a-z/]*)", " ".join(row[0] for row in rows("What every application answers")))
    )
    expected = {re.sub("/jobs/.+", "/jobs/", path.partition("?")[0]) for path in ROUTES}

    assert told == expected | {"/metrics"}


def test_the_readme_names_every_variable():
    unprefixed = {name for name in VARIABLES if name not in PREFIXED and not name.endswith("_FILE")}

    assert variables_of_readme() == unprefixed


def test_the_example_explains_every_variable_with_its_default():
    assert set(variables_of_example()) == set(VARIABLES)
    assert [name for name, text in variables_of_example().items() if text != VARIABLES[name].default] == []


def test_applications_read_the_variables_that_the_stack_hands_them():
    handed = {name for name, variable in VARIABLES.items() if variable.app}
    files = {f"{name}_FILE" for name in SECRETS}
    internal = {"REPLICA", "DATABASE_PASSWORD", "DATABASE_PASSWORD_FILE"}  # an engine's own business

    assert handed == (set(READ_BY_APPS) | PREFIXED | files) - internal - {"DEV"}


def test_compose_reads_no_variable_that_is_not_explained():
    read = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE_TEXT))

    assert read <= set(VARIABLES)


def test_compose_has_the_services_of_the_contract():
    always = {name for name, service in COMPOSE["services"].items() if "profiles" not in service}

    assert always == {*SERVICES, "nginx", "postgres", "migrate", "secrets", "credentials"}
    assert set(COMPOSE["services"]) - always == {"locust", "locust-worker"}


def test_the_edge_has_a_file_for_every_service():
    assert {path.stem for path in (ROOT / "nginx" / "services").glob("*.conf")} == set(SERVICES)


def test_make_has_every_target_and_no_other():
    assert targets_of_make() == set(TARGETS) | {"help"}


def test_the_documents_name_targets_that_exist():
    named = {
        (page.name, name) for page in PAGES for name in re.findall(r"(?:`|\$ )make ([a-z][a-z-]*)", page.read_text())
    }

    assert {name for _, name in named} <= targets_of_make(), named


def test_the_tree_is_the_tree():
    told = {re.sub(r"\[(.*)\]\(.*\)", r"\1", row[0]).strip("/") for row in rows("Where things are")}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}

    assert told - {".run", "compose.yaml"} == folders - {"__pycache__", "docs"} | ({"docs"} & folders)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_a_lock_names_versions_and_hashes_and_no_host(lock: Path):
    text = lock.read_text()
    pinned = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    asked = {
        re.split(r"[\s\[<>=;]", line)[0]
        for line in lock.with_suffix(".in").read_text().splitlines()
        if line[:1].isalpha()
    }

    assert asked <= pinned
    assert text.count("--hash=sha256:") >= len(pinned)
    assert "://" not in text


def test_the_locks_agree():
    """They are installed into one environment."""
    versions: dict[str, set[tuple[str, ...]]] = {}
    for lock in LOCKS:
        pinned = re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE)
        for name in dict(pinned):  # several versions in one lock are for different machines
            versions.setdefault(name, set()).add(tuple(sorted({found for each, found in pinned if each == name})))

    assert not {name: found for name, found in versions.items() if len(found) > 1}


def test_the_page_on_the_edge_names_every_file_of_its_configuration():
    page = (ROOT / "docs" / "edge.md").read_text()
    files = [path for path in (ROOT / "nginx").rglob("*.conf*") if path.name != "nginx.conf" and path.is_file()]
    told = {path for path in files if str(path.relative_to(ROOT / "nginx")) in page}
    by_folder = {
        path for path in files if path.relative_to(ROOT / "nginx").parts[0] in ("services", "local", "examples")
    }
    features = {path for path in files if "features" in path.parts}

    assert sorted(map(str, set(files) - told - by_folder - features)) == []


def test_the_page_on_the_edge_lists_the_headers_that_are_sent():
    page = (ROOT / "docs" / "edge.md").read_text().partition("## Headers on every answer")[2].partition("## ")[0]
    sent = re.findall(r"^add_header (\S+)", (ROOT / "nginx/snippets/response-headers.conf").read_text(), re.MULTILINE)
    by_status = {"Retry-After", "Allow", "X-Cache", "Alt-Svc"}

    assert set(re.findall(r"^\| `([A-Za-z-]+)`", page, re.MULTILINE)) == set(sent) - by_status


def test_the_page_on_choosing_is_made_of_the_figures_that_are_kept():
    """`python -m loadtests.report.choosing` writes it."""
    kept = choosing.whole(choosing.kept())

    assert choosing.DOCUMENT.read_text() == choosing.page(kept, choosing.SERVERS.read_text())


def test_every_figure_on_choosing_is_of_a_measurement_that_counts_and_of_a_commit():
    kept = choosing.kept()

    assert INVALID not in {each["verdict"]["word"] for each in kept.values()}
    assert all(re.fullmatch(r"[0-9a-f]+ \(clean\)", each["commit"]) for each in kept.values())


def test_choosing_counts_the_threads_and_connections_that_a_worker_has_by_default():
    assert [VARIABLES[name].default for name in ("THREADS", "DATABASE_POOL")] == [
        str(choosing.THREADS),
        str(choosing.POOL),
    ]


@pytest.mark.parametrize("command", re.findall("`make ([^`]+)`", " ".join(kind.measure for kind in choosing.KINDS)))
def test_a_command_on_choosing_can_be_given(command: str):
    target, *given = command.split()
    takes = {word.name for word in TARGETS[target].words}

    assert {word.partition("=")[0] for word in given} <= takes
    assert words.parse(given)


def test_every_kind_of_work_is_measured_by_a_command_that_made_a_figure():
    made = [set(each["command"].removeprefix("./ponte ").split()) for each in choosing.kept().values()]
    told = [[set(one.split()) for one in re.findall("`make ([^`]+)`", kind.measure)] for kind in choosing.KINDS]

    assert [each for each in told if not any(words <= done for words in each for done in made)] == []


def test_the_page_on_sizing_is_made_of_the_figures_that_are_kept():
    """`python -m loadtests.report.sizing` writes it."""
    assert sizing.DOCUMENT.read_text() == sizing.page(choosing.whole(choosing.kept()))


def test_the_page_on_the_promises_lists_every_one_in_its_own_words():
    told = re.findall(r"\[`(\w+)`\]\S+ \| (.*) \|$", (ROOT / "tests/promises/README.md").read_text(), re.MULTILINE)
    folders = {path.parent.name: path.read_text() for path in (ROOT / "tests/promises").glob("*/promise.md")}

    assert dict(told) == {name: re.sub(r" \(S\d+\)$", "", text.splitlines()[0][2:]) for name, text in folders.items()}
