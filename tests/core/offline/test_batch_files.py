"""Batch files: what is there is kept, what was cut off is mended, what is not ours is left alone."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from frameworkctl.errors import ConfigError, RequestError
from frameworkctl.offline.batch.files import OutputFile, numbered_lines
from frameworkctl.offline.batch.lines import answer, name_of, read_request, refusal, refuse_stream


def line(custom_id: str | None, status: int = 200) -> bytes:
    given = {"id": "batch_req_x", "custom_id": custom_id, "error": None}
    return json.dumps({**given, "response": {"status_code": status, "request_id": "r", "body": {}}}).encode() + b"\n"


@pytest.mark.parametrize("cut", [1, 20, len(line("c")) - 2])
def test_half_a_line_is_taken_away(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(line("a") + line("b", 404) + line("c")[:cut])
    with OutputFile(str(path)) as output:
        assert output.done == {"a", "b"}
        assert output.failed == 1
        output.write(answer("c", 200, "r", {"x": 1}))
    found = [json.loads(text) for text in path.read_text().splitlines()]
    assert [f["custom_id"] for f in found] == ["a", "b", "c"]
    assert found[2]["response"] == {"status_code": 200, "request_id": "r", "body": {"x": 1}}


def test_a_line_that_lacks_only_its_end_counts(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(line("a") + line("b").rstrip(b"\n"))
    with OutputFile(str(path)) as output:
        assert output.done == {"a", "b"}
    assert path.read_bytes() == line("a") + line("b")


@pytest.mark.parametrize("content", [b"important\nnotes\n", line("a") + b"{}\n" + line("b"), b"\x80\n"])
def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"line \d of .*notes.txt"):
        OutputFile(str(path))
    assert path.read_bytes() == content


def test_two_programs_do_not_write_one_file(tmp_path: Path) -> None:
    path = str(tmp_path / "out.jsonl")
    with OutputFile(path), pytest.raises(ConfigError, match="another run-batch"):
        OutputFile(path)
    with OutputFile(path):
        pass


def test_what_stands_for_a_line_that_has_no_name(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    error = RequestError("no", code="invalid_line")
    with OutputFile(str(path)) as output:
        output.write(refusal(None, error, id_="batch_req_line_3"))
        output.write(refusal("a", error, id_="batch_req_line_4"))  # given before: "a" itself is yet to come
        output.write(refusal("b", error))
    with OutputFile(str(path)) as output:
        assert output.done == {"batch_req_line_3", "batch_req_line_4", "b"}
        assert output.failed == 3


@pytest.mark.parametrize(
    ("text", "param", "name"),
    [
        ("{", None, None),
        ("[1]", None, None),
        ('{"custom_id": "a"}', None, "a"),
        ("\udc80", None, None),
        ('{"custom_id": true, "url": "/x", "body": {}}', None, None),
        ('{"custom_id": 5}', None, "5"),
        ('{"custom_id": "", "url": "/x", "body": {}}', "custom_id", None),
        ('{"custom_id": "a", "url": "/x", "body": {}, "method": "GET"}', "method", "a"),
        ('{"custom_id": "a", "url": "http://host/x", "body": {}}', "url", "a"),
        ("[" * 100_000, None, None),
    ],
)
def test_lines_that_are_no_requests(text: str, param: str | None, name: str | None) -> None:
    raw = text.encode(errors="surrogateescape")
    with pytest.raises(RequestError) as caught:
        read_request(raw)
    assert caught.value.param == param
    assert caught.value.status == 400
    assert name_of(raw) == name


@pytest.mark.parametrize(("number", "text"), [("7", "7"), ("0", "0"), ("1.5", "1.5"), ("-18446744073709551616", None)])
def test_a_number_is_a_name(number: str, text: str | None) -> None:
    line = f'{{"custom_id": {number}, "url": "/x", "body": {{}}}}'.encode()
    assert read_request(line).custom_id == name_of(line)
    assert name_of(line) in (text, number, "-1.8446744073709552e19")


def test_streams_are_refused() -> None:
    with pytest.raises(RequestError, match="stream"):
        refuse_stream(b'{"stream": true}')
    for body in (b"{}", b'{"stream": false}', b'{"stream": null}', b"[]", b"3"):
        refuse_stream(body)


def test_input_is_not_read_far_ahead_and_ends_without_a_newline() -> None:
    """Through a pipe whose other end writes only as it is read: numbers count empty lines too."""
    read, write = os.pipe()
    os.write(write, b"\xef\xbb\xbf{1}\n\n  \n{2}\n{3}")
    os.close(write)

    async def collect() -> list[tuple[int, bytes]]:
        with os.fdopen(read, "rb") as file:
            return [item async for item in numbered_lines(file)]

    assert asyncio.run(collect()) == [(1, b"{1}\n"), (4, b"{2}\n"), (5, b"{3}")]
