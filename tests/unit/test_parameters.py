"""What vendors' clients send, from wherever they put it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import Request

from interlock.gateway.parameters import parameters, texts
from interlock.gateway.problems import Problem

FORM = "application/x-www-form-urlencoded"
JSON = "application/json; charset=utf-8"
PART = "multipart/form-data; boundary=b"


def read(query: str = "", body: bytes = b"", content_type: str = "") -> dict[str, Any]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode())] if content_type else []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": query.encode(),
        "headers": headers,
    }
    return asyncio.run(parameters(Request(scope, receive)))


@pytest.mark.parametrize(
    ("query", "body", "content_type", "found"),
    [
        ("", b"", "", {}),
        ("", b"", JSON, {}),
        ("", b" ", JSON, {}),
        ("a=1&a=2&b=%C3%A9", b"", "", {"a": "2", "b": "é"}),
        ("id[]=1&id%5B%5D=2", b"", "", {"id": ["1", "2"]}),
        ("a[b][c]=1&a[b][d]=2&a[e]=", b"", "", {"a": {"b": {"c": "1", "d": "2"}, "e": ""}}),
        ("a[][b]=1", b"", "", {"a": [{"b": "1"}]}),
        ("a=1", b"a=2&b[]=3", FORM, {"a": "2", "b": ["3"]}),
        ("a=1&c=0", b'{"a": 2, "b": [3]}', JSON, {"a": 2, "b": [3], "c": "0"}),
        ("", b'{"a": 2}', "", {"a": 2}),
        ("", b'{"a[]": ["1", "2"]}', JSON, {"a": ["1", "2"]}),
        (
            "",
            b'--b\r\nContent-Disposition: form-data; name="a[]"\r\n\r\n1\r\n--b--\r\n',
            PART,
            {"a": ["1"]},
        ),
        ("[=1&]x=2", b"", "", {"[": "1", "]x": "2"}),
    ],
)
def test_query_form_and_json_are_one(
    query: str, body: bytes, content_type: str, found: dict[str, Any]
) -> None:
    assert read(query, body, content_type) == found


@pytest.mark.parametrize(
    ("query", "body", "content_type", "status"),
    [
        ("", b"[1]", JSON, 400),
        ("", b"{", JSON, 400),
        ("", b'{"a":"\xff"}', JSON, 400),
        ("", b'{"a":' * 65 + b"1" + b"}" * 65, JSON, 413),
        ("", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", JSON, 413),
        ("a=1&a[]=2", b"", "", 400),
        ("a[]=1&a=2", b"", "", 400),
        ("a[]=1&a[b]=2", b"", "", 400),
        ("a" + "[b]" * 8 + "=1", b"", "", 413),
        ("&".join(f"a{n}=1" for n in range(1001)), b"", "", 413),
        ("", b"<a/>", "text/xml", 415),
        (
            "",
            b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n1\r\n--b--\r\n',
            PART,
            422,
        ),
    ],
)
def test_what_cannot_be_read_is_refused(query: str, body: bytes, content_type: str, status: int) -> None:
    with pytest.raises(Problem) as raised:
        read(query, body, content_type)
    assert raised.value.status == status


def test_several_values_come_as_a_list_or_with_commas() -> None:
    found = {"a": ["1", "2"], "b": "1,2", "c": 3, "d": None, "e": ""}
    assert [texts(found, name) for name in "abcdef"] == [["1", "2"], ["1", "2"], ["3"], [], [], []]
