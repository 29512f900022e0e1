"""
A Hugging Face Hub of our own, on this machine, that can be told to misbehave.
"""

import hashlib
import time
from collections import defaultdict, namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import quote, unquote, urlsplit

__all__ = ["NAME", "REPOSITORY", "HubServer", "Request"]

#: The repository of the small model of the tests, and its name in their registry.
REPOSITORY = "somebody/tiny"
NAME = "tiny-mdi"

#: One request as it came in: `server` is ``"hub"`` or ``"storage"``.
Request = namedtuple("Request", ["server", "method", "path", "headers"])

#: Seconds between the pieces of a slow but steady body, and how many there are.
PAUSE, PIECES = 0.1, 13
HTML = b"<!doctype html><html><body>Please log in to the network of the hotel.</body></html>"


class HubServer:
    """
    Two servers: the Hub, and the storage to which it redirects for large files.

    Parameters
    ----------
    storage_host : `str`, optional
        Name by which the storage is addressed; ``127.0.0.1`` is that of the Hub.

    Attributes
    ----------
    requests : `list` of `Request`
        Everything that was asked, in order.
    statuses : `dict` of iterator
        By file name: what the Hub answers instead of the file, until the iterator ends.
    bodies : `dict` of iterator
        By file name: how the content is spoilt, until the iterator ends. One of ``"truncated"``, ``"wrong"``,
        ``"html"``, ``"silent"``, ``"steady"`` and ``"stalled"``.
    hidden, endless : `set`
        Files without any ETag, and files that redirect to themselves.
    tokens : `dict`
        The token that a gated repository wants.
    moved : `dict`
        New names of repositories that were renamed.
    small : `str`
        ``"direct"``: the Hub sends small files itself; ``"cached"``: it redirects to another path of its own, and says
        the ETag only there, as huggingface.co does for public repositories since 2025.
    listeners : `list`
        Called with each request before it is answered.
    stalled : `threading.Event`
        Set when a body has stalled.
    """

    def __init__(self, storage_host="localhost"):
        self.storage_host = storage_host
        self.requests = []
        self.statuses = {}
        self.bodies = {}
        self.hidden, self.endless = set(), set()
        self.tokens, self.moved = {}, {}
        self.small = "direct"
        self.listeners = []
        self.stalled = Event()
        self._branches = defaultdict(dict)
        self._commits = defaultdict(dict)
        self._released = Event()
        self._servers = {name: self._serve(name) for name in ("hub", "storage")}

    def _serve(self, name):
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.name, server.owner = name, self
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return server

    def close(self):
        """
        Stop both servers.
        """
        self._released.set()
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    @property
    def endpoint(self):
        """
        Address of the Hub.
        """
        return f"http://127.0.0.1:{self._servers['hub'].server_port}"

    def publish(self, repository, files, branch="main"):
        """
        Commit files, and let a branch point to the commit.

        Returns
        -------
        `str`
            The commit.
        """
        content = repr((repository, sorted(files.items()), len(self._commits[repository])))
        commit = hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()
        self._commits[repository][commit] = dict(files)
        self._branches[repository][branch] = commit
        return commit

    def asked(self, server=None, method=None, file=""):
        """
        Requests that were made, of all or of some kind.
        """
        return [
            one
            for one in self.requests
            if server in (None, one.server) and method in (None, one.method) and unquote(one.path).endswith(file)
        ]

    def find(self, repository, revision, file):
        """
        Commit and content of a file; `None` for what there is not.
        """
        commit = self._branches[repository].get(revision, revision)
        content = self._commits[repository].get(commit, {}).get(file)
        return None if content is None else (commit, content)

    def spoilt(self, file):
        """
        What is wrong with the next body of a file, if anything.
        """
        return next(self.bodies.get(file, iter(())), None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def _answer(self):
        self.close_connection = True
        self.hub = self.server.owner
        request = Request(self.server.name, self.command, self.path, dict(self.headers))
        self.hub.requests.append(request)
        for listener in self.hub.listeners:
            listener(request)
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if self.server.name == "storage":
            # /{owner}/{name}/{commit}/{file}
            self._content("/".join(parts[:2]), *parts[2:4], {"ETag": '"of-the-storage"'})
        elif parts[:3] == ["api", "resolve-cache", "models"]:
            self._small("/".join(parts[3:5]), *parts[5:7])
        elif len(parts) == 5 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), *parts[3:5])
        else:
            self._reply(404)

    def _resolve(self, repository, revision, file):
        hub = self.hub
        if status := next(hub.statuses.get(file, iter(())), None):
            return self._reply(status)
        if file in hub.endless:
            return self._reply(302, {"Location": self.path})
        if name := hub.moved.get(repository):
            return self._reply(307, {"Location": f"/{name}/resolve/{quote(revision, safe='')}/{file}"})
        if (token := hub.tokens.get(repository)) and self.headers["Authorization"] != f"Bearer {token}":
            return self._reply(401, {"X-Error-Code": "GatedRepo"})
        found = hub.find(repository, revision, file)
        if found is None:
            return self._reply(404, {"X-Error-Code": "EntryNotFound"})
        commit, content = found
        if file.endswith(".safetensors"):
            port = hub._servers["storage"].server_port
            headers = {
                "Location": f"http://{hub.storage_host}:{port}/{repository}/{commit}/{file}",
                "X-Repo-Commit": commit,
                "X-Linked-Size": str(len(content)),
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
            }
            if file in hub.hidden:
                del headers["X-Linked-Etag"]
            return self._reply(302, headers)
        if hub.small == "cached":
            location = f"/api/resolve-cache/models/{repository}/{commit}/{file}"
            return self._reply(307, {"Location": location, "X-Repo-Commit": commit})
        return self._small(repository, commit, file)

    def _small(self, repository, commit, file):
        _, content = self.hub.find(repository, commit, file)
        headers = {"X-Repo-Commit": commit}
        if file not in self.hub.hidden:
            name = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
            headers["ETag"] = f'"{name}"'
        self._content(repository, commit, file, headers)

    def _content(self, repository, commit, file, headers):
        _, content = self.hub.find(repository, commit, file)
        fault = self.hub.spoilt(file) if self.command == "GET" else None
        if fault == "html":
            return self._reply(200, {"Content-Type": "text/html"}, HTML)
        if fault == "wrong":
            return self._reply(200, headers, content[:-1] + bytes([content[-1] ^ 1]))
        self._head(200, headers, len(content))
        if self.command == "HEAD":
            return None
        try:
            self._send(content, fault)
        except OSError:
            # The client has lost its patience, or its life.
            pass
        return None

    def _send(self, content, fault):
        half = len(content) // 2
        if fault == "truncated":
            self.wfile.write(content[:half])
        elif fault in ("silent", "stalled"):
            self.wfile.write(content[:half])
            self.wfile.flush()
            # "silent" is longer than the timeout of the tests, "stalled" is until the server is closed.
            if fault == "stalled":
                self.hub.stalled.set()
            self.hub._released.wait(2 if fault == "silent" else 60)
            self.wfile.write(content[half:])
        elif fault == "steady":
            size = -(-len(content) // PIECES)
            for start in range(0, len(content), size):
                self.wfile.write(content[start : start + size])
                time.sleep(PAUSE)
        else:
            self.wfile.write(content)

    def _reply(self, status, headers=None, body=b"no"):
        self._head(status, headers or {}, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status, headers, size):
        self.send_response(status)
        for name, value in {"Content-Length": str(size), "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
