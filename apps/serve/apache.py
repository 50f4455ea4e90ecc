"""`python -m serve.apache --port 8000 ...`: mod_wsgi-express with its own options, finishing its requests when it stops.

SIGTERM ends Apache at once; what finishes is SIGWINCH. What no option says stands in mod_wsgi/httpd.conf.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIGURATION = Path(__file__).with_name("mod_wsgi") / "httpd.conf"
SBIN = "/usr/local/sbin:/usr/sbin"


def main() -> int:
    if os.geteuid() == 0:
        return refuse("mod_wsgi does not run as root; start the stack as an ordinary user")
    path = os.pathsep.join([os.environ.get("PATH", ""), SBIN])
    apache = shutil.which("apache2", path=path) or shutil.which("httpd", path=path)
    if not apache:
        return refuse("mod_wsgi needs Apache, which is not on PATH; apt install apache2-bin apache2-dev")
    with tempfile.TemporaryDirectory(prefix="ponte-apache-") as folder:
        return serve(
            ["--httpd-executable", apache, "--server-root", folder, "--include-file", str(CONFIGURATION)], path
        )


def refuse(sentence: str) -> int:
    print(f"serve: {sentence}", file=sys.stderr)
    return 2


def serve(options: list[str], path: str) -> int:
    express = Path(sys.executable).with_name("mod_wsgi-express")
    process = subprocess.Popen([express, "start-server", *sys.argv[1:], *options], env={**os.environ, "PATH": path})
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGWINCH))
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
