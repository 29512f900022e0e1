"""
Archives of our own, on this machine: a server of files that can be told to misbehave, and the answers of JSOC.
"""

import re
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pandas as pd

from sunpy.time import parse_time

__all__ = ["ArchiveServer", "Jsoc"]


class ArchiveServer:
    """
    A server of files.

    Attributes
    ----------
    files : `dict`
        Content by path.
    faults : `dict`
        For a path an iterable of what to answer first: a status, ``"html"`` or ``"truncated"``.
    requests : `list`
        Paths that were asked for.
    """

    def __init__(self):
        self.files, self.faults, self.requests = {}, defaultdict(list), []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path):
        """
        Status, content and what is wrong with it.
        """
        self.requests.append(path)
        fault = self.faults[path].pop(0) if self.faults[path] else None
        if isinstance(fault, int):
            return fault, b"no", None
        if fault == "html":
            return 200, b"<html>The archive is being moved.</html>", None
        if path in self.files:
            return 200, self.files[path], fault
        names = {name.removeprefix(path) for name in self.files if name.startswith(path) and path.endswith("/")}
        if names:  # a list of files, as of the NSO
            return 200, "".join(f'<a href="{name}">{name}</a>\n' for name in sorted(names)).encode(), None
        return 404, b"no", None


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        status, content, fault = self.server.owner.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if fault == "truncated" else content)


class Jsoc:
    """
    What `drms.Client` is replaced by: a class whose objects answer as JSOC does, with files on a server.

    Parameters
    ----------
    server : `ArchiveServer`
        Where the files are.
    """

    def __init__(self, server):
        self.server, self.series, self.queries, self.exports, self.emails = server, {}, [], [], []
        self.broken = 0
        self.lost = set()

    def __call__(self, email=None):
        if email is not None:
            self.emails.append(email)
            if email != "me@example.org":
                msg = "Email address is invalid or not registered"
                raise ValueError(msg)
        return self

    def add(self, series, t_rec, content, **keywords):
        """
        Add a record; its file is named as JSOC names them.
        """
        compact = re.sub(r"[.:]", "", t_rec)
        name = f"{series.lower()}.{compact}.fits"
        path = f"/SUM1/{series}/{name}"
        self.server.files[path] = content
        self.series.setdefault(series, []).append({"T_REC": t_rec, **keywords, "_path": path, "_name": name})
        return path

    def _keys(self, series):
        return ["T_REC", "WAVELNTH"] if series.startswith("aia") else ["T_REC"]

    def pkeys(self, series):
        return self._keys(series)

    def info(self, series):
        keys = self._keys(series)
        keywords = pd.DataFrame({"is_time": [key == "T_REC" for key in keys]}, index=keys)
        return SimpleNamespace(primekeys=keys, keywords=keywords, segments=pd.DataFrame(index=["image", "spikes"]))

    def keys(self, series):
        return self._keys(series)

    def _select(self, ds):
        self.queries.append(ds)
        if self.broken:
            self.broken -= 1
            msg = "JSOC is being moved"
            raise OSError(msg)
        series, times = re.match(r"([^[]+)\[([^]]*)\]", ds).groups()
        rows = self.series.get(series, [])
        if "-2" in times:  # a stretch: "2011.01.01_00:00:34_TAI-2011.01.02_00:00:34_TAI@5760.0s"
            first, last = (parse_time(one) for one in times.split("@")[0].rsplit("-", 1))
            return [row for row in rows if first <= parse_time(row["T_REC"]) <= last]
        return [row for row in rows if row["T_REC"] in times.split(",")]

    def query(self, ds, key=None, seg=None, rec_index=False):
        rows = [{name: row[name] for name in row if name[0] != "_"} for row in self._select(ds)]
        table = pd.DataFrame(rows)
        return (table, pd.DataFrame({"image": ["/SUM"] * len(rows)})) if seg else table

    def export(self, ds, method, protocol, process):
        self.exports.append(ds)
        series = ds.split("[")[0]
        rows = [row for row in self._select(ds) if row["T_REC"] not in self.lost]
        records = [f"{series}[{row['T_REC']}][3]{{image}}" for row in rows]
        urls = [self.server.url + row["_path"] for row in rows]
        urls = pd.DataFrame({"record": records, "filename": [row["_name"] for row in rows], "url": urls})
        return SimpleNamespace(urls=urls, wait=lambda: True)
