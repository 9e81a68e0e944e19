"""Fixtures of the data set tests: the real data, if there are any, and a local web server."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from subspace_learn.datasets import _sources

_NO_DATA = "real data are not here: set SUBSPACE_LEARN_DATA to the folder that holds them"


@pytest.fixture
def real_home():
    """Folder of the real data; the test is skipped where none is named."""
    folder = os.environ.get("SUBSPACE_LEARN_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip(_NO_DATA)
    return Path(folder)


@pytest.fixture
def fetch_real(real_home):
    """Call a fetcher on the real data without network; skip if that file is not there."""
    from subspace_learn.datasets import DatasetUnavailableError

    def fetch(fetcher, *args, **kwargs):
        try:
            return fetcher(*args, data_home=real_home, download_if_missing=False, **kwargs)
        except DatasetUnavailableError as error:
            if "not found" not in str(error):
                raise
            pytest.skip(str(error))

    return fetch


class Server:
    """A web server on 127.0.0.1 that answers with what a test puts there."""

    def __init__(self, httpd):
        self.address = f"http://127.0.0.1:{httpd.server_address[1]}"
        self.answers = {}
        self.requests = []
        httpd.RequestHandlerClass = self._handler()

    def offer(self, name, content, *, status=200, announced=None):
        """Answer requests of ``name``; ``announced`` bytes are promised, ``content`` is sent."""
        length = len(content) if announced is None else announced
        self.answers[f"/{name}"] = (status, length, content)
        return _sources.Remote(f"{self.address}/{name}", hashlib.sha256(content).hexdigest())

    def _handler(server):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.requests.append(self.path)
                status, length, content = server.answers.get(self.path, (404, 0, b""))
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        return Handler


@pytest.fixture
def server(monkeypatch):
    """A running :class:`Server`; proxies of the environment are kept out of the way."""
    pytest.importorskip("pooch", reason="downloading needs pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Server(httpd)
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def closed_address(monkeypatch):
    """Address of a port where nobody listens, as if there were no network."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def set_source(monkeypatch):
    """Replace the originals of a data set for one test."""

    def replace(source, *remotes):
        monkeypatch.setitem(_sources.SOURCES, source, remotes)

    return replace
