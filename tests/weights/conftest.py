"""
A Hub on this machine with one small model, and an environment that knows no other.
"""

from dataclasses import replace
from hashlib import sha256

import pytest
import torch
from weights.hub_server import NAME, REPOSITORY, HubServer

from sunpy_superres.models import get_method
from sunpy_superres.weights import FileRecord, model_info, registry
from sunpy_superres.weights import hub as client
from sunpy_superres.weights.files import save_model

_VARIABLES = ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """
    Folder of a model of a few kilobytes, trained on nothing.
    """
    folder = tmp_path_factory.mktemp("tiny")
    arguments = {"latent_channels": 4, "regression": (8, 1), "widths": (8, 8), "blocks": (1, 1)}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = get_method("ldm")(**arguments)
    save_model(model, folder, arguments=arguments, instruments=["mdi", "hmi"], scale=2.017092)
    return folder


@pytest.fixture(scope="session")
def tiny_files(tiny_model):
    """
    Its files: content by name.
    """
    return {path.name: path.read_bytes() for path in sorted(tiny_model.iterdir())}


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """
    An empty cache, and nothing of the user's environment; returns the folder of the cache.
    """
    for name in (*_VARIABLES, *_PROXIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("SUNPY_SUPERRES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(client, "BACKOFF", 1e-4)
    # Long enough for a busy machine; the tests of slow servers have their own.
    monkeypatch.setattr(client, "TIMEOUT", 10)
    return tmp_path / "cache"


@pytest.fixture
def hub(no_hub, monkeypatch, tiny_files):
    """
    The Hub, with the small model in it; all requests go there.
    """
    server = HubServer()
    server.commit = server.publish(REPOSITORY, tiny_files)
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    yield server
    server.close()


@pytest.fixture
def record(hub, monkeypatch, tiny_files):
    """
    The small model as an entry of the registry that does not come with the package.
    """
    files = {name: FileRecord(len(content), sha256(content).hexdigest()) for name, content in tiny_files.items()}
    bundled = model_info("ldm-mdi-hmi")
    record = replace(bundled, name=NAME, version="3", repository=REPOSITORY, revision=hub.commit, files=files)
    known = {**registry._registry(), NAME: record}
    monkeypatch.setattr(registry, "_registry", lambda: known)
    return record
