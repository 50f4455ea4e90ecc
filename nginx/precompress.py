"""Compresses text files beside themselves, for nginx to send as they are: smaller than on the fly, at no CPU.

python nginx/precompress.py FOLDER

NAME.gz always; NAME.br and NAME.zst where this Python has `brotli` and `zstandard` (and nginx a module for them).
"""

import gzip
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

TEXT = {".css", ".html", ".js", ".json", ".map", ".svg", ".txt", ".xml"}
WORTH_IT = 0.9  # of the size; and nothing below the 1,024 bytes of snippets/gzip.conf
SMALLEST = 1024
# Ending -> how; the same bytes whenever it runs.
FORMS: dict[str, Callable[[bytes], bytes]] = {".gz": lambda plain: gzip.compress(plain, 9, mtime=0)}
with suppress(ImportError):
    import brotli

    FORMS[".br"] = brotli.compress
with suppress(ImportError):
    import zstandard

    FORMS[".zst"] = zstandard.ZstdCompressor(19).compress


def compress(path: Path, form: str) -> None:
    """With the file's own date. (!) Renamed into place: nginx may be sending the old one."""
    plain = path.read_bytes()
    packed = FORMS[form](plain)
    target, part = (path.with_name(path.name + end) for end in (form, f"{form}.part"))
    if len(plain) < SMALLEST or len(packed) > WORTH_IT * len(plain):
        return target.unlink(missing_ok=True)
    part.write_bytes(packed)
    found = path.stat()
    os.utime(part, ns=(found.st_atime_ns, found.st_mtime_ns))
    part.replace(target)


if __name__ == "__main__":
    for file in [each for each in Path(sys.argv[1]).rglob("*") if each.is_file() and each.suffix in TEXT]:
        for form in FORMS:
            compress(file, form)
