"""`make sbom` and `make audit`: real tools over lock files of their own, and an advisory service on a free port."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.console import Console
from deploy.errors import Failure
from deploy.ports import allocate
from deploy.settings import ROOT, build
from deploy.supply import audit as auditing
from deploy.supply.audit import audit, rounds
from deploy.supply.locks import Pin, locks, pins
from deploy.supply.sbom import sbom

HASH = f"sha256:{'0' * 64}"
WRONG = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-0001", "GHSA-1"], "summary": "a way in", "affected": [{
    "package": {"ecosystem": "PyPI", "name": "shelf"}, "versions": ["1.0"],
    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}]}]}  # fmt: skip


def line(name: str, version: str, marker: str = "") -> str:
    return f"{name}=={version}{marker} \\\n    --hash={HASH}\n"


@pytest.fixture
def checkout(tmp_path: Path):
    """Two sets: one pins what the other does too, and a package twice, for different machines."""
    texts = {
        "apps": line("shelf", "1.0") + line("board", "2.0"),
        "apps/serve": line("shelf", "1.0")
        + line("nail", "3.0", " ; sys_platform == 'win32'")
        + line("nail", "4.0", " ; sys_platform != 'win32'"),
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "requirements.txt").write_text(f"# made by hand\n{text}    # via somebody\n")
    return build({}, {}, tmp_path, tmp_path / ".run")


@contextmanager
def advisories(known: dict[str, dict]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(the address of a service that speaks OSV's language, what it was asked)"""
    asked: list[tuple[str, str]] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((question["package"]["name"], question["version"]))
            answer = known.get(question["package"]["name"])
            body = json.dumps({"vulns": [answer]} if answer else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch):
    def use(url: str) -> None:
        monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
        monkeypatch.setenv("PIP_AUDIT_OSV_URL", url)

    return use


def ended(settings) -> tuple[int, str]:
    with pytest.raises(Failure) as failure:
        audit(settings, Console(), {})
    return failure.value.code, str(failure.value)


def test_an_audit_asks_about_every_version_once_on_whichever_machine_it_counts(checkout, service, capfd):
    with advisories({}) as (url, asked):
        service(url)
        audit(checkout, Console(), {})

    assert sorted(asked) == [("board", "2.0"), ("nail", "3.0"), ("nail", "4.0"), ("shelf", "1.0")]
    assert "nothing is known against 4 packages of 2 lock files" in capfd.readouterr().err


def test_an_advisory_is_told_with_its_mend_and_with_who_has_the_package(checkout, service, capfd):
    with advisories({"shelf": WRONG}) as (url, _):
        service(url)
        code, sentence = ended(checkout)

    assert (code, sentence) == (1, "one advisory is known against 1 of the packages")
    row = next(line for line in capfd.readouterr().out.splitlines() if "shelf" in line)
    assert row.split(maxsplit=5) == ["shelf", "1.0", "PYSEC-2026-1,", "CVE-2026-0001", "1.1", row.split(maxsplit=5)[5]]
    assert row.rstrip().endswith("apps, apps/serve")


def test_a_service_that_cannot_be_reached_is_one_sentence(checkout, service, tmp_path: Path):
    service(f"http://127.0.0.1:{allocate(tmp_path, 1)[0]}/v1/query")

    code, sentence = ended(checkout)

    assert code == 3
    assert sentence.startswith("the advisory service cannot be reached; check the network")
    assert "\n" not in sentence


def test_a_service_that_has_never_heard_of_a_package_does_not_make_it_harmless(checkout, monkeypatch):
    unheard = {"name": "shelf", "skip_reason": "not found"}
    monkeypatch.setattr(auditing, "asked", lambda *_: {"dependencies": [unheard]})

    code, sentence = ended(checkout)

    assert code == 3
    assert sentence.startswith(
        "the advisory service has no answer for 2 of 4 packages (shelf, shelf), so nothing is known"
    )


def test_pip_audits_own_trouble_is_not_the_networks(checkout, service):
    (checkout.root / "apps" / "requirements.txt").write_text("board==2.0\n")
    service("http://127.0.0.1:9/")

    code, sentence = ended(checkout)

    assert (code, sentence.partition(":")[0]) == (3, "pip-audit ended early")


def test_certificates_of_ours_are_believed_unless_somebody_says_others(checkout):
    given = build({"CA_BUNDLE": "ours.pem"}, {}, checkout.root, checkout.run)

    assert auditing.environment(given, {})["REQUESTS_CA_BUNDLE"] == "ours.pem"
    assert auditing.environment(checkout, {"PIP_CERT": "pip.pem"})["REQUESTS_CA_BUNDLE"] == "pip.pem"
    assert auditing.environment(given, {"REQUESTS_CA_BUNDLE": "theirs.pem"})["REQUESTS_CA_BUNDLE"] == "theirs.pem"


def test_two_versions_of_a_package_are_asked_about_one_after_the_other():
    wanted = [Pin("nail", "3.0", ()), Pin("nail", "4.0", ()), Pin("board", "2.0", ())]

    assert [sorted(f"{pin.name} {pin.version}" for pin in each) for each in rounds(wanted)] in (
        [["board 2.0", "nail 4.0"], ["nail 3.0"]],
        [["board 2.0", "nail 3.0"], ["nail 4.0"]],
    )


def test_a_bill_of_materials_lists_what_its_lock_pins(checkout):
    sbom(checkout, Console(), {})

    made = json.loads((checkout.run / "sbom" / "apps-serve.cdx.json").read_text())
    assert made["metadata"]["component"]["name"] == "ponte/apps/serve"
    assert sorted(each["purl"] for each in made["components"]) == [
        "pkg:pypi/nail@3.0",
        "pkg:pypi/nail@4.0",
        "pkg:pypi/shelf@1.0",
    ]
    assert {path.name for path in (checkout.run / "sbom").iterdir()} == {"apps.cdx.json", "apps-serve.cdx.json"}


def test_a_bill_of_materials_is_cyclonedx_and_twice_the_same(checkout):
    path = checkout.run / "sbom" / "apps.cdx.json"

    sbom(checkout, Console(), {})
    first = path.read_text()
    sbom(checkout, Console(), {})

    assert path.read_text() == first
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(first) is None


def test_a_lock_of_this_checkout_loses_no_package_on_the_way():
    for name, lock in locks(ROOT).items():
        lines = [each for each in lock.read_text().splitlines() if "==" in each and not each.lstrip().startswith("#")]
        assert len(list(pins(lock))) == len(lines), name
