"""Downloads: a web server on this machine that is slow, fails, lies, points elsewhere or is gone."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from scfm_assets.errors import ScfmError
from scfm_assets.inputs import downloads
from scfm_assets.inputs.downloads import fetched

Handler = http.server.BaseHTTPRequestHandler


@dataclass
class Site:
    """What a server answers to a path, and what it was asked."""

    url: str = ""
    pages: dict[str, bytes | Callable[[Handler], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(self, path: str, content: bytes) -> str:
        """Serve something; give its SHA-256."""
        self.pages[path] = content
        return hashlib.sha256(content).hexdigest()


def send(handler: Handler, content: bytes, *, claimed: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) if claimed is None else claimed))
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delenv("SCFM_MIRROR", raising=False)
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))  # its waits, nobody else's
    found = Site()

    class Answer(Handler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            found.asked.append(self.path)
            page = found.pages.get(self.path)
            if page is None:
                self.send_error(404)
            elif callable(page):
                page(self)
            else:
                send(self, page)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        found.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def kept(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "downloads").glob("*") if not path.name.startswith("."))


# What goes well


def test_a_download_is_asked_for_once_and_keeps_its_name(site, tmp_path):
    sha = site.add("/data/a%20b/edges.tsv.gz?download=1", b"tf\ttarget\n")
    url = f"{site.url}/data/a%20b/edges.tsv.gz?download=1"
    first = fetched(url, sha)
    assert (first.name, first.read_bytes()) == (f"{sha[:12]}-edges.tsv.gz", b"tf\ttarget\n")
    assert fetched(url, sha) == first
    assert len(site.asked) == 1
    assert kept(tmp_path) == [first.name]


def test_a_server_that_fails_twice_is_asked_a_third_time(site):
    content = b"at last"
    failures = iter([503, 429])

    def page(handler: Handler) -> None:
        if status := next(failures, None):
            handler.send_error(status)
        else:
            send(handler, content)

    site.pages["/f.csv"] = page
    assert fetched(f"{site.url}/f.csv", hashlib.sha256(content).hexdigest()).read_bytes() == content
    assert len(site.asked) == 3


def test_an_answer_that_breaks_off_is_asked_for_again_from_its_beginning(site, tmp_path):
    content = b"x" * 100_000
    broken = iter([True, True])

    def page(handler: Handler) -> None:
        send(handler, content[:500] if next(broken, False) else content, claimed=len(content))

    site.pages["/f.csv"] = page
    assert fetched(f"{site.url}/f.csv", "first").read_bytes() == content
    site.pages["/g.csv"] = lambda handler: send(handler, b"half", claimed=9)
    with pytest.raises(ScfmError, match="cannot be downloaded"):
        fetched(f"{site.url}/g.csv", "first")
    assert len(kept(tmp_path)) == 2  # the first one, and the pins


def test_a_slow_download_tells_how_far_it_is(site, capsys, monkeypatch):
    monkeypatch.setattr(downloads, "LINE_SECONDS", 0.05)

    def page(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(6 << 20))
        handler.end_headers()
        for _ in range(6):
            handler.wfile.write(b"x" * (1 << 20))
            time.sleep(0.06)

    site.pages["/atlas.h5ad"] = page
    fetched(f"{site.url}/atlas.h5ad", "first")
    assert "downloading atlas.h5ad: " in capsys.readouterr().err


def test_a_file_of_this_machine_has_an_address_too(site, tmp_path):
    file = tmp_path / "some file.tsv"
    file.write_bytes(b"edges")
    assert fetched(file.as_uri(), hashlib.sha256(b"edges").hexdigest()).read_bytes() == b"edges"
    with pytest.raises(ScfmError, match="a file on another machine, elsewhere"):
        fetched("file://elsewhere/f.tsv", "first")


def test_a_file_that_was_put_there_by_hand_is_taken_if_it_is_the_right_one(site, tmp_path):
    sha = hashlib.sha256(b"by hand").hexdigest()
    place = tmp_path / "downloads" / f"{sha[:12]}-f.csv"
    place.parent.mkdir()
    place.write_bytes(b"by hand")
    assert fetched(f"{site.url}/f.csv", sha) == place
    place.write_bytes(b"something else, of another length")
    with pytest.raises(ScfmError, match="the server answers 404") as caught:
        fetched(f"{site.url}/f.csv", sha)
    assert str(place) in str(caught.value.remedy)
    assert kept(tmp_path) == []


# What is refused


def test_other_content_is_refused_with_both_digests_and_not_fetched_twice(site, tmp_path):
    found = site.add("/f.csv", b"something else")
    with pytest.raises(ScfmError) as caught:
        fetched(f"{site.url}/f.csv", "0" * 64)
    assert f"another SHA-256: {found}, declared is {'0' * 64}" in caught.value.problem
    assert len(site.asked) == 1
    assert kept(tmp_path) == []


def test_what_is_not_there_is_not_asked_for_again(site):
    with pytest.raises(ScfmError, match="cannot be downloaded: the server answers 404"):
        fetched(f"{site.url}/gone.h5ad", "0" * 64)
    assert len(site.asked) == 1


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/f", "gopher://x"])
def test_a_redirect_out_of_the_web_is_refused(site, tmp_path, target):
    def page(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    site.pages["/f.csv"] = page
    with pytest.raises(ScfmError, match="cannot be downloaded"):
        fetched(f"{site.url}/f.csv", "first")
    assert kept(tmp_path) == []


def test_no_error_tells_a_secret_of_the_address(site):
    url = site.url.replace("http://", "http://user:hush@") + "/f.csv?token=hush"
    for address in (url, url.replace(":" + site.url.rsplit(":", 1)[1], ":1")):
        with pytest.raises(ScfmError) as caught:
            fetched(address, "0" * 64)
        assert "hush" not in caught.value.place
    with pytest.raises(ScfmError) as caught:
        fetched(url, "0" * 64)
    assert "hush" not in str(caught.value)


def test_a_killed_download_leaves_nothing_in_its_place_and_the_next_one_begins_anew(site, tmp_path):
    begun, content = threading.Event(), b"y" * 1000
    sha = hashlib.sha256(content).hexdigest()

    def page(handler: Handler) -> None:
        if begun.is_set():
            send(handler, content)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(content[:500])
        handler.wfile.flush()
        begun.set()
        time.sleep(5)

    site.pages["/f.csv"] = page
    code = f"from scfm_assets.inputs.downloads import fetched; fetched({site.url + '/f.csv'!r}, {sha!r})"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        assert begun.wait(30)
        process.kill()
    assert not list((tmp_path / "downloads").glob("*f.csv"))
    left = [path for path in (tmp_path / "downloads").iterdir() if path.is_file()]
    assert len(left) == 1
    os.utime(left[0], (0, 0))
    assert fetched(f"{site.url}/f.csv", sha).read_bytes() == content
    assert not left[0].exists()


# A mirror


@pytest.mark.parametrize("where", ["by host", "by name"])
def test_a_folder_is_a_mirror(site, tmp_path, monkeypatch, where):
    mirror = tmp_path / "mirror"
    place = mirror / "example.org" / "data" if where == "by host" else mirror
    place.mkdir(parents=True)
    (place / "net work.tsv").write_bytes(b"edges")
    monkeypatch.setenv("SCFM_MIRROR", str(mirror))
    url = "https://example.org/data/net%20work.tsv"
    assert fetched(url, hashlib.sha256(b"edges").hexdigest()).read_bytes() == b"edges"
    assert fetched(url, "first").read_bytes() == b"edges"


@pytest.mark.parametrize("path", ["/base/example.org/data/f.tsv", "/base/f.tsv"])
def test_an_address_is_a_mirror(site, monkeypatch, path):
    sha = site.add(path, b"edges")
    monkeypatch.setenv("SCFM_MIRROR", f"{site.url}/base/")
    assert fetched("https://example.org/data/f.tsv", sha).read_bytes() == b"edges"


def test_a_mirror_without_the_file_or_with_another_one_is_passed_over(site, tmp_path, monkeypatch):
    sha = site.add("/f.tsv", b"edges")
    monkeypatch.setenv("SCFM_MIRROR", str(tmp_path / "nowhere"))
    assert fetched(f"{site.url}/f.tsv", sha).read_bytes() == b"edges"
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "g.tsv").write_bytes(b"older edges")
    monkeypatch.setenv("SCFM_MIRROR", str(tmp_path / "mirror"))
    other = site.add("/g.tsv", b"newer edges")
    assert fetched(f"{site.url}/g.tsv", other).read_bytes() == b"newer edges"


@pytest.mark.parametrize("path", ["/../secret.tsv", "/a/../../secret.tsv", "/%2e%2e%2fsecret.tsv", "/..%5csecret.tsv"])
def test_no_address_leads_out_of_a_mirror(site, tmp_path, monkeypatch, path):
    (tmp_path / "secret.tsv").write_text("secret")
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("SCFM_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(ScfmError, match="cannot be downloaded"):
        fetched(f"{site.url}{path}", "first")


# Trust on first use


def test_what_is_met_first_is_pinned_and_anything_else_later_refused(site, tmp_path):
    url = f"{site.url}/f.tsv?token=hush"
    sha = site.add("/f.tsv?token=hush", b"edges")
    path = fetched(url, "first")
    pins = (tmp_path / "downloads" / "pins.json").read_text()
    assert [*json.loads(pins).values()] == [{"url": "http://127.0.0.1/f.tsv", "sha256": sha}]
    assert "hush" not in pins
    site.add("/f.tsv?token=hush", b"other edges")
    assert fetched(url, "first").read_bytes() == b"edges"
    path.unlink()
    with pytest.raises(ScfmError, match=f"it has changed since it was first met: its SHA-256 is .*, and was {sha}"):
        fetched(url, "first")
    assert not path.exists()
    site.add("/f.tsv?token=hush", b"edges")
    assert fetched(url, "first") == path


def test_a_kept_file_that_was_tampered_with_is_fetched_again(site):
    site.add("/f.tsv", b"edges")
    path = fetched(f"{site.url}/f.tsv", "first")
    path.write_bytes(b"tampered with")
    assert fetched(f"{site.url}/f.tsv", "first").read_bytes() == b"edges"


def test_many_at_once_forget_no_pin(site, tmp_path):
    for i in range(12):
        site.add(f"/{i}.tsv", b"edges %d" % i)
    with ThreadPoolExecutor(12) as pool:
        paths = list(pool.map(lambda i: fetched(f"{site.url}/{i}.tsv", "first"), range(12)))
    assert [path.read_bytes() for path in paths] == [b"edges %d" % i for i in range(12)]
    assert len(json.loads((tmp_path / "downloads" / "pins.json").read_text())) == 12


def test_pins_that_cannot_be_read_are_told_and_not_thrown_away(site, tmp_path):
    pins = tmp_path / "downloads" / "pins.json"
    pins.parent.mkdir()
    pins.write_text("{")
    with pytest.raises(ScfmError, match=r"pins\.json: not readable JSON"):
        fetched(f"{site.url}/f.tsv", "first")
    assert pins.read_text() == "{"
