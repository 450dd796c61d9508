"""Attacks on the transport as tables, for the guard alone and for a whole gateway. Numbers are of the attack list."""

PATHS = ("/mcp", "/.well-known/oauth-protected-resource/mcp", "/healthz", "/issuer/token", "/agents/x", "/nowhere")
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD")

# 2 and 26: a second one of these is refused
SINGLE = (
    "Authorization",
    "Content-Type",
    "Origin",
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    "Mcp-Param-Region",
    "Ix-Turn-Token",
)

# 25: the Host, and what it is answered with by a gateway on loopback
BAD_HOSTS = [
    ("", 400),
    ("127.0.0.1@evil.example", 400),
    ("evil.example@127.0.0.1", 400),
    ("127.0.0.1/evil", 400),
    ("127.0.0.1?evil", 400),
    ("127.0.0.1#evil", 400),
    ("127.0.0.1:", 400),
    ("127.0.0.1:80:80", 400),
    ("127.0.0.1:port", 400),
    ("127.0.0.1, evil.example", 400),
    ("127.0.0.1 evil.example", 400),
    ("http://127.0.0.1", 400),
    ("[::1", 400),
    ("[::1]evil", 400),
    ("::1", 400),
    ("127.0.0.1\u00e9", 400),
    ("127.0.0.1.", 421),
    ("127.1", 421),
    ("2130706433", 421),
    ("0x7f.1", 421),
    ("0.0.0.0", 421),
    ("[::ffff:127.0.0.1]", 421),
    ("127.0.0.1.evil.example", 421),
    ("localhost.evil.example", 421),
]

# 26: what two readers would read differently; all answered with 400
HEAD = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
AMBIGUOUS = {
    "CL and TE": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "TE and CL": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 0\r\nContent-Length: 4\r\n\r\nGET ",
    "the same length twice": HEAD + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "signed length": HEAD + b"Content-Length: +0\r\n\r\n",
    "unknown TE": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n",
    "two TE": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    "two hosts": HEAD + b"Host: evil.example\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "no host in 1.0": b"GET / HTTP/1.0\r\n\r\n",
    "obs-fold": HEAD + b"X: a\r\n b\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "bare CR": HEAD + b"X: a\rb\r\n\r\n",
    "NUL in a value": HEAD + b"X: a\0b\r\n\r\n",
    "blank before the colon": b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "absolute target": b"GET http://evil.example/mcp HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "CONNECT": b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no path": b"GET ? HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bytes in the path": b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "NUL in the path": b"GET /mcp%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an upgrade": HEAD + b"Connection: UPGRADE\r\nUPGRADE: h2c\r\nContent-Length: 2\r\n\r\n{}",
}

# 28 and 29: a body, the JSON-RPC code it is answered with (status 400), and words of the message
BAD_BODIES = [
    (b"", -32700, "not JSON"),
    (b"{", -32700, "line 1 column"),
    (b'{"a":1}{"b":2}', -32700, "not JSON"),
    (b'{"a":NaN}', -32700, "not JSON"),
    (b'{"a":-Infinity}', -32700, "not JSON"),
    (b'{"a":1e400}', -32700, "infinity"),
    (b'{"a":' + b"9" * 100_000 + b"}", -32700, "infinity"),
    (b'{"a":12345678901234567890123}', -32700, "too large to be read exactly in /a"),
    (b'{"a":"\\ud800"}', -32700, "not JSON"),
    (b'{"a":"\xff"}', -32700, "UTF-8"),
    (b"\xef\xbb\xbf{}", -32700, "byte order mark"),
    ('{"a":1}'.encode("utf-16"), -32700, "not JSON"),
    (b'{"a":1,"a":1}', -32700, "'a' occurs twice in the whole"),
    (b'{"p":[{"a":1,"\\u0061":2}]}', -32700, "'a' occurs twice in /p/0"),
    (b'{"params":{"name":"safe","name":"danger"}}', -32700, "'name' occurs twice in /params"),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, -32700, "deeper than 100"),
    (b"[" * 100_000 + b"]" * 100_000, -32700, "deeper than 100"),
    (b"{" + b",".join(b'"%x":0' % n for n in range(400_000)) + b"}", -32700, "too many"),
    (b"[]", -32600, "batches are not supported"),
    (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, "batches are not supported"),
    (b'"text"', -32600, "one JSON object"),
    (b"null", -32600, "one JSON object"),
    (b"7", -32600, "one JSON object"),
]


def request(
    *headers: str, method: str = "POST", path: str = "/mcp", host: str = "127.0.0.1", body: bytes | None = b"{}"
) -> bytes:
    """A well-formed request, to which `headers` are added."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")
