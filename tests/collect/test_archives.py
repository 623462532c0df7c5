"""Archives, known by their content: each member is an input of its own."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authforensics.collect import Options
from authforensics.collect.compression import ZstdDecompressor
from authforensics.collect.discover import discover
from authforensics.errors import BrokenInput
from collecting import collect

if hasattr(ZstdDecompressor, "decompressobj"):
    from zstandard import compress as zstd_compress
else:
    from compression.zstd import compress as zstd_compress

PACK = {"gz": gzip.compress, "zst": zstd_compress, "bz2": bz2.compress, "xz": lzma.compress}


def lines(count: int, day: int = 25) -> bytes:
    return "".join(
        f"203.0.113.{number % 256} - - [{day}/Dec/2025:13:{number // 60 % 60:02}:{number % 60:02} +0000] "
        f'"GET /api/{number} HTTP/1.1" 401 {number} "-" "app/1"\n'
        for number in range(count)
    ).encode()


FILES = {
    "api/access.log": lines(50),
    "api/access.log.1.gz": gzip.compress(lines(40, 24)),
    "web/access.log": lines(30, 23),
}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_766_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


ARCHIVES = {
    "stored": lambda: zipped(FILES, zipfile.ZIP_STORED),
    "deflated": lambda: zipped(FILES),
    "bzip2": lambda: zipped(FILES, zipfile.ZIP_BZIP2),
    "lzma": lambda: zipped(FILES, zipfile.ZIP_LZMA),
    "tar": lambda: tarred(FILES),
    **{f"tar.{kind}": lambda pack=pack: pack(tarred(FILES)) for kind, pack in PACK.items()},
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_each_member_is_an_input(kind, tmp_path):
    path = tmp_path / "export.bin"
    path.write_bytes(ARCHIVES[kind]())
    collected = collect([path])
    assert {(source.source, source.system, source.events) for source in collected.sources} == {
        ("export.bin!api/access.log", "api", 50),
        ("export.bin!api/access.log.1.gz", "api", 40),
        ("export.bin!web/access.log", "web", 30),
    }
    assert collected.events.height == 120
    assert not any(source.broken for source in collected.sources)


def test_large_members_are_kept_compressed_and_give_the_same_events(tmp_path):
    data = lines(20_000)
    (tmp_path / "plain.log").write_bytes(data)
    (tmp_path / "a.tar.xz").write_bytes(lzma.compress(tarred({"a.log": data})))
    (found,) = discover([tmp_path / "a.tar.xz"])
    assert found.path.stat().st_size < len(data) / 3
    plain, packed = collect([tmp_path / "plain.log"]), collect([tmp_path / "a.tar.xz"])
    assert packed.events.drop("source", "system").equals(plain.events.drop("source", "system"))


def test_archives_in_archives_are_unpacked_but_not_for_ever(tmp_path):
    inner = zipped({"access.log": lines(5)})
    (tmp_path / "a.tar").write_bytes(tarred({"host1.zip": inner}))
    assert [source.source for source in collect([tmp_path]).sources] == ["a.tar!host1.zip!access.log"]
    for _ in range(4):
        inner = zipped({"x.zip": inner})
    (tmp_path / "a.tar").write_bytes(inner)
    (found,) = discover([tmp_path])
    assert "in too many others" in found.problem


def test_members_that_are_no_logs_are_left_alone_by_name(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"README.md": b"x", "__MACOSX/._a": b"x", "dir/": b"", "a.log": lines(3)}))
    notes = {source.source: source.note for source in collect([tmp_path]).sources}
    assert notes == {"a.zip!README.md": "looks like a document, not a log", "a.zip!a.log": None}


def test_documents_that_are_archives_are_not_opened(tmp_path):
    (tmp_path / "a.docx").write_bytes(zipped({"a.log": lines(3)}))
    (tmp_path / "a.log").write_bytes(lines(3))
    assert {source.source: source.note for source in collect([tmp_path]).sources}["a.docx"].startswith("looks like")


@pytest.mark.parametrize(
    "name", ["../../../tmp/evil.log", "/etc/evil.log", "a\nb\x1b[0m.log", "caf\xe9/" + "x" * 250, "CON", ".."]
)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_names_lead_nowhere(make, name, tmp_path):
    (tmp_path / "a.bin").write_bytes(make({name: lines(3)}))
    kept = tmp_path / "kept"
    kept.mkdir()
    (found,) = discover([tmp_path / "a.bin"], lambda: kept)
    assert found.path.resolve().is_relative_to(kept.resolve())
    assert found.source.isprintable()
    assert found.source.startswith("a.bin!")


def test_an_encrypted_member_says_so(tmp_path):
    data = bytearray(zipped({"a.log": lines(3), "b.log": lines(3)}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    sources = {source.source: source for source in collect([tmp_path]).sources}
    assert sources["a.zip!a.log"].note == "encrypted: unpack it first"
    assert sources["a.zip!b.log"].events == 3


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.zst", "tar.xz"])
def test_of_a_tar_archive_that_is_cut_off_the_beginning_is_kept(kind, tmp_path):
    chance = random.Random(1)
    noise = {"b.log": lines(2) + chance.randbytes(150_000).hex().encode()}
    packed = {"tar": bytes, **{f"tar.{name}": pack for name, pack in PACK.items()}}[kind](
        tarred({"a.log": lines(50), **noise})
    )
    (tmp_path / "a").write_bytes(packed[: len(packed) // 2])
    collected = collect([tmp_path])
    notes = {source.source: (source.events, source.note) for source in collected.sources}
    assert notes["a!a.log"] == (50, None)
    assert notes["a!b.log"][0] == 2
    assert "damaged tar archive" in notes["a"][1]
    with pytest.raises(BrokenInput, match="damaged tar archive"):
        collect([tmp_path], Options(strict=True))


def test_a_zip_archive_that_is_cut_off_says_so(tmp_path):
    data = zipped(FILES)
    (tmp_path / "a.zip").write_bytes(data[: len(data) // 2])
    (tmp_path / "a.log").write_bytes(lines(3))
    source = next(source for source in collect([tmp_path]).sources if source.source == "a.zip")
    assert source.broken
    assert "damaged zip archive" in source.note


def test_members_that_overlap_are_refused(tmp_path):
    data = zipped({"a.log": lines(300)})
    directory = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[directory:end]
    count = 500
    tail = bytearray(data[end:])
    tail[8:12] = count.to_bytes(2, "little") * 2
    tail[12:16] = (len(entry) * count).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(data[:directory] + entry * count + bytes(tail))
    found = discover([tmp_path])
    assert len(found) <= 500
    assert sum(each.path.stat().st_size for each in found) < 10_000_000


def test_an_archive_without_files_is_accounted_for(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({}))
    (tmp_path / "a.log").write_bytes(lines(3))
    notes = {source.source: source.note for source in collect([tmp_path]).sources}
    assert notes["a.zip"] == "a zip archive without files"


def test_a_header_without_end_is_damage(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 40
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    (found,) = discover([tmp_path])
    assert "damaged" in found.problem


@given(st.sampled_from(sorted(ARCHIVES)), st.data())
def test_damaged_archives_raise_nothing(tmp_path_factory, kind, data):
    archive = bytearray(ARCHIVES[kind]())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(archive) - 1))
        archive[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(archive)))
    path = tmp_path_factory.mktemp("damaged") / "a.bin"
    path.write_bytes(archive[:cut] if data.draw(st.booleans()) else archive)
    for found in discover([path], lambda: path.parent):
        assert found.source.startswith("a.bin")


def test_bz2_is_known_by_content(tmp_path):
    (tmp_path / "a.log").write_bytes(bz2.compress(tarred({"x/a.log": lines(3)})))
    assert [source.source for source in collect([tmp_path]).sources] == ["a.log!x/a.log"]
