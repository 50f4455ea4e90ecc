"""What is left out of a new project: files, and what stands about them in the files that stay."""

import json
import re
from itertools import chain

from deploy.new.choice import ASGI, FRAMEWORKS, SERVERS, TITLES, Choice
from deploy.new.cuts import Cut, Missed, between, blocks, documents, examples, lines, rows, say, unless, when, words
from deploy.variables import DJANGO

# ------------------------------------------------------------------------------ files

# Results and pages of this project, and what writes them; what compares frameworks; and this very program.
LEFT_OUT = (
    "CHANGELOG.md",
    "docs/servers.md",
    "docs/choosing.md",
    "docs/choosing.json",
    "docs/lost-requests.md",
    "loadtests/report/choosing.py",
    "docs/sizing.md",
    "loadtests/report/sizing.py",
    "apps/matrix",
    *(f"apps/{name}" for name in FRAMEWORKS),
    "deploy/new",
    "tests/unit/test_new.py",
    "tests/unit/test_new_cuts.py",
    "tests/stack/test_new_project.py",
    "tests/stack/test_adopting.py",
)
LONG = ("tests/stack/test_adopting.py", "tests/stack/test_new_project.py", "tests/unit/test_new.py")  # to .ci/run
OF_SERVICE = (
    "apps/{name}",
    "nginx/services/{name}.conf",
    "nginx/features/{name}",
    "deploy/kubernetes/base/{name}.yaml",
)
OF_ENGINE = {
    "swarm": (
        "deploy/swarm",
        "deploy/engines/swarm.py",
        "tests/nodes.py",
        "tests/promises/lost_node",
        "tests/config/test_swarm.py",
        "tests/stack/test_locust.py",
        "tests/stack/test_swarm.py",
        "tests/unit/test_deploy_swarm.py",
    ),
    "systemd": (
        "deploy/systemd",
        "deploy/engines/systemd.py",
        "tests/promises/systemd",
        "tests/config/test_systemd.py",
        "tests/unit/test_deploy_systemd.py",
    ),
    "kubernetes": (
        "deploy/kubernetes",
        "tests/config/manifests.py",
        "tests/config/test_kubernetes.py",
        "tests/config/test_kubernetes_drift.py",
        "tests/config/test_kubernetes_release.py",
    ),
}
# (!) The tables of the database are Django's migrations, whatever asks for them: these stay without the service, too.
MIGRATIONS = (
    "apps/django/manage.py",
    "apps/django/ponte/__init__.py",
    "apps/django/ponte/settings.py",
    "apps/django/ponte/stack.py",
    "apps/django/ponte/models.py",
    "apps/django/ponte/migrations",
    "apps/django/ponte/static",
)
ANY_WSGI, ANY_ASGI = ("flask", "django"), ("django-asgi", "fastapi")
# Tests, or files of them, that count on services without naming them: one of each group has to be there.
APART: dict[str, tuple[tuple[str, ...], ...]] = {
    "tests/config/test_request_page.py::test_the_files_that_the_page_names_are_there": (("flask",), ("fastapi",)),
    "tests/unit/test_deploy_tasks.py::test_a_server_that_cannot_stand_there_is_refused_before_any_test": (ANY_WSGI,),
    "tests/unit/test_deploy_servers.py::test_the_doctor_says_what_a_server_needs": (("flask",), ANY_ASGI),
    "tests/unit/test_deploy_deploying.py": (("flask", "fastapi"),),
    "tests/unit/test_deploy_deploying.py::test_static_files_are_those_of_the_release_that_serves": (DJANGO,),
    "tests/unit/test_oracle_load.py::test_people_get_one_sentence": (("flask", "fastapi"),),
    "tests/unit/test_load_compare.py::test_runs_that_ask_different_questions_are_refused": (
        ("django", "django-asgi", "fastapi"),
    ),
    "tests/unit/test_deploy_deploying.py::test_who_was_let_in_stays_until_the_old_ones_are_back": (
        ("flask",),
        ("fastapi",),
    ),
    "tests/unit/test_compose_deploying.py::test_the_last_words_of_who_failed_stand_below_the_sentence": (
        ("flask",),
        ("fastapi",),
    ),
}


def stays(path: str, choice: Choice) -> bool:
    of_engines = chain.from_iterable(OF_ENGINE[name] for name in choice.without_engines)
    if any(within(path, each) for each in (*LEFT_OUT, *of_engines)):
        return False
    if within(path, "apps/django"):
        return choice.django or any(within(path, each) for each in MIGRATIONS)
    return not any(within(path, each.format(name=name)) for name in choice.without for each in OF_SERVICE)


def apart(path: str, name: str, choice: Choice) -> bool:
    """Whether a test counts on something that is left out."""
    groups = (*APART.get(path, ()), *APART.get(f"{path}::{name}", ()))
    return not all(set(group) & set(choice.services) for group in groups)


def within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


# ------------------------------------------------------------------------------ words


def without_django(choice: Choice) -> bool:
    return not choice.django


def without_asgi(choice: Choice) -> bool:
    return not choice.asgi


def speaks(choice: Choice) -> str:
    """Where the page's chat listens."""
    return choice.asgi[-1] if choice.asgi else choice.services[0]


def titles(choice: Choice) -> str:
    return join(list(dict.fromkeys(TITLES[name] for name in choice.services)))


def join(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def migrations_of(choice: Choice) -> str:
    owner = next((name for name in DJANGO if name in choice.services), choice.services[0])
    return f'os.environ.get("DJANGO_SERVICE", "{owner}")'


def beginning(choice: Choice) -> str:
    """Of the README."""
    services = "\n".join(f"{SERVERS[name]:>9} in front of {TITLES[name]} at /{name}/" for name in choice.services)
    return f"""# {choice.project}

nginx in front of replicas of {titles(choice)}, one PostgreSQL behind them. Made from Ponte, which is what
the command line (`./ponte`), its variables and the pages in `docs/` are called after; their examples name its services too.

```
client -> nginx :8080 :8443 -> two replicas each:
{services}
```

"""


def folders_of(choice: Choice) -> list[str]:
    return list(dict.fromkeys(name.removesuffix("-asgi") for name in choice.services))


def folders(choice: Choice) -> str:
    return f"{join([f'`{name}`' for name in folders_of(choice)])}, [no framework](#frameworks) beside them"


def own_application(choice: Choice) -> str:
    """A section of the README, for the interface of an application that is one file."""
    name = next((name for name in ("fastapi", "flask") if name in choice.services), "")
    if not name:
        return ""
    interface = "asgi" if name in ASGI else "wsgi"
    return f"""## Put your own application in place of one

In `apps/{name}/app.py`, three lines around an application of yours; it is asked for nothing else:

```python
from core.adopted import adopt_{interface}
from core.replica import Replica
from yours import app as yours

app = adopt_{interface}(yours, Replica.from_env("{name}"))
```

[docs/adopting.md](docs/adopting.md) says the rest: its packages, a Django project, the root of the site. The edge, the launcher,
both engines and the load tests do not change.

"""


def variants(text: str, choice: Choice) -> str:
    """Of `make slow-io`: a list that would be empty has every variant there is."""
    found = [re.findall('"(.+?)"', line) for line in re.findall(r"^variants = .*$", text, re.MULTILINE)]
    if not found:
        raise Missed("variants = ")
    every = [each for each in max(found, key=len) if each.partition(" ")[0] in choice.services]

    def kept(line: re.Match[str]) -> str:
        wanted = [each for each in re.findall('"(.+?)"', line[0]) if each in every] or every
        return f"variants = {json.dumps(wanted)}"

    return re.sub(r"^variants = .*$", kept, text, flags=re.MULTILINE)


RULES: dict[str, tuple[Cut, ...]] = {
    "deploy/variables.py": (
        say('"COMPOSE_PROJECT_NAME", "ponte"', lambda choice: f'"COMPOSE_PROJECT_NAME", "{choice.project}"'),
    ),
    "apps/django/ponte/stack.py": (say('os.environ.get("DJANGO_SERVICE", "django")', migrations_of),),
    "apps/django/ponte/settings.py": (when(without_django, say('ROOT_URLCONF = "ponte.urls"\n', "")),),
    "deploy/tasks.py": (when(without_django, say('"wsgi.py", "asgi.py", "ponte"', '"manage.py", "ponte"')),),
    "deploy/targets.py": (
        between('    "new": Target(', '    "doctor": Target('),
        between("NEW = (", "TARGETS: dict"),
    ),
    "ponte": (say('"apps/matrix", ', ""), say('    "new": ("tests",),  # ruff\n', "")),
    ".dockerignore": (say("apps/matrix\n", ""),),
    ".github/dependabot.yml": (rows("      - /apps/matrix"), unless("kubernetes", rows("      - /deploy/kubernetes"))),
    ".ci/run": (
        say("flask django django-asgi fastapi", lambda choice: " ".join(choice.services)),
        *(say(f"{each} ", "") for each in LONG),
        unless("swarm", say(" tests/promises/lost_node/test_lost_node.py", ""), say(" tests/stack/test_swarm.py", "")),
        unless("systemd", rows("  tests/promises/systemd/")),
        unless("kubernetes", rows("  command -v kubectl")),
    ),
    ".env.example": (
        say("COMPOSE_PROJECT_NAME=ponte", lambda choice: f"COMPOSE_PROJECT_NAME={choice.project}"),
        lines("#{PREFIX}_"),
        say("gunicorn for WSGI (flask, django), uvicorn for ASGI (django-asgi, fastapi)", "gunicorn for WSGI, uvicorn for ASGI"),
        unless("swarm", rows("#   swarm ", "# `make up ENGINE=swarm`")),
        unless("systemd", rows("#   systemd ")),
    ),
    "compose.yaml": (
        say("COMPOSE_PROJECT_NAME:-ponte", lambda choice: f"COMPOSE_PROJECT_NAME:-{choice.project}"),
        words("${{PREFIX}_SERVER:-}", " "),
        lines("      {PREFIX}_UPSTREAM_HTTP2:", "      {name}: {condition"),
        blocks("  {name}:\n"),
    ),
    "compose.dev.yaml": (lines("  {name}: *dev"),),
    "nginx/entrypoint.sh": (words("$PONTE_HTTP2_{PREFIX}", ""), lines("PONTE_HTTP2_{PREFIX}=", "PONTE_UPSTREAM_{PREFIX}=")),
    "nginx/templates/conf.d/upstreams.conf.template": (blocks("upstream {name} {", "}"),),
    "nginx/templates/snippets/cache.conf.template": (lines("    /{name}/poll"),),
    "nginx/templates/snippets/log.conf.template": (lines("    /{name}/healthz", "    /{name}/readyz"),),
    "nginx/examples/members.conf": (examples,),
    "nginx/site/index.html": (
        say("<title>Ponte</title>", lambda choice: f"<title>{choice.project}</title>"),
        say("> Ponte</p>", lambda choice: f"> {choice.project}</p>"),
        say("Flask, Django and FastAPI", titles, times=2),
        blocks('      <article class="card" data-service="{name}">', "      </article>"),
        lines('<li data-dots="{name}">', '<option value="{name}">'),
        when(without_asgi, between('  <section aria-labelledby="chat-title">', "</main>"),
             say('  <script type="module" src="/chat.js"></script>\n', "")),
        when(lambda choice: "fastapi" not in choice.services, say('    <a href="/fastapi/docs">API documentation</a>\n', "")),
        when(lambda choice: bool(choice.asgi), say("one FastAPI replica", lambda choice: f"one {TITLES[speaks(choice)]} replica")),
        examples,
    ),
    "nginx/site/chat.js": (say("/fastapi/ws/chat", lambda choice: f"/{speaks(choice)}/ws/chat"),
                           say("Connected to FastAPI", lambda choice: f"Connected to {TITLES[speaks(choice)]}")),
    "loadtests/experiments/stages.toml": (variants,),
    "deploy/compose/production.yaml": (lines("  {name}: *app"),),
    "deploy/swarm/overlay.yaml": (lines("  {name}: *app"),),
    "deploy/swarm/loadtest.yaml": (say("COMPOSE_PROJECT_NAME:-ponte", lambda choice: f"COMPOSE_PROJECT_NAME:-{choice.project}"),),
    "deploy/kubernetes/base/kustomization.yaml": (lines("- {name}.yaml"),),
    "deploy/kubernetes/components/hpa/hpa.yaml": (documents("metadata: {name: {name}}"),),
    "deploy/kubernetes/components/pdb/pdb.yaml": (documents("metadata: {name: {name}}"),),
    "deploy/supply/requirements.txt": (say("-c apps/matrix/requirements.txt ", ""),),
    "deploy/README.md": (
        between("| `new/` |", "| `doctor.py`"),
        unless("swarm", rows("| `engines/swarm.py`")),
        unless("systemd", rows("| `engines/systemd.py`")),
        unless("kubernetes", rows("| `kubernetes/` |")),
    ),
    "deploy/compose/decision.py": (unless("swarm", say(", deploy/swarm/releasing.py", "")),),
    "deploy/native/keeping.py": (unless("systemd", say(", or systemd (deploy/systemd/)", "")),),
    "deploy/images/README.md": (
        unless("kubernetes", between("; `sudo deploy/images/next kubectl`", "\n\nBoth may be run", ".")),
    ),
    "docs/adopting.md": (
        say("`tests/stack/test_adopting.py` does", "A test of Ponte does"),
        between("## A project", "## What it needs"),
        unless("kubernetes", say(",deploy/kubernetes", "")),
    ),
    "docs/backups.md": (unless("systemd", between("- On a server that systemd keeps", "- A dump that somebody")),),
    "docs/deploying.md": (
        unless(
            "swarm",
            rows("| several machines with Docker", "| Swarm |", "| the contract, scaling, a rolling", "| a node is lost", "| Locust's master"),
        ),
        unless(
            "systemd",
            rows("| one machine without Docker, with root", "| systemd |", "| a release and a rollback", "| units and"),
        ),
        unless("kubernetes", rows("| a Kubernetes cluster", "| Kubernetes |", "| manifests and")),
    ),
    "docs/edge.md": (unless("systemd", between("On a server that systemd keeps", "### Behind a load balancer")),),
    "docs/releases.md": (unless("systemd", between(" (on a server kept by systemd", ". A crash")),),
    "tests/stack/conftest.py": (unless("swarm", say('"test_swarm.py", ', "")),),
    "tests/promises/README.md": (
        unless("swarm", rows("| N1 | [`lost_node`]")),
        unless("systemd", rows("| - | [`systemd`]")),
    ),
    "pyproject.toml": (
        between('[[tool.mypy.overrides]]\nmodule = ["bottle"', "[[tool.mypy.overrides]]\n# Its types"),
        unless("kubernetes", say(', "kubernetes_validate.*"', "")),
    ),
    "Makefile": (between(".PHONY: new\n", "##@ Check"), examples),
    "apps/Dockerfile": (
        say("flask, django, django-asgi or fastapi", lambda choice: " or ".join(choice.services)),
        say('CMD ["fastapi"', lambda choice: f'CMD ["{choice.services[-1]}"'),
        examples,
    ),
    "apps/README.md": (
        say("`flask/`, `django/`, `fastapi/`", lambda choice: ", ".join(f"`{name}/`" for name in folders_of(choice))),
        say("`starlette/`, `quart/`, `blacksheep/`, `bottle/`, `pyramid/`, ", ""),
        say("| `matrix/` | the packages of those, which no image has |\n", ""),
        examples,
    ),
    "README.md": (
        between("# Ponte\n", "## Run it", beginning),
        lines("  {name}  ", "| `{name}` |"),
        words("`{PREFIX}_REPLICAS`"),
        words("`{PREFIX}_…`"),
        say("`flask`, `django` and `fastapi` as siblings, [more frameworks](#frameworks) beside them", folders),
        between(" [Choosing]", " [The edge]"),
        between(" [Lost requests]", " |\n"),
        say(", and\n[what follows for your application](docs/choosing.md).", "."),
        say("[what each cannot do](docs/servers.md)", "what each cannot do"),
        say("stand more frameworks, and none at all. Each answers", "stand applications without a framework. Each answers"),
        say("and no image has their packages; the", "; the"),
        between("## Put your own application", "## Start a project of your own", own_application),
        between("| `starlette`", "| `bare-wsgi`", ""),
        say("a folder beside `apps/fastapi`", lambda choice: f"a folder beside `apps/{folders_of(choice)[0]}`"),
        between("## Start a project of your own", "## Add an application"),
        between("- **A framework** to compare", "- **A server**", ""),
        when(lambda choice: "fastapi" not in choice.services, say("FastAPI's own documentation is at `/fastapi/docs`.\n\n", "")),
        say("python -m serve starlette", "python -m serve bare-asgi"),
        unless(
            "swarm",
            say(
                "`make up ENGINE=swarm` runs it on [a Docker Swarm](deploy/swarm/README.md), `STAGE=production` [for good]",
                "`make up STAGE=production` runs it [for good]",
            ),
        ),
        unless("systemd", say(", and [one server](deploy/systemd/README.md) kept by systemd", "")),
        unless("kubernetes", say(", [Kubernetes](deploy/kubernetes/README.md)", "")),
        examples,
    ),
}  # fmt: skip
