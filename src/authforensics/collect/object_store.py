"""Finds the objects that a URL means in S3, Google Cloud Storage or Azure, and puts each aside in a file.

polars lists objects and scans their lines, but hands out no bytes: archives, bz2 and xz, bytes that are no UTF-8 and
compressed data that break off would be lost. obstore is the object store that polars is built on, without the tables.
Credentials, region and endpoint come from the environment or what the vendor's tools have put in the home directory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from glob import has_magic
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import obstore
from botocore.exceptions import BotoCoreError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import BaseError
from obstore.store import S3Store, from_url

from authforensics.collect.aside import Place
from authforensics.collect.found import Found, shortage
from authforensics.collect.left_alone import by_name
from authforensics.collect.naming import absolute, called
from authforensics.collect.step import Progress, Step
from authforensics.errors import AuthforensicsError, BadValue, InputError, MissingInput
from authforensics.parallel import in_order
from authforensics.redact import redact, visible

if TYPE_CHECKING:
    from obstore import ListResult, ObjectMeta
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

#: Whose objects can be read, and where its credentials are looked for.
_AWS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_GOOGLE = "GOOGLE_APPLICATION_CREDENTIALS, or `gcloud auth application-default login`"
_AZURE = "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN"
_CREDENTIALS = {"s3": _AWS, "s3a": _AWS, "gs": _GOOGLE} | dict.fromkeys(("az", "azure", "adl", "abfs", "abfss"), _AZURE)
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<bucket>[^/]*)/?(?P<key>.*)", re.DOTALL)
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
#: Bytes that one request asks for, so that each is over before it may take too long.
_PART = 8 << 20
_AT_A_TIME = 8
_LONGEST, _CONNECTING = timedelta(seconds=60), timedelta(seconds=5)
_RETRIES: RetryConfig = {"max_retries": 3, "retry_timeout": _LONGEST}
_NOT_ENTERED = {"node_modules", "__pycache__"}
#: What stores say, as their users would.
# Reference: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
# Reference: https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes
_REGION = "the bucket is in another region: set AWS_REGION"
_SAID = {
    "NoSuchBucket": "no such bucket",
    "ContainerNotFound": "no such container",
    "InvalidObjectState": "it is in an archive tier: restore it first",
    "BlobArchived": "it is in an archive tier: restore it first",
    "PreconditionFailed": "it was changed while it was read: run again",
    "ExpiredToken": "the credentials have expired",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
}
_MISSING = {"NoSuchBucket", "ContainerNotFound"}
_CODE = re.compile(r"<Code>(\w+)</Code>|\"(?:status|code)\": ?\"([A-Za-z]\w+)\"")
#: Where credentials come from on machines of the cloud; who asks there has found none elsewhere.
_METADATA = re.compile(
    r"169\.254\.|metadata\.google|fd00:ec2|MissingAccount|Account must be specified|MissingCredentials"
)
_ELSEWHERE = re.compile("incorrectly configured region")
_STATUS = re.compile(r"status code: (\d{3})")
_KIND = re.compile(r"kind: (Timeout|Connect)\b")


_ERRORS = (OSError, BaseError)


@dataclass(frozen=True, slots=True)
class Object:
    """An object of a bucket; `root` is the folder that it was found through, `named` whether the URL means it alone."""

    bucket: Bucket
    key: str
    size: int
    modified: datetime
    e_tag: str | None
    root: Path
    named: bool

    @property
    def path(self) -> Path:
        """Where it would be if buckets were folders of the file system."""
        return _path(self.bucket.name, self.key)

    def fetch(self, path: Path, told: Callable[[int], None]) -> str | None:
        """Put it aside at some path; says what is wrong if it can't be read. `told` gets the bytes of each part.

        Raises:
            InputError: there is no room for it.
        """
        try:
            with path.open("wb") as out:
                for part in self._parts():
                    out.write(part)
                    told(len(part))
            os.utime(path, (self.modified.timestamp(),) * 2)
        except _ERRORS as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise shortage(error, self.bucket.shown(self.key), path) from error
            return f"can't be fetched: {_reason(error, self.bucket.scheme)}"
        return None

    def _parts(self) -> Iterator[bytes]:
        for start in range(0, self.size, _PART):
            span = (start, min(start + _PART, self.size))
            got = obstore.get(self.bucket.store, self.key, options={"range": span, "if_match": self.e_tag})
            yield got.bytes().to_bytes()


@dataclass(slots=True)
class Bucket:
    """A bucket or container, and what has been listed of it."""

    scheme: str
    name: str
    store: ObjectStore
    _listed: dict[str, ListResult[Sequence[ObjectMeta]]] = field(default_factory=dict)

    def shown(self, key: str) -> str:
        """The URL of an object, without what nobody should see."""
        return redact(visible(f"{self.scheme}://{self.name}/{key}"))

    def meant(self, key: str) -> Iterator[Object]:
        """What a key, a prefix or a glob means."""
        found = self._head(key) if key and not key.endswith("/") else None
        if found is not None:
            yield self._object(found, key.rpartition("/")[0], named=True)
        elif has_magic(key):
            yield from self._matching("", key.split("/"))
        else:
            yield from self._below(key.rstrip("/"))

    def _head(self, key: str) -> ObjectMeta | None:
        try:
            return obstore.head(self.store, key)
        except FileNotFoundError:
            return None

    def _below(self, folder: str) -> Iterator[Object]:
        """All objects below a folder, but hidden ones, in the order of their keys."""
        for some in obstore.list(self.store, folder or None):
            for meta in some:
                inside = meta["path"].removeprefix(folder).split("/")
                # A folder may have an object without content to stand for it.
                if meta["size"] and not any(part.startswith(".") or part in _NOT_ENTERED for part in inside):
                    yield self._object(meta, folder, named=False)

    def _matching(self, folder: str, parts: list[str]) -> Iterator[Object]:
        """What a glob means below a folder: objects, and all that is below folders, as `glob.glob` has it."""
        part, rest = parts[0], parts[1:]
        if part == "**" and rest:
            yield from self._matching(folder, rest)
            for inner in self._list(folder)["common_prefixes"]:
                if not _name(inner).startswith("."):
                    yield from self._matching(inner, parts)
            return
        if not rest:
            for meta in self._list(folder)["objects"]:
                if meta["size"] and _matches(meta["path"], part):
                    yield self._object(meta, folder, named=True)
        for inner in self._inner(folder, part):
            yield from self._matching(inner, rest) if any(rest) else self._below(inner)

    def _inner(self, folder: str, part: str) -> Iterator[str]:
        """The folders in a folder whose names match."""
        if part and not has_magic(part):
            yield f"{folder}/{part}" if folder else part
        else:
            yield from (inner for inner in self._list(folder)["common_prefixes"] if _matches(inner, part))

    def _list(self, folder: str) -> ListResult[Sequence[ObjectMeta]]:
        if folder not in self._listed:
            self._listed[folder] = obstore.list_with_delimiter(self.store, folder or None)
        return self._listed[folder]

    def _object(self, meta: ObjectMeta, folder: str, named: bool) -> Object:
        root = _path(self.name, folder)
        return Object(self, meta["path"], meta["size"], meta["last_modified"], meta["e_tag"], root, named)


def find(urls: Sequence[str]) -> list[Object]:
    """The objects that URLs mean, each once: themselves, all below them, or what they match as globs.

    Raises:
        BadValue: a URL that can't be understood.
        MissingInput: nothing is there.
        InputError: no credentials, no network, no access.
    """
    buckets: dict[tuple[str, str], Bucket] = {}
    met: dict[tuple[str, str, str], Object] = {}
    for url in urls:
        scheme, name, key = _split(url)
        try:
            bucket = buckets.setdefault((scheme, name), Bucket(scheme, name, _opened(scheme, name)))
            found = sorted(bucket.meant(key), key=lambda one: one.key)
        except _ERRORS as error:
            raise _told(error, redact(visible(url)), scheme) from error
        if not found:
            what = "nothing matches" if has_magic(key) else "no such object, and nothing below it:"
            raise MissingInput(f"{what} '{redact(visible(url))}'")
        for one in found:
            place = scheme, name, one.key
            met[place] = replace(one, named=one.named or (place in met and met[place].named))
    return list(met.values())


@dataclass(slots=True)
class _Fetched:
    """What has been fetched by all threads, of `files` and `size` in all; one of them at a time says so."""

    progress: Progress | None
    files: int
    size: int
    _files: int = 0
    _size: int = 0
    _lock: Lock = field(default_factory=Lock)

    def add(self, source: str, size: int, *, files: int = 0) -> None:
        """Count some bytes of an object; with `files`, it is done."""
        if self.progress is None:
            return
        with self._lock:
            self._files, self._size = self._files + files, self._size + size
            self.progress(Step(source, self._files, self.files, self._size, self.size, fetching=True))


def spooled(
    found: Sequence[Object], folder: Callable[[], Path] | None, progress: Progress | None = None
) -> list[Found]:
    """The objects as files in the directory that `folder` gives; what isn't looked into isn't fetched.

    `progress` is told of each part that has come.

    Raises:
        InputError: there is no room for them.
    """
    place = Place(folder)
    root = Path(os.path.commonpath([absolute(one.root) for one in found]))

    looked_into = [one for one in found if not by_name(one.path.name, one.named)]
    fetched = _Fetched(progress, len(looked_into), sum(one.size for one in looked_into))

    def fetch(item: tuple[Object, Found]) -> Found:
        one, file = item
        if by_name(one.path.name, one.named):
            return file
        file = replace(file, problem=one.fetch(file.path, partial(fetched.add, file.source)))
        fetched.add(file.source, 0, files=1)
        return file

    files = ((one, replace(called(one.path, root, one.named), path=place.path(one.path.name))) for one in found)
    return list(in_order(files, fetch, _AT_A_TIME))


def _split(url: str) -> tuple[str, str, str]:
    parts = _URL.fullmatch(url)
    scheme, name, key = parts.group("scheme", "bucket", "key") if parts else ("", "", "")
    scheme = scheme.lower()
    if scheme not in _CREDENTIALS:
        raise BadValue(f"{scheme}://: can't read from there; expected a file, or s3://, gs://, az:// or abfss://")
    if ":" in name.partition("@")[0]:
        raise BadValue(f"{scheme}://: a path holds no credentials; they are taken from {_CREDENTIALS[scheme]}")
    if not name or has_magic(name):
        raise BadValue(f"{redact(visible(url))}: expected {scheme}://BUCKET/PATH, with the bucket's name in full")
    return scheme, name, key


def _opened(scheme: str, name: str) -> ObjectStore:
    """A bucket, with credentials, region and endpoint of the environment."""
    plain = any(os.environ.get(variable, "").startswith("http://") for variable in _ENDPOINTS)
    options: ClientConfig = {"allow_http": plain, "timeout": _LONGEST, "connect_timeout": _CONNECTING}
    if _CREDENTIALS[scheme] is not _AWS:
        return from_url(f"{scheme}://{name}", client_options=options, retry_config=_RETRIES)
    provider = None
    if not any(os.environ.get(variable) for variable in ("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE")):
        provider = _profile()
    return S3Store(name, client_options=options, retry_config=_RETRIES, credential_provider=provider)


def _profile() -> Boto3CredentialProvider:
    """The credentials and the region that AWS' own tools would use: of a profile, a role, the machine.

    Raises:
        InputError: there are none.
    """
    try:
        return Boto3CredentialProvider()
    except (BotoCoreError, ValueError) as error:
        why = f" ({redact(visible(str(error)))})" if isinstance(error, BotoCoreError) else ""
        raise InputError(f"no credentials for s3://{why}; expected {_AWS}") from error


def _told(error: Exception, url: str, scheme: str) -> AuthforensicsError:
    kind = MissingInput if _code(str(error)) in _MISSING else InputError
    return kind(f"{url}: {_reason(error, scheme)}")


def _reason(error: Exception, scheme: str) -> str:
    """What went wrong, in one line; of what the store or the library says nothing that could hold a secret."""
    text = str(error)
    code, status = _code(text), _STATUS.search(text)
    if code in _SAID:
        return _SAID[code]
    if _METADATA.search(text):
        return f"no credentials found; expected {_CREDENTIALS[scheme]}"
    if _ELSEWHERE.search(text):
        return _REGION
    if isinstance(error, FileNotFoundError):
        return "no such object"
    told = code or (status and status[1])
    if isinstance(error, PermissionError) or (status and status[1] in {"401", "403"}):
        return f"access denied ({told})"
    if told:
        return f"the store answers with an error ({told})"
    why = _KIND.search(text)
    return "no answer in time" if why and why[1] == "Timeout" else "the store can't be reached or used"


def _code(text: str) -> str | None:
    found = _CODE.search(text)
    return found and (found[1] or found[2])


def _path(bucket: str, key: str) -> Path:
    return absolute(Path(f"/{bucket}/{key}"))


def _name(folder: str) -> str:
    return folder.rstrip("/").rpartition("/")[2]


def _matches(path: str, part: str) -> bool:
    """Whether the last name of a path fits a part of a glob; hidden ones only where that says so."""
    name = _name(path)
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
