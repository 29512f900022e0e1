"""
What is downloaded is right or is not there, and whatever goes wrong is said with its remedy.
"""

import errno
import gc
import json
import os
import pickle
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from types import SimpleNamespace

import numpy as np
import pytest
from weights.hub_server import NAME, REPOSITORY, HubServer

from sunpy import log

from sunpy_superres import SunpySuperresUserWarning, superresolve
from sunpy_superres.weights import cache_folder, clear, fetch, fetch_repository, model_info, registry
from sunpy_superres.weights import hub as client
from sunpy_superres.weights.fetch import check, find_files
from sunpy_superres.weights.loading import load, locate
from sunpy_superres.weights.verification import verify, write_verification

CONFIG, WEIGHTS = "config.json", "model.safetensors"
ADDRESS = f"{REPOSITORY}@main"
UNKNOWN = pytest.warns(SunpySuperresUserWarning, match="not in the registry of sunpy_superres")

# What another process does: the registry of the tests, then the downloads.
CHILD = """
import pickle, sys
from pathlib import Path
from sunpy_superres.weights import fetch, fetch_repository, hub, registry
record = pickle.loads(Path(sys.argv[1]).read_bytes())
known = {**registry._registry(), record.name: record}
registry._registry = lambda: known
hub.BACKOFF = 0
print(fetch(record.name))
if sys.argv[2:]:
    print(fetch_repository(*sys.argv[2:]))
"""


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def kept(cache):
    # Temporary files too.
    return sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file())


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def use(monkeypatch, record):
    known = {**registry._registry(), record.name: record}
    monkeypatch.setattr(registry, "_registry", lambda: known)


def refuse(*args, **kwargs):
    raise OSError(errno.EROFS, "Read-only file system", str(args[0]))


@pytest.fixture
def child(record, tmp_path):
    """
    Start another process that fetches the small model.
    """
    pickled = tmp_path / "record.pickle"
    pickled.write_bytes(pickle.dumps(record))
    started = []

    def start(*address):
        command = [sys.executable, "-W", "ignore", "-c", CHILD, str(pickled), *address]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


# The ordinary way.


def test_both_files_arrive_and_are_not_asked_for_again(hub, record, no_hub, tiny_files):
    assert find_files(NAME) is None
    with log.log_to_list() as messages:
        folder = fetch(NAME)
    assert folder == no_hub / "models" / NAME / "3" == find_files(NAME)
    assert contents(folder) == tiny_files
    assert all(word in messages[0].getMessage() for word in (NAME, hub.endpoint, record.license, record.citation))
    asked = [(one.server, one.method) for one in hub.requests]
    assert asked == [("hub", "GET"), ("hub", "GET"), ("storage", "GET")]
    assert all(hub.commit in one.path for one in hub.requests)
    assert all(one.headers["User-Agent"] == "sunpy_superres" for one in hub.requests)
    with log.log_to_list() as messages:
        assert fetch(NAME) == folder
    assert not messages
    assert len(hub.requests) == 3


def test_only_what_is_missing_is_downloaded(hub, record):
    (fetch(NAME) / CONFIG).unlink()
    assert find_files(NAME) is None
    hub.requests.clear()
    fetch(NAME)
    assert [Path(one.path).name for one in hub.requests] == [CONFIG]


def test_a_damaged_file_of_the_cache_is_downloaded_again(hub, record, tiny_files):
    folder = fetch(NAME)
    flip(folder / WEIGHTS)
    with log.log_to_list() as messages:
        fetch(NAME)
    warning = next(one for one in messages if one.levelname == "WARNING").getMessage()
    assert str(folder / WEIGHTS) in warning
    assert "damaged" in warning
    assert contents(folder) == tiny_files


def test_a_cached_model_costs_next_to_nothing(hub, record):
    fetch(NAME)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        fetch(NAME)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05


def test_small_files_behind_a_redirect_within_the_hub(hub, record, tiny_files):
    hub.small = "cached"
    assert contents(fetch(NAME)) == tiny_files


# Other content than announced.


@pytest.mark.parametrize("fault", ["wrong", "html"])
@pytest.mark.parametrize(("file", "left"), [(CONFIG, []), (WEIGHTS, [f"models/{NAME}/3/{CONFIG}"])])
def test_other_content_is_refused_and_not_kept(hub, record, no_hub, tiny_files, file, left, fault):
    hub.bodies[file] = repeat(fault)
    with pytest.raises(ValueError, match=r"nothing was kept\. Is HF_ENDPOINT a true mirror") as caught:
        fetch(NAME)
    assert f"{hub.endpoint}/{REPOSITORY}/resolve/{hub.commit}/{file}" in str(caught.value)
    assert kept(no_hub) == left
    del hub.bodies[file]
    assert contents(fetch(NAME)) == tiny_files


@pytest.mark.parametrize("fault", ["wrong", "html", "truncated"])
def test_one_bad_answer_is_not_the_end(hub, record, tiny_files, fault):
    hub.bodies[WEIGHTS] = iter([fault])
    assert contents(fetch(NAME)) == tiny_files
    assert len(hub.asked("storage", file=WEIGHTS)) == 2


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS])
def test_a_body_that_always_ends_too_early(hub, record, no_hub, file):
    hub.bodies[file] = repeat("truncated")
    with pytest.raises(ConnectionError, match=f"{file} could not be downloaded in {client.ATTEMPTS} tries"):
        fetch(NAME)
    assert len(hub.asked("hub", file=file)) == client.ATTEMPTS
    assert not any(WEIGHTS in name or "/." in name for name in kept(no_hub))


# Errors of the server.


@pytest.mark.parametrize("statuses", [[500, 503], [429], [502, 429, 504]])
def test_an_error_that_passes(hub, record, tiny_files, statuses):
    hub.statuses[WEIGHTS] = iter(statuses)
    assert contents(fetch(NAME)) == tiny_files
    assert len(hub.asked("hub", file=WEIGHTS)) == len(statuses) + 1


@pytest.mark.parametrize("status", [500, 429])
def test_an_error_that_stays(hub, record, no_hub, monkeypatch, status):
    waits = []
    monkeypatch.setattr(client, "BACKOFF", 1.0)
    monkeypatch.setattr(client, "time", SimpleNamespace(sleep=waits.append))
    hub.statuses[CONFIG] = repeat(status)
    with pytest.raises(ConnectionError, match=rf"in 4 tries: {status}.*HF_ENDPOINT names a mirror.*HF_HUB_OFFLINE=1"):
        fetch(NAME)
    assert len(hub.requests) == client.ATTEMPTS == 4
    assert waits == [1, 2, 4]
    assert kept(no_hub) == []


def test_an_unknown_file_is_asked_for_once(hub, record, monkeypatch, no_hub):
    use(monkeypatch, replace(record, revision="0" * 40))
    with pytest.raises(FileNotFoundError, match=r"there is no such file, revision or repository \(404\)"):
        fetch(NAME)
    assert len(hub.requests) == 1
    assert kept(no_hub) == []


def test_another_refusal_is_not_repeated(hub, record):
    hub.statuses[CONFIG] = repeat(451)
    with pytest.raises(ConnectionError, match="the server answered 451"):
        fetch(NAME)
    assert len(hub.requests) == 1


def test_an_endless_redirect(hub, record, no_hub):
    hub.endless.add(CONFIG)
    with pytest.raises(ConnectionError, match="redirects"):
        fetch(NAME)
    # That of requests for one try; another would end no better.
    assert len(hub.requests) <= 31
    assert kept(no_hub) == []


def test_no_connection_is_left_open(hub, record):
    hub.statuses[CONFIG] = iter([500, 429])
    hub.bodies[WEIGHTS] = iter(["truncated", "html"])
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fetch(NAME)
        with pytest.raises(FileNotFoundError):
            client.download(REPOSITORY, "main", "nothing", cache_folder() / "nothing", "sha256:0")
        gc.collect()
    assert not caught


def test_nobody_answers(hub, record, monkeypatch, no_hub):
    closed = HubServer()
    closed.close()
    monkeypatch.setenv("HF_ENDPOINT", closed.endpoint)
    with pytest.raises(ConnectionError, match=r"in 4 tries.*HF_ENDPOINT names a mirror"):
        fetch(NAME)
    assert kept(no_hub) == []


@pytest.mark.parametrize("address", ["hub.example.org", "htps://hub.example.org", "https://"])
def test_an_endpoint_that_is_no_address_is_not_tried_again(hub, record, monkeypatch, address):
    waits = []
    monkeypatch.setattr(client, "time", SimpleNamespace(sleep=waits.append))
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises((ValueError, ConnectionError), match="HF_ENDPOINT"):
        fetch(NAME)
    assert waits == []


# A slow server.


def test_silence_is_waited_for_only_so_long(hub, record, monkeypatch, tiny_files):
    monkeypatch.setattr(client, "TIMEOUT", 0.5)
    hub.bodies[WEIGHTS] = iter(["silent"])
    assert contents(fetch(NAME)) == tiny_files
    assert len(hub.asked("storage", file=WEIGHTS)) == 2


def test_slow_but_steady_is_waited_for(hub, record, monkeypatch, tiny_files):
    monkeypatch.setattr(client, "TIMEOUT", 1)
    hub.bodies[WEIGHTS] = iter(["steady"])
    start = time.perf_counter()
    assert contents(fetch(NAME)) == tiny_files
    assert time.perf_counter() - start > client.TIMEOUT
    assert len(hub.asked("storage", file=WEIGHTS)) == 1


# Private repositories.


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_a_gated_repository_wants_a_token(hub, record, monkeypatch, no_hub, token):
    hub.tokens[REPOSITORY] = "secret"
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(PermissionError, match=r"access refused \(401\).*set HF_TOKEN"):
        fetch(NAME)
    assert len(hub.requests) == 1
    assert kept(no_hub) == []


def test_terms_that_were_not_accepted(hub, record):
    hub.statuses[CONFIG] = repeat(403)
    with pytest.raises(PermissionError, match=r"access refused \(403\).*accept its terms"):
        fetch(NAME)
    assert len(hub.requests) == 1


# The second is the host of the Hub itself, at another port.
@pytest.mark.parametrize("storage_host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("small", ["direct", "cached"])
def test_the_token_goes_to_the_hub_and_nowhere_else(hub, record, monkeypatch, tiny_files, storage_host, small):
    hub.storage_host, hub.small = storage_host, small
    hub.tokens[REPOSITORY] = "secret"
    monkeypatch.setenv("HF_TOKEN", " secret\n")
    assert contents(fetch(NAME)) == tiny_files
    client.describe(REPOSITORY, "main", WEIGHTS)
    assert hub.asked("storage")
    assert all("secret" not in str(one.headers) and "Authorization" not in one.headers for one in hub.asked("storage"))
    assert all(one.headers["Authorization"] == "Bearer secret" for one in hub.asked("hub"))


def test_no_token_no_authorization(hub, record):
    fetch(NAME)
    assert not any("Authorization" in one.headers for one in hub.requests)


@pytest.mark.parametrize("token", ["hf_one\nhf_two", "hf_ünique"])
def test_a_token_that_is_none_is_not_shown(hub, record, monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ValueError, match="HF_TOKEN") as caught:
        fetch(NAME)
    assert "hf_" not in str(caught.value)
    assert not hub.requests


def test_the_token_comes_before_the_passwords_of_netrc(hub, record, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password old\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.tokens[REPOSITORY] = "secret"
    fetch(NAME)
    assert all(one.headers["Authorization"] == "Bearer secret" for one in hub.asked("hub"))


# The environment.


@pytest.mark.parametrize("value", ["1", "ON", "yes", "True"])
def test_offline_nothing_is_asked(hub, record, monkeypatch, value):
    folder = fetch(NAME)
    hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert fetch(NAME) == folder
    clear()
    with pytest.raises(FileNotFoundError, match="HF_HUB_OFFLINE is set") as caught:
        fetch(NAME)
    for name in (CONFIG, WEIGHTS):
        assert str(folder / name) in str(caught.value)
        assert f"{hub.endpoint}/{REPOSITORY}/resolve/{hub.commit}/{name}" in str(caught.value)
    assert not hub.requests


@pytest.mark.parametrize("value", ["", "0", "no"])
def test_not_offline(hub, record, monkeypatch, value):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    fetch(NAME)
    assert hub.requests


def test_offline_with_a_damaged_cache(hub, record, monkeypatch):
    folder = fetch(NAME)
    flip(folder / WEIGHTS)
    hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="not here or damaged") as caught:
        fetch(NAME)
    assert str(folder / WEIGHTS) in str(caught.value)
    assert CONFIG not in str(caught.value)
    assert not hub.requests


def test_the_endpoint_may_change_and_end_with_a_slash(hub, record, monkeypatch, tiny_files):
    fetch(NAME)
    clear()
    hub.requests.clear()
    mirror = HubServer()
    try:
        mirror.publish("another/repository", {})
        assert mirror.publish(REPOSITORY, tiny_files) == hub.commit
        monkeypatch.setenv("HF_ENDPOINT", mirror.endpoint + "/")
        assert contents(fetch(NAME)) == tiny_files
        assert mirror.asked("hub")[0].path.startswith(f"/{REPOSITORY}/resolve/")
        assert not hub.requests
    finally:
        mirror.close()


def test_without_settings_it_is_the_real_hub(no_hub, monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    expected = "https://huggingface.co/owner/name/resolve/refs%2Fpr%2F1/config.json"
    assert client.file_url("owner/name", "refs/pr/1", "config.json") == expected
    monkeypatch.setenv("HF_ENDPOINT", "")
    assert client.endpoint() == "https://huggingface.co"


def test_a_cache_with_spaces_and_other_letters(hub, record, monkeypatch, tmp_path, tiny_files):
    cache = tmp_path / "Sonne & Sterne" / "Größe 太阳"
    monkeypatch.setenv("SUNPY_SUPERRES_CACHE", str(cache))
    folder = fetch(NAME)
    assert cache in folder.parents
    assert contents(folder) == tiny_files


def test_a_cache_in_the_home(no_hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("SUNPY_SUPERRES_CACHE", "~/weights")
    assert cache_folder() == tmp_path / "weights"
    monkeypatch.delenv("SUNPY_SUPERRES_CACHE")
    assert cache_folder().is_absolute()
    assert "sunpy_superres" in str(cache_folder())


@pytest.mark.parametrize(("disabled", "progress"), [(None, False), (None, True), ("1", True), ("0", True)])
def test_a_bar_if_wanted(hub, record, monkeypatch, capfd, disabled, progress):
    if disabled is not None:
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", disabled)
    fetch(NAME, progress=progress)
    assert ("100%" in capfd.readouterr().err) == (progress and disabled != "1")


# The file system. The superuser may write everywhere, so that the refusals are made here.


def test_a_cache_that_cannot_be_made(hub, record, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SUNPY_SUPERRES_CACHE", str(tmp_path / "file"))
    with pytest.raises(NotADirectoryError, match=r"nothing can be written there.* SUNPY_SUPERRES_CACHE names another"):
        fetch(NAME)
    assert not hub.requests


def test_a_cache_that_cannot_be_written_to(hub, record, monkeypatch, no_hub):
    monkeypatch.setattr("pooch.downloaders.open", refuse, raising=False)
    with pytest.raises(OSError, match=r"Read-only file system.* SUNPY_SUPERRES_CACHE") as caught:
        fetch(NAME)
    assert str(no_hub) in str(caught.value)
    assert len(hub.requests) == 0


def test_a_full_disk_is_told_from_a_bad_connection(hub, record, monkeypatch, no_hub):
    def full(*args, **kwargs):
        file = open(*args, **kwargs)  # NOQA: PTH123

        def write(content):
            # Unlike an error of opening, this one has no file name.
            raise OSError(errno.ENOSPC, "No space left on device")

        return SimpleNamespace(write=write, flush=file.flush, close=file.close)

    monkeypatch.setattr("pooch.downloaders.open", full, raising=False)
    with pytest.raises(OSError, match=r"No space left on device.*SUNPY_SUPERRES_CACHE") as caught:
        fetch(NAME)
    assert not isinstance(caught.value, ConnectionError)
    assert str(no_hub) in str(caught.value)
    assert len(hub.asked("hub")) == 1
    assert kept(no_hub) == []


def test_a_read_only_cache_with_the_right_files(hub, record, monkeypatch):
    folder = fetch(NAME)
    with UNKNOWN:
        other = fetch_repository(REPOSITORY, "main")
    hub.requests.clear()
    folder.chmod(0o555)
    for name in ("mkdir", "touch", "unlink", "replace", "write_text", "write_bytes", "chmod"):
        monkeypatch.setattr(Path, name, refuse)
    monkeypatch.setattr("pooch.downloaders.open", refuse, raising=False)
    assert fetch(NAME) == folder
    assert fetch_repository(REPOSITORY, "main") == other
    monkeypatch.undo()
    folder.chmod(0o755)
    assert not hub.requests


def test_an_interrupt_leaves_nothing(hub, record, monkeypatch, no_hub):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "sha256_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(NAME)
    assert kept(no_hub) == []


# Several at once.


def test_threads_do_not_disturb_each_other(hub, record, no_hub, tiny_files):
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(fetch, [NAME] * 4))
    assert contents(folders.pop()) == tiny_files
    assert not folders


def test_two_processes_at_once(hub, child, no_hub, tiny_files):
    # Neither goes on before both have begun.
    meetings = {("GET", WEIGHTS): Barrier(2), ("HEAD", CONFIG): Barrier(2)}

    def meet(request):
        if meeting := meetings.get((request.method, Path(request.path).name)):
            with suppress(BrokenBarrierError):
                meeting.wait(30)

    hub.listeners.append(meet)
    processes = [child(REPOSITORY, "main") for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        folders = [Path(line) for line in out.splitlines() if line.startswith(str(no_hub))]
        assert len(folders) == 2
        for folder in folders:
            assert {name: (folder / name).read_bytes() for name in tiny_files} == tiny_files
    assert not any(meeting.broken for meeting in meetings.values())
    assert not any("/." in name for name in kept(no_hub))


def test_killed_in_the_middle(hub, child, no_hub, tiny_files):
    hub.bodies[WEIGHTS] = iter(["stalled"])
    process = child()
    assert hub.stalled.wait(60)
    process.kill()
    process.wait()
    folder = no_hub / "models" / NAME / "3"
    assert not (folder / WEIGHTS).exists()
    assert len(list(folder.glob(f".*{WEIGHTS}"))) == 1
    fetch(NAME)
    assert {name: (folder / name).read_bytes() for name in tiny_files} == tiny_files
    # What the dead process had begun stays until the cache is cleared.
    assert clear(NAME) == [folder.parent]
    assert kept(no_hub) == []


# A repository that is not in the registry.


def test_an_address_serves_as_model_from_the_map_to_the_result(hub, no_hub, mdi_map, tiny_model, tiny_files):
    options = {"n_samples": 2, "seed": 0, "steps": 2, "device": "cpu"}
    with UNKNOWN as caught:
        first = superresolve(mdi_map, model=ADDRESS, **options)
    assert len(caught) == 1
    assert hub.commit in str(caught[0].message)
    assert caught[0].filename == __file__
    # All content is asked for by the commit, which never changes.
    assert all(f"/{hub.commit}/" in one.path for one in hub.asked(method="GET"))
    hub.requests.clear()
    hub.publish(REPOSITORY, {name: content + b" " for name, content in tiny_files.items()})
    second = superresolve(mdi_map, model=ADDRESS, **options)
    assert not hub.requests
    local = superresolve(mdi_map, model=tiny_model, **options)
    np.testing.assert_array_equal(first.data, local.data)
    np.testing.assert_array_equal(second.data, local.data)
    assert first.meta["srmodel"] == ADDRESS


def test_the_warning_points_at_the_caller_of_fetch_repository(hub):
    with UNKNOWN as caught:
        fetch_repository(REPOSITORY, "main")
    assert caught[0].filename == __file__


def test_a_commit_a_branch_with_a_slash_and_a_tag(hub, no_hub, tiny_files):
    hub.publish(REPOSITORY, tiny_files, branch="refs/pr/1")
    for revision in (hub.commit, "refs/pr/1"):
        assert client.parse_address(f"{REPOSITORY}@{revision}") == (REPOSITORY, revision)
        with UNKNOWN:
            folder = fetch_repository(REPOSITORY, revision)
        assert folder.parent == no_hub / "hub" / "somebody" / "tiny"
        assert {name: (folder / name).read_bytes() for name in tiny_files} == tiny_files


def test_what_is_asked_of_a_repository(hub):
    weights, config = (client.describe(REPOSITORY, "main", name) for name in (WEIGHTS, CONFIG))
    assert weights.commit == config.commit == hub.commit
    assert [one.digest.split(":")[0] for one in (weights, config)] == ["sha256", "git"]
    assert [one.method for one in hub.requests] == ["HEAD", "HEAD"]


def test_a_repository_with_small_files_behind_a_redirect(hub):
    hub.small = "cached"
    config = client.describe(REPOSITORY, "main", CONFIG)
    assert config.commit == hub.commit
    assert config.digest.startswith("git:")


def test_a_renamed_repository(hub, tiny_files):
    hub.moved["somebody/old"] = REPOSITORY
    with UNKNOWN:
        folder = fetch_repository("somebody/old", "main")
    assert {name: (folder / name).read_bytes() for name in tiny_files} == tiny_files


def test_the_branch_moves_between_the_two_files(hub, tiny_files):
    versions = [tiny_files, {name: content + b"\n" for name, content in tiny_files.items()}]

    def move(request):
        if request.method == "HEAD" and request.path.endswith(WEIGHTS):
            hub.listeners.clear()
            hub.publish(REPOSITORY, versions[1])

    hub.listeners.append(move)
    with UNKNOWN:
        folder = fetch_repository(REPOSITORY, "main")
    assert {name: (folder / name).read_bytes() for name in tiny_files} in versions


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS])
def test_without_a_hash_nothing_is_downloaded(hub, no_hub, mdi_map, file):
    hub.hidden.add(file)
    with pytest.raises(ValueError, match="did not say what the hash of the file is"):
        superresolve(mdi_map, model=ADDRESS, n_samples=1)
    assert not hub.asked(method="GET")
    assert kept(no_hub) == []


def test_an_unknown_repository_or_revision(hub, no_hub, mdi_map):
    for address in ("somebody/nothing@main", f"{REPOSITORY}@dev"):
        hub.requests.clear()
        with pytest.raises(FileNotFoundError, match=r"no such file, revision or repository \(404\)"):
            superresolve(mdi_map, model=address, n_samples=1)
        assert len(hub.requests) == 1
    assert kept(no_hub) == []


def test_a_gated_repository_by_its_address(hub, monkeypatch):
    hub.tokens[REPOSITORY] = "secret"
    with pytest.raises(PermissionError, match="set HF_TOKEN"):
        fetch_repository(REPOSITORY, "main")
    assert len(hub.requests) == 1
    monkeypatch.setenv("HF_TOKEN", "secret")
    with UNKNOWN:
        fetch_repository(REPOSITORY, "main")


def test_an_altered_file_of_a_repository_is_refused(hub, mdi_map):
    with UNKNOWN:
        folder = fetch_repository(REPOSITORY, "main")
    flip(folder / WEIGHTS)
    hub.requests.clear()
    with pytest.raises(ValueError, match=r"damaged or was altered.*`sunpy-superres models clear .*` removes it"):
        superresolve(mdi_map, model=ADDRESS, n_samples=1)
    (folder / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=r"is missing.*models clear"):
        superresolve(mdi_map, model=ADDRESS, n_samples=1)
    assert not hub.requests


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": {"config.json": {}}}', '{"commit": "0", "files": {}}'])
def test_a_damaged_receipt_is_no_receipt(hub, content):
    with UNKNOWN:
        folder = fetch_repository(REPOSITORY, "main")
    (folder / "receipt.json").write_text(content)
    with pytest.raises(ValueError, match=r"receipt\.json.*models clear"):
        fetch_repository(REPOSITORY, "main")


def test_half_a_repository_is_none(hub, no_hub, monkeypatch, tiny_files):
    hub.bodies[WEIGHTS] = repeat("wrong")
    with UNKNOWN, pytest.raises(ValueError, match="nothing was kept"):
        fetch_repository(REPOSITORY, "main")
    assert kept(no_hub) == [f"hub/{REPOSITORY}/main/{CONFIG}"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="HF_HUB_OFFLINE is set"):
        fetch_repository(REPOSITORY, "main")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    del hub.bodies[WEIGHTS]
    with UNKNOWN:
        folder = fetch_repository(REPOSITORY, "main")
    assert {name: (folder / name).read_bytes() for name in tiny_files} == tiny_files
    assert json.loads((folder / "receipt.json").read_text())["commit"] == hub.commit


def test_a_repository_offline(hub, monkeypatch, mdi_map):
    with UNKNOWN:
        superresolve(mdi_map, model=ADDRESS, n_samples=1, steps=1)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    superresolve(mdi_map, model=ADDRESS, n_samples=1, steps=1)
    clear(ADDRESS)
    with pytest.raises(FileNotFoundError, match="HF_HUB_OFFLINE is set"):
        superresolve(mdi_map, model=ADDRESS, n_samples=1, steps=1)
    assert not hub.requests


# Dots that would lead out of the folder of the repository.
@pytest.mark.parametrize(
    "address", ["../..@kept", "somebody/..@kept", "../somebody@kept", "./kept@.", f"{REPOSITORY}@.."]
)
def test_an_address_does_not_lead_out_of_its_folder(hub, no_hub, monkeypatch, tmp_path, address):
    files = [folder / "kept" / "file" for folder in (tmp_path, no_hub, no_hub / "hub", no_hub / "hub" / REPOSITORY)]
    files.append(tmp_path / "cache" / "somebody" / "kept" / "file")
    for file in files:
        file.parent.mkdir(parents=True)
        file.touch()
    with suppress(ValueError):
        clear(address)
    assert all(file.is_file() for file in files)
    assert client.parse_address(address) is None
    with pytest.raises(ValueError, match="There is no model"):
        locate(address, "ldm", "mdi")
    with pytest.raises(ValueError, match="owner/name@revision"):
        fetch_repository(*address.split("@"))
    assert not hub.requests


@pytest.mark.parametrize(
    "text", ["owner/name", "name@main", "owner/name@", "a/b/c@main", "owner/name@a b", "o/n@a@b", ""]
)
def test_what_is_no_address(text):
    assert client.parse_address(text) is None


# A model of the registry that does not come with the package.


def test_a_name_serves_as_model_from_the_map_to_the_result(hub, record, mdi_map, tiny_model):
    options = {"n_samples": 2, "seed": 0, "steps": 2, "device": "cpu"}
    first = superresolve(mdi_map, model=NAME, **options)
    assert len(hub.requests) == 3
    second = superresolve(mdi_map, model=NAME, **options)
    assert len(hub.requests) == 3
    local = superresolve(mdi_map, model=tiny_model, **options)
    np.testing.assert_array_equal(first.data, local.data)
    np.testing.assert_array_equal(second.data, local.data)
    assert first.meta["srmodel"] == f"{NAME}@3"


def test_a_model_that_does_not_fit_is_not_downloaded(hub, record, no_hub):
    with pytest.raises(ValueError, match="is for the method 'ldm', not 'enhance'"):
        locate(NAME, "enhance", "mdi")
    with pytest.raises(ValueError, match="is for mdi, hmi, not for 'gong'"):
        locate(NAME, "ldm", "gong")
    assert not hub.requests
    assert not no_hub.exists()


def test_a_name_that_is_only_reserved(hub, record, monkeypatch):
    use(monkeypatch, replace(record, revision=""))
    for offline in ("", "1"):
        monkeypatch.setenv("HF_HUB_OFFLINE", offline)
        with pytest.raises(FileNotFoundError, match=f"{NAME}.* nor has it been published"):
            locate(NAME, "ldm", "mdi")
    assert not hub.requests


def test_bundled_models_need_no_network_and_no_cache(hub, no_hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch("ldm-mdi-hmi") == find_files("ldm-mdi-hmi") == model_info("ldm-mdi-hmi").bundled
    assert not hub.requests
    assert not no_hub.exists()


def test_a_model_downloaded_again_is_loaded_again(hub, record):
    import torch

    weights = locate(NAME, "ldm", "mdi")
    first = load(weights, torch.device("cpu"), torch.float32)
    clear(NAME)
    second = load(locate(NAME, "ldm", "mdi"), torch.device("cpu"), torch.float32)
    assert first.sha256 == second.sha256 == record.files[WEIGHTS].sha256


# Clearing the cache.


def test_clearing_removes_what_it_says(hub, record, no_hub, tiny_files):
    hub.publish(REPOSITORY, tiny_files, branch="refs/pr/1")
    named = fetch(NAME)
    with UNKNOWN:
        main = fetch_repository(REPOSITORY, "main")
    with UNKNOWN:
        other = fetch_repository(REPOSITORY, "refs/pr/1")
    (no_hub / "notes.txt").write_text("Not ours.")

    assert clear(f"{REPOSITORY}@refs/pr/1") == [other]
    assert (main / WEIGHTS).is_file()
    assert clear(NAME) == [named.parent]
    assert not named.exists()
    assert (main / WEIGHTS).is_file()
    assert clear(NAME) == []

    fetch(NAME)
    assert sorted(clear()) == [no_hub / "hub", no_hub / "models"]
    assert kept(no_hub) == ["notes.txt"]
    assert clear() == []


def test_clearing_spares_what_comes_with_the_package(hub, record):
    folder = model_info("ldm-mdi-hmi").bundled
    before = sorted(folder.iterdir())
    assert clear("ldm-mdi-hmi") == []
    assert clear() == []
    assert sorted(folder.iterdir()) == before
    with pytest.raises(ValueError, match="Unknown model 'magic'"):
        clear("magic")


# The real one.


@pytest.mark.remote_data
def test_the_real_hub_answers_as_ours(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    for file, kind in ((CONFIG, "git"), ("pytorch_model.bin", "sha256")):
        found = client.describe("hf-internal-testing/tiny-random-bert", "main", file)
        assert found.digest.startswith(kind)
        assert len(found.commit) == 40


def test_a_model_for_something_else_is_not_downloaded_by_its_address(hub, no_hub, mdi_map):
    with UNKNOWN, pytest.raises(ValueError, match="is for the method 'ldm', not 'enhance'"):
        superresolve(mdi_map, "enhance", model=ADDRESS)
    assert not any(request.path.endswith(WEIGHTS) for request in hub.asked(method="GET"))


def test_the_test_tensors_come_with_a_repository(hub, tiny_files, tmp_path):
    for name, content in tiny_files.items():
        (tmp_path / name).write_bytes(content)
    write_verification(tmp_path)
    hub.publish(REPOSITORY, {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()})
    with UNKNOWN:
        folder = fetch_repository(REPOSITORY, "main")
    assert verify(folder) == 0
    assert check(ADDRESS) == find_files(ADDRESS) == folder
    (folder / "verification.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"verification\.safetensors is missing"):
        check(ADDRESS)


def test_checking_downloads_nothing(hub, record):
    with pytest.raises(FileNotFoundError, match=f"`sunpy-superres models fetch {NAME}` gets it"):
        check(NAME)
    folder = fetch(NAME)
    hub.requests.clear()
    assert check(NAME) == folder
    flip(folder / WEIGHTS)
    with pytest.raises(ValueError, match=f"`sunpy-superres models clear {NAME}` removes it"):
        check(NAME)
    assert not hub.requests
