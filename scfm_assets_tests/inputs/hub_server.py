"""As much of the hub's API as huggingface_hub asks for, served from memory: revisions, trees and files."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """What the server holds, and what it was asked."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    repository: str = "lab/model"
    gated: bool = False
    truncated: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Add a commit with these files, and let a branch stand at it."""
        name = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[name] = files
        self.branches[branch] = name
        return name


def handler_of(hub: Hub) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            path = unquote(urlsplit(self.path).path).strip("/")
            if path != "api/agent-harnesses":  # what the library asks about itself
                hub.asked.append(f"{self.command} {path}")
            api = f"api/models/{hub.repository}/"
            if hub.gated:
                self.refuse(403, "GatedRepo")
            elif path.startswith(f"{api}revision/"):
                self.revision(path.removeprefix(f"{api}revision/"))
            elif path.startswith(f"{api}tree/"):
                self.tree(path.removeprefix(f"{api}tree/").split("/")[0])
            elif path.startswith(f"{hub.repository}/resolve/"):
                self.file(*path.removeprefix(f"{hub.repository}/resolve/").split("/", 1))
            else:
                self.refuse(404, "RepoNotFound")

        def commit_of(self, revision: str) -> str | None:
            found = hub.branches.get(revision, revision)
            return found if found in hub.commits else None

        def revision(self, revision: str) -> None:
            if (commit := self.commit_of(revision)) is None:
                self.refuse(404, "RevisionNotFound")
                return
            names = [{"rfilename": name} for name in hub.commits[commit]]
            self.send_json({"id": hub.repository, "modelId": hub.repository, "sha": commit, "siblings": names})

        def tree(self, revision: str) -> None:
            if (commit := self.commit_of(revision)) is None:
                self.refuse(404, "RevisionNotFound")
                return
            files = hub.commits[commit].items()
            listed = [{"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()} for n, c in files]
            self.send_json(listed)

        def file(self, revision: str, name: str) -> None:
            commit = self.commit_of(revision)
            content = hub.commits[commit].get(name) if commit else None
            if commit is None or content is None:
                self.refuse(404, "EntryNotFound" if commit else "RevisionNotFound")
                return
            etag = hashlib.sha256(content).hexdigest()
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit}
            if name in hub.truncated and self.command == "GET":
                self.send(200, content, headers, keep=len(content) // 2)
                return
            self.send(200, content, headers)

        def send_json(self, value: object) -> None:
            self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def refuse(self, status: int, code: str) -> None:
            self.send(status, b"", {"X-Error-Code": code, "X-Error-Message": code})

        def send(self, status: int, content: bytes, headers: dict[str, str], keep: int | None = None) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            if keep is not None:
                self.close_connection = True
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content if keep is None else content[:keep])

    return Handler


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve a hub on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub)) as server:
        server.daemon_threads = True
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
