"""Where a secret could be seen, as text by the name of the place."""

import re
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.contract import NAMES

Places = Iterator[tuple[str, str]]
LARGEST_FILE = 32 * 2**20  # PostgreSQL's log of changes has 16 MiB


def leaks(places: Iterable[tuple[str, str]], secrets: dict[str, str]) -> list[str]:
    """The places that show a secret; there must be places at all."""
    looked = list(places)
    assert looked, "nothing was looked at"
    return [f"{place} shows {name}" for place, text in looked for name, value in secrets.items() if value in text]


def values(password_url: str, secret_key: str, certificate_key: str) -> dict[str, str]:
    """The secrets of a stack, by name."""
    (password,) = re.findall(r"://[^:/@]+:([^@]+)@", password_url)
    found = {
        "password": password,
        "secret key": secret_key.strip(),
        "certificate's key": certificate_key.split("\n")[2],
    }
    assert all(len(value) >= 32 for value in found.values()), "a secret that is short, or was not found"
    return found


def processes(pids: Iterable[int]) -> Places:
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            for file in ("cmdline", "environ"):
                yield f"{file} of {pid}", Path(f"/proc/{pid}/{file}").read_bytes().decode("latin-1")


def readable_files(folder: Path) -> Places:
    """Files that somebody else may read."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and is_open(path, folder):
            yield str(path), path.read_bytes()[:LARGEST_FILE].decode("latin-1")


def is_open(path: Path, top: Path) -> bool:
    """Neither the file nor a folder above it keeps others out."""
    above = [each for each in path.parents if each.is_relative_to(top)]
    return bool(path.stat().st_mode & 0o044) and all(each.stat().st_mode & 0o011 for each in above)


def answers(url: str) -> Places:
    for path in [
        "/",
        *(f"/{name}{path}" for name in NAMES for path in ("/", "/headers", "/readyz", "/none", "/wait?ms=x")),
    ]:
        request = urllib.request.Request(url + path)
        try:
            yield path, urllib.request.urlopen(request, timeout=5).read().decode()
        except urllib.error.HTTPError as error:
            yield path, error.read().decode()
