"""A cluster by way of kubectl: what changes it is printed before it runs, and with `dry` only printed."""

import json
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from deploy.console import Console
from deploy.errors import Failure, Refused, impossible
from deploy.kubernetes.objects import said
from deploy.run import quiet, show


@dataclass(frozen=True)
class Cluster:
    namespace: str
    dry: bool
    say: Console

    def do(self, *words: object) -> CompletedProcess[str]:
        """Changes something, or waits for it."""
        show(self.argv(*words))
        return CompletedProcess((), 0, "", "") if self.dry else self.ask(*words)

    def ask(self, *words: object) -> CompletedProcess[str]:
        """Changes nothing."""
        return quiet(self.argv(*words), capture_output=True)

    def argv(self, *words: object) -> list[object]:
        return ["kubectl", "--namespace", self.namespace, *words]

    def introduce(self) -> None:
        context = self.ask("config", "current-context").stdout.strip() or "none"
        self.say(f"cluster: {context}, namespace: {self.namespace}")

    def must(self, failure: type[Failure], sentence: str, *words: object) -> None:
        answer = self.do(*words)
        if answer.returncode:
            raise failure(f"{sentence}: {said(answer.stderr)}")

    def state(self, kind: str, name: str) -> dict[str, Any]:
        """Empty when there is none."""
        answer = self.ask("get", kind, name, "--ignore-not-found", "--output", "json")
        if answer.returncode:
            raise impossible(f"the cluster does not answer: {said(answer.stderr)}")
        return json.loads(answer.stdout or "{}")

    def need_secret(self, name: str, keys: set[str]) -> None:
        """The first question to a cluster: it is there, and has what pods will wait for."""
        template = "go-template={{range $key, $_ := .data}}{{$key}} {{end}}"  # (!) the names, never the values
        answer = self.ask("get", "secret", name, "--output", template)
        if answer.returncode and "NotFound" not in answer.stderr:
            raise impossible(f"no cluster answers: {said(answer.stderr)}; kubectl config use-context chooses one")
        if missing := keys - set(answer.stdout.split()):
            lacking = ", ".join(sorted(missing))
            raise impossible(f"the Secret {name!r} in the namespace {self.namespace!r} is not there or lacks {lacking}; "
                             "deploy/kubernetes/README.md says how it is made")  # fmt: skip

    def accepts(self, path: Path) -> None:
        """The server's own look, which admission and quotas have a part in; changes nothing."""
        answer = self.do("apply", "--dry-run=server", "--filename", path)
        if answer.returncode:
            raise Refused(f"the cluster would refuse {path.name}: {said(answer.stderr)}")
