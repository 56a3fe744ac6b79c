"""ClickHouse's HTTP interface in front of its engine in this process (chdb), as far as the club uses it: queries
in the body, settings in the address, inserts in one body, plain or in ClickHouse's LZ4 frames. For tests and
`make run ANALYTICS=1`; whoever runs the club runs the server.

    python clickhouse_server.py FOLDER ADDRESS:PORT URL_FILE

Port 0 takes a free one. What it stores is in FOLDER, and is there again when it starts anew.
"""

import re
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.block

FOLDER, LISTEN, URL_FILE = sys.argv[1:]
# Of the interface, not settings of the engine.
OWN = {"query", "database", "default_format", "compress", "decompress", "user", "password", "query_id", "role"}
INSERT = re.compile(r"\s*(insert\s+into\s.*?)\s+format\s+(\w+)\s*;?\s*\Z", re.IGNORECASE | re.DOTALL)
LZ4, CHECKSUM, FRAME = 0x82, 16, 9


def quoted(text, mark):
    escaped = text.replace("\\", "\\\\").replace(mark, "\\" + mark)
    return mark + escaped + mark


def decompressed(body):
    """The frames' content: a checksum, the method, both sizes, and the block."""
    out, at = [], 0
    while at < len(body):
        head = body[at + CHECKSUM : at + CHECKSUM + FRAME]
        if len(head) < FRAME or head[0] != LZ4:
            raise ValueError("Code: 36. DB::Exception: not an LZ4 frame")
        packed, plain = (int.from_bytes(head[n : n + 4], "little") for n in (1, 5))
        out.append(lz4.block.decompress(body[at + CHECKSUM + FRAME : at + CHECKSUM + packed], uncompressed_size=plain))
        at += CHECKSUM + packed
    return b"".join(out)


def run(parameters, body):
    """Does what was asked, on a connection of its own, and answers what the engine answers."""
    connection = chdb.connect(FOLDER)
    try:
        if database := parameters.get("database"):
            connection.query("use " + quoted(database, "`"))
        for name, value in parameters.items():
            if name not in OWN:
                connection.query(f"set {quoted(name, '`')} = {quoted(value, chr(39))}")
        statement = parameters.get("query")
        insert = INSERT.match(statement) if statement else None
        if insert:
            # By way of a file: chdb's streaming insert says that rows are in which the engine has refused.
            with tempfile.NamedTemporaryFile() as rows:
                rows.write(body)
                rows.flush()
                connection.query(f"{insert[1]} from infile {quoted(rows.name, chr(39))} format {insert[2]}")
            return b""
        statement = statement or body.decode()
        return connection.query(statement, parameters.get("default_format", "TabSeparated")).bytes()
    finally:
        connection.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def body(self):
        """All of it, or nothing is done: who is gone in the middle has inserted nothing."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.exactly(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.exactly(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def exactly(self, size):
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionError("the body ends early")
        return data

    def respond(self, status, body, code=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        try:
            body = self.body()
        except (ConnectionError, ValueError):
            self.close_connection = True
            return
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        try:
            if parameters.get("decompress") == "1":
                body = decompressed(body)
            answer = run(parameters, body)
        except Exception as error:  # whatever the engine says is told, as the server tells it
            said = re.search(r"Code: (\d+)\..*", str(error), re.DOTALL)
            text = said[0] if said else f"Code: 1000. DB::Exception: {error}"
            return self.respond(500, text.encode(), said[1] if said else "1000")
        self.respond(200, answer)

    def do_GET(self):
        if urlsplit(self.path).path in ("/ping", "/"):
            return self.respond(200, b"Ok.\n")
        self.respond(404, b"There is no handle\n")

    def log_message(self, *_):
        pass


def main():
    keeps_the_engine_open = chdb.connect(FOLDER)
    host, port = LISTEN.rsplit(":", 1)
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # who is gone is no news
    Path(URL_FILE).write_text(f"http://{host}:{server.server_port}")
    try:
        server.serve_forever()
    finally:
        keeps_the_engine_open.close()


main()
