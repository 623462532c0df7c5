"""Logs in S3 are found and read as if they lay in folders. The server is local; nothing here leaves the machine."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from authforensics.collect.discover import discover
from authforensics.errors import BadValue, InputError, MissingInput, NothingReadable
from collecting import collect

SECRET = "wJalrXUtnFEMI7K7MDENGbPxRfiCYEXAMPLEKEY"


def absent(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is missing", allow_module_level=True)


try:
    import boto3
    from moto.server import ThreadedMotoServer

    from authforensics.collect import object_store
except ImportError as missing:
    absent(str(missing.name))


def lines(day: int, count: int = 40) -> bytes:
    return "".join(
        f"203.0.113.{number} - - [{day:02}/Nov/2026:13:00:{number % 60:02} +0000] "
        f'"GET /api/{day}/{number} HTTP/1.1" 401 {number} "-" "app/1"\n'
        for number in range(count)
    ).encode()


def zipped(data: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("inner.log", data)
    return whole.getvalue()


OBJECTS = {
    "shop/2026-11-01/access.log": lines(1),
    "shop/2026-11-02/access.log.gz": gzip.compress(lines(2)),
    "shop/2026-11-03/access.log.bz2": bz2.compress(lines(3)),
    "shop/2026-11-04/logs.zip": zipped(lines(4)),
    "shop/2026-11-05/torn.log.gz": gzip.compress(lines(5, 2000), mtime=0)[:-40],
    "shop/2026-11-06/odd.log": lines(6) + b"\xff\xfe\n",
    "shop/2026-12-01/access.log": lines(7),
    "shop/2026-11-01/": b"",
    "shop/README.md": b"# Logs\n",
    "shop/.hidden/access.log": lines(8),
    "odd/a [1]*é.log": lines(9),
    "odd/empty.log": b"",
    "top.log": lines(10),
}


@pytest.fixture(scope="module")
def server():
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key=SECRET
    )
    client.create_bucket(Bucket="logs")
    for key, data in OBJECTS.items():
        client.put_object(Bucket="logs", Key=key, Body=data)
    client.close()
    yield url
    moto.stop()


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No credentials, no configuration but a test's own."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def somebody(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def s3(server, somebody, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)


def sources(*urls: str) -> list[str]:
    return [found.source for found in discover(urls)]


def test_a_prefix_gives_what_the_same_folder_gives(s3, tmp_path):
    for key, data in OBJECTS.items():
        if key.startswith("shop/") and not key.endswith("/"):
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).write_bytes(data)
    torn = zlib.decompressobj(31).decompress(OBJECTS["shop/2026-11-05/torn.log.gz"]).splitlines()[:-1]
    far, near = collect(["s3://logs/shop"]), collect([tmp_path / "shop"])
    assert far.sources == near.sources
    assert far.events.equals(near.events)
    assert far.rejects.equals(near.rejects)
    assert {source.source: source.note.partition(":")[0] for source in far.sources if source.note} == {
        "2026-11-05/torn.log.gz": f"breaks off at line {len(torn) + 1}",
        "2026-11-06/odd.log": "holds bytes that are not UTF-8",
        "README.md": "looks like a document, not a log",
    }
    assert {source.system for source in far.sources} == {"shop"}


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("s3://logs/top.log", ["top.log"]),
        ("s3://logs/shop/2026-11-01/", ["access.log"]),
        ("s3://logs/shop/2026-11-0[12]/", ["2026-11-01/access.log", "2026-11-02/access.log.gz"]),
        ("s3://logs/shop/2026-1?-01", ["2026-11-01/access.log", "2026-12-01/access.log"]),
        (
            "s3://logs/shop/*/access.log*",
            [
                f"2026-1{day}"
                for day in ("1-01/access.log", "1-02/access.log.gz", "1-03/access.log.bz2", "2-01/access.log")
            ],
        ),
        ("s3://logs/**/access.log", ["2026-11-01/access.log", "2026-12-01/access.log"]),
        ("s3://logs/**/.hidden/*", ["access.log"]),
        ("s3://logs/odd/a [1]*é.log", ["a [1]*é.log"]),
        ("s3://logs/odd", ["a [1]*é.log"]),
        ("S3://logs/odd/empty.log", ["empty.log"]),
    ],
)
def test_objects_prefixes_and_globs(s3, url, found):
    assert sources(url) == found


def test_an_object_that_is_named_twice_is_read_once(s3):
    (found,) = discover(["s3://logs/top.log", "s3://logs/t*", "s3://logs/top.log"])
    assert found.named


def test_objects_and_files_are_read_together(s3, tmp_path):
    (tmp_path / "top.log").write_bytes(lines(11))
    assert sources("s3://logs/top.log", str(tmp_path / "top.log")) == ["top.log", "top.log (2)"]


def test_a_large_object_comes_in_parts(s3, monkeypatch):
    monkeypatch.setattr(object_store, "_PART", 100)
    (found,) = discover(["s3://logs/top.log"])
    assert found.path.read_bytes() == OBJECTS["top.log"]


def test_what_has_been_fetched_is_told_part_by_part(s3, monkeypatch):
    monkeypatch.setattr(object_store, "_PART", 100)
    steps = []
    found = discover(["s3://logs/shop", "s3://logs/top.log"], None, steps.append)
    fetched = {one.source: one.path.stat().st_size for one in found if one.path.exists() and "!" not in one.source}
    sizes = [step.size for step in steps]
    assert all(step.fetching and step.source for step in steps)
    assert sizes == sorted(sizes)
    assert len({*sizes}) > len(fetched)
    last = steps[-1]
    assert (last.files, last.size) == (last.all_files, last.all_size)
    # README.md isn't looked into; of the archive only its members are left.
    assert last.all_files == len(fetched) + 1
    assert last.all_size > sum(fetched.values())


def test_an_object_is_as_old_as_in_the_store(s3):
    (found,) = discover(["s3://logs/top.log"])
    assert abs(found.path.stat().st_mtime - time.time()) < 3600


def test_what_is_not_looked_into_is_not_fetched(s3):
    (found,) = (found for found in discover(["s3://logs/shop"]) if found.source == "README.md")
    assert not found.path.exists()


def test_credentials_come_from_the_configuration_too(server, monkeypatch, tmp_path):
    (tmp_path / "home" / ".aws").mkdir(parents=True)
    (tmp_path / "home" / ".aws" / "credentials").write_text(
        f"[oncall]\naws_access_key_id=AKIAEXAMPLE\naws_secret_access_key={SECRET}\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_PROFILE", "oncall")
    assert sources("s3://logs/top.log") == ["top.log"]
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(InputError, match=r"no credentials for s3:// \(The config profile \(nobody\)"):
        discover(["s3://logs/top.log"])


@pytest.mark.parametrize(
    ("url", "error", "said"),
    [
        ("s3://logs/nowhere.log", MissingInput, "no such object, and nothing below it: 's3://logs/nowhere.log'"),
        ("s3://logs/nothing*", MissingInput, "nothing matches 's3://logs/nothing*'"),
        ("s3://logs/top.log/", MissingInput, "no such object, and nothing below it: 's3://logs/top.log/'"),
        ("s3://nobucket/a.log", MissingInput, "s3://nobucket/a.log: no such bucket"),
        ("s3://log*/a.log", BadValue, "s3://log*/a.log: expected s3://BUCKET/PATH, with the bucket's name in full"),
        ("s3:///a.log", BadValue, "s3:///a.log: expected s3://BUCKET/PATH, with the bucket's name in full"),
        (
            "ftp://host/a.log",
            BadValue,
            "ftp://: can't read from there; expected a file, or s3://, gs://, az:// or abfss://",
        ),
    ],
)
def test_what_is_not_there_is_the_callers_mistake(s3, url, error, said):
    with pytest.raises(error) as raised:
        discover([url])
    assert str(raised.value) == said


def test_credentials_in_a_path_are_refused_and_not_repeated(s3):
    with pytest.raises(BadValue, match="a path holds no credentials") as raised:
        discover([f"s3://AKIAEXAMPLE:{SECRET}@logs/top.log"])
    assert SECRET not in str(raised.value)


def test_without_credentials_it_is_said_which_are_looked_for(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="no credentials for s3://; expected AWS_ACCESS_KEY_ID"):
        discover(["s3://logs/top.log"])


def test_a_store_that_is_not_there_is_given_up_soon(somebody, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"^s3://logs/top\.log: the store can't be reached or used$"):
        discover(["s3://logs/top.log"])


@contextmanager
def answering(status: int, body: str, pause: float = 0.0):
    """A server that always says the same, perhaps not before some seconds are over; of any object that it is there."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            over.wait(pause)
            self._answer(len(body))
            self.wfile.write(body.encode())

        def do_HEAD(self):
            self._answer(1_000_000)

        def _answer(self, length):
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.send_header("Last-Modified", "Sun, 01 Nov 2026 00:00:00 GMT")
            self.send_header("ETag", '"1"')
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_arguments: None
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            over.set()
            server.shutdown()


DENIED = f"<Error><Code>SignatureDoesNotMatch</Code><StringToSign>{SECRET}</StringToSign></Error>"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, DENIED, "access denied (SignatureDoesNotMatch)"),
        (403, "", "access denied (403)"),
        (400, "<Error><Code>ExpiredToken</Code></Error>", "the credentials have expired"),
        (301, "<Error><Code>PermanentRedirect</Code></Error>", "the bucket is in another region: set AWS_REGION"),
        (418, SECRET, "the store answers with an error (418)"),
        (200, SECRET, "the store can't be reached or used"),
    ],
)
def test_what_a_store_says_becomes_one_line_without_secrets(somebody, monkeypatch, status, body, said):
    with answering(status, body) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(InputError) as raised:
            discover(["s3://logs/a/"])
    assert str(raised.value) == f"s3://logs/a/: {said}"


def test_a_store_that_does_not_answer_is_given_up(somebody, monkeypatch):
    monkeypatch.setattr(object_store, "_LONGEST", timedelta(seconds=0.3))
    monkeypatch.setattr(object_store, "_RETRIES", {"max_retries": 0, "retry_timeout": timedelta(seconds=1)})
    with answering(200, "", pause=30) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(InputError, match=r"^s3://logs/a/: no answer in time$"):
            discover(["s3://logs/a/"])


def test_an_object_that_cannot_be_fetched_takes_no_other_down(s3, monkeypatch):
    def refuse(one):
        if one.key.endswith("access.log"):
            raise PermissionError("status code: 403 <Code>InvalidObjectState</Code>")
        return parts(one)

    parts = object_store.Object._parts
    monkeypatch.setattr(object_store.Object, "_parts", refuse)
    collected = collect(["s3://logs/shop/2026-11-0[12]"])
    notes = {source.source: (source.events, source.broken, source.note) for source in collected.sources}
    told = "can't be fetched: it is in an archive tier: restore it first"
    assert notes == {"2026-11-01/access.log": (0, True, told), "2026-11-02/access.log.gz": (40, False, None)}
    with pytest.raises(NothingReadable, match="archive tier"):
        collect(["s3://logs/shop/2026-11-01/access.log"])


def test_a_full_disk_is_said(s3, monkeypatch):
    def full(_one):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(object_store.Object, "_parts", full)
    with pytest.raises(InputError, match=r"s3://logs/top\.log: no room for it in .*--work-dir"):
        discover(["s3://logs/top.log"])


def test_files_need_nothing_of_it_and_without_it_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "authforensics.collect.object_store", None)
    monkeypatch.delattr("authforensics.collect.object_store")
    (tmp_path / "top.log").write_bytes(lines(1))
    assert sources(str(tmp_path / "top.log")) == ["top.log"]
    with pytest.raises(InputError, match=r"pip install 'authforensics\[cloud\]'"):
        discover(["s3://logs/top.log"])


def test_a_file_that_is_called_like_a_url_is_a_file(tmp_path, monkeypatch):
    (tmp_path / "s3:" / "logs").mkdir(parents=True)
    Path(tmp_path, "s3:", "logs", "top.log").write_bytes(lines(1))
    monkeypatch.chdir(tmp_path)
    assert sources("s3://logs/top.log") == ["top.log"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_objects_are_fetched_leaves_nothing(somebody, tmp_path, number):
    work = tmp_path / "work"
    work.mkdir()
    command = [
        sys.executable,
        "-m",
        "authforensics",
        "analyze",
        "s3://logs/a.log",
        "--work-dir",
        str(work),
        "--no-html",
    ]
    with answering(200, "", pause=60) as url:
        search = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "AWS_ENDPOINT_URL": url}
        with subprocess.Popen(command, env={**os.environ, **search}, cwd=tmp_path, stderr=subprocess.PIPE) as process:
            while not any(work.glob("*/*/1/a.log")):
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.01)
            process.send_signal(number)
            _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert said.startswith(b"authforensics: error: ")
    assert not any(work.iterdir())
