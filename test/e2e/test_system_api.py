"""The System API as an operator and the services of a node use it."""
import base64
import hashlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import stat
import struct
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import quote

from harness import (Folder, PROGRAM, Process, case, free_port, is_listening, main, need, request,
                     run, wait_until)

CONFIG = """
[general]
listen_addr = "127.0.0.1:{port}"
pipe_file = "state/events.fifo"
log_max_entries = {entries}
events_path = "state/events.jsonl"
basic_auth_secret_path = "state/basic-auth-hash"
basic_auth_secret_salt = "salt"
tls_enabled = true
tls_create_if_missing = true
tls_cert_hosts = ["127.0.0.1", "localhost"]
tls_cert_path = "state/cert.pem"
tls_key_path = "state/key.pem"
{extra}
[actions]
echo_test = "echo done > {folder}/ran"
fails = ["sh", "-c", "echo broken >&2; exit 3"]
slow = ["sleep", "{slow}"]
{actions}
[file_uploads]
plain = "{folder}/uploads/plain"
small = {{path = "{folder}/uploads/small", max_bytes = 10, mode = "0640"}}
checked = {{path = "{folder}/uploads/checked", validator = ["grep", "-q", "good", "{{}}"]}}
"""


class Api:
    """A System API in a folder of its own."""

    def __init__(self, folder, entries=1000, extra="", actions="", slow="1", flags=()):
        self.folder, self.port = folder, free_port()
        (folder / "uploads").mkdir(exist_ok=True)
        self.config = folder / "config.toml"
        self.write(entries, extra, actions, slow)
        self.flags = flags
        self.process = None

    def write(self, entries=1000, extra="", actions="", slow="1"):
        self.config.write_text(CONFIG.format(port=self.port, folder=self.folder, entries=entries,
                                             extra=extra, actions=actions, slow=slow))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.process.__exit__()

    def start(self):
        self.process = Process(PROGRAM, "system-api", "--config", self.config, *self.flags,
                               cwd=self.folder, log=self.folder / "log")
        wait_until(lambda: is_listening(self.port) or not self.process.running(),
                   message="does not listen")
        assert self.process.running(), self.process.logged()

    def call(self, method, path, body=None, auth=None, headers=None):
        headers = dict(headers or {})
        if auth:
            headers["Authorization"] = "Basic " + base64.b64encode(auth.encode()).decode()
        return request(self.port, method, path, body, headers)

    def status(self, *args, **named):
        return self.call(*args, **named)[0]


def message(body):
    return json.loads(body)["message"]


@case
def every_row_of_the_endpoint_table():
    with Folder() as folder, Api(folder) as api:
        for path in ("/", "/livez"):
            assert api.call("GET", path)[::2] == (200, b'{"status":"ok"}\n')
        status, headers, body = api.call("GET", "/api/v1/new_event?message=a+%3Cb%3E")
        assert (status, body, headers.get("content-type")) == (200, b"", None)
        assert api.status("GET", "/api/v1/new_event") == 200
        status, headers, body = api.call("GET", "/api/v1/events")
        assert status == 200 and headers["content-type"] == "application/json"
        assert b"a \\u003cb\\u003e" in body and body.endswith(b"]\n")
        assert [e["message"] for e in json.loads(body)] == ["a <b>", ""]
        for path in ("/logs", "/api/v1/events?format=text"):
            status, headers, body = api.call("GET", path)
            assert status == 200 and headers["content-type"] == "text/plain"
            assert body.splitlines()[0].endswith(b"Z \t a <b>")
        assert api.call("GET", "/api/v1/actions/echo_test")[::2] == (
            200, b'{"message":"Action executed successfully"}\n')
        assert (folder / "ran").read_text() == "done\n"
        status, _, body = api.call("GET", "/api/v1/actions/fails")
        assert status == 500
        assert message(body) == "Failed to execute action: fails - error: exit status 3"
        status, _, body = api.call("GET", "/api/v1/actions/none")
        assert (status, message(body)) == (400, "Specified action not configured")
        status, _, body = api.call("POST", "/api/v1/file-upload/plain", b"content")
        assert status == 200
        assert body == (f'{{"file":"{folder}/uploads/plain","message":"File uploaded '
                        'successfully","size_bytes":"7"}\n').encode()
        status, _, body = api.call("POST", "/api/v1/file-upload/none", b"x")
        assert (status, message(body)) == (400, "Specified file upload not configured")
        status, headers, body = api.call("GET", "/nowhere")
        assert (status, body) == (404, b"404 page not found\n")
        assert headers["content-type"] == "text/plain; charset=utf-8"
        for path in ("/livez/", "/api/v1/actions/a/b", "/debug/pprof", "/api/v1/events/"):
            assert api.status("GET", path) == 404, path
        for method, path, allow in (("POST", "/livez", "GET"), ("HEAD", "/livez", "GET"),
                                    ("GET", "/api/v1/set-basic-auth", "POST"),
                                    ("PUT", "/api/v1/file-upload/plain", "POST"),
                                    ("POST", "/api/v1/actions/echo_test", "GET"),
                                    ("DELETE", "/api/v1/events", "GET")):
            status, headers, body = api.call(method, path, b"" if method != "HEAD" else None)
            assert (status, headers.get("allow"), body) == (405, allow, b""), (method, path, status)
        status, _, body = api.call("POST", "/api/v1/set-basic-auth", b"secret")
        assert (status, body) == (200, b'{"message":"Basic auth secret updated"}\n')
        status, headers, body = api.call("GET", "/livez")
        assert status == 401
        assert headers["www-authenticate"] == 'Basic realm="system-api"'
        assert body == b'{"code":401,"message":"Unauthorized"}\n'


@case
def curl_gets_the_same_over_both_versions_of_http():
    curl = need("curl")
    with Folder() as folder, Api(folder) as api:
        for version, number in (("--http1.1", "1.1"), ("--http2", "2")):
            r = run(curl, "-sk", version, "-w", "%{http_version} %{http_code}",
                    "--cacert", folder / "state/cert.pem", f"https://localhost:{api.port}/livez")
            assert r.stdout == '{"status":"ok"}\n' + f"{number} 200", r
            r = run(curl, "-s", version, "--cacert", folder / "state/cert.pem", "--data-binary",
                    "@" + str(PROGRAM), "-o", "/dev/null", "-w", "%{http_code}",
                    f"https://localhost:{api.port}/api/v1/file-upload/plain")
            assert r.stdout == "200", r
            assert (folder / "uploads/plain").read_bytes() == PROGRAM.read_bytes()


@case
def curl_gets_refusals_that_come_before_its_body_is_sent():
    curl = need("curl")
    with Folder() as folder, Api(folder) as api:
        assert api.status("POST", "/api/v1/set-basic-auth", b"secret") == 200
        for version in ("--http1.1", "--http2"):
            for _ in range(10):
                r = run(curl, "-s", version, "--cacert", folder / "state/cert.pem", "--data-binary",
                        "@" + str(PROGRAM), "-o", "/dev/null", "-w", "%{http_code}",
                        f"https://localhost:{api.port}/api/v1/file-upload/plain")
                assert r.stdout == "401", r


@case
def basic_authentication_from_open_to_closed():
    with Folder() as folder, Api(folder) as api:
        assert api.status("GET", "/livez", auth="admin:wrong") == 200  # open: anything passes
        assert api.status("POST", "/api/v1/set-basic-auth", b"pass:word") == 200
        assert api.status("GET", "/livez", auth="admin:pass:word") == 200
        assert api.status("GET", "/livez", auth="root:pass:word") == 401
        assert api.status("GET", "/livez", auth="admin:pass") == 401
        assert api.status("GET", "/nowhere") == 401
        assert api.status("POST", "/livez", b"") == 401
        assert api.status("POST", "/api/v1/file-upload/plain", b"x" * 100000) == 401
        stored = (folder / "state/basic-auth-hash").read_text()
        assert stored.startswith("scrypt$")
        assert stat.S_IMODE(os.stat(folder / "state/basic-auth-hash").st_mode) == 0o600
        log = (folder / "log").read_text()
        assert "pass:word" not in log and stored not in log
        assert stored not in api.call("GET", "/logs", auth="admin:pass:word")[2].decode()
        # A changed password holds at once, also after a restart.
        assert api.status("POST", "/api/v1/set-basic-auth", b"new", auth="admin:pass:word") == 200
        assert api.status("GET", "/livez", auth="admin:pass:word") == 401
        api.process.__exit__()
        api.start()
        assert api.status("GET", "/livez", auth="admin:new") == 200


@case
def the_old_hash_is_accepted_and_upgraded():
    with Folder() as folder:
        api = Api(folder)
        (folder / "state").mkdir()
        (folder / "state/basic-auth-hash").write_text(
            "f84fa2149dbb62ed4e0cf1f550d2949b33a6513d3a7707e08502511c79ccb0ee")
        with api:
            assert api.status("GET", "/livez", auth="admin:other") == 401
            assert api.status("GET", "/livez", auth="admin:secret") == 200
            assert (folder / "state/basic-auth-hash").read_text().startswith("scrypt$")
            assert api.status("GET", "/livez", auth="admin:secret") == 200


@case
def guessing_is_slowed_down():
    with Folder() as folder, Api(folder, extra='basic_auth_first_password = "right"') as api:
        assert api.status("GET", "/livez") == 401  # never open
        seen = [api.call("GET", "/livez", auth=f"admin:{i}")[:2] for i in range(8)]
        assert [s for s, _ in seen[:5]] == [401] * 5
        assert seen[-1][0] == 429 and int(seen[-1][1]["retry-after"]) >= 1
        # Who waits learns nothing, also after the right password was used.
        wait_until(lambda: api.status("GET", "/livez", auth="admin:right") == 200)
        for i in range(6):
            api.status("GET", "/livez", auth=f"admin:{i}")
        assert api.status("GET", "/livez", auth="admin:right") == 429


def at_once(calls):
    """What the calls give when they begin at the same moment, each in a thread of its own."""
    answers, start = [], threading.Barrier(len(calls))

    def ask(call):
        start.wait()
        answers.append(call())
    threads = [threading.Thread(target=ask, args=(call,)) for call in calls]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(answers) == len(calls)
    return answers


@case
def guessing_at_once_is_slowed_down_as_well():
    with Folder() as folder, Api(folder, extra='basic_auth_first_password = "right"') as api:
        began = time.monotonic()
        seen = at_once([lambda i=i: api.status("GET", "/livez", auth=f"admin:{i}")
                        for i in range(40)])
        later = int(time.monotonic() - began)  # one that waited a second may try
        assert set(seen) == {401, 429} and seen.count(401) <= 5 + later, seen


@case
def of_first_passwords_set_at_once_one_is_taken():
    with Folder() as folder, Api(folder) as api:
        def put(password):
            return api.status("POST", "/api/v1/set-basic-auth", password.encode()), password
        seen = at_once([lambda i=i: put(f"mine{i}") for i in range(6)])
        taken = [password for status, password in seen if status == 200]
        assert len(taken) == 1 and {s for s, _ in seen} <= {200, 401, 409}, seen
        assert api.status("GET", "/livez", auth="admin:" + taken[0]) == 200


@case
def metrics_count_what_became_of_things():
    def counts(api, auth):
        text = api.call("GET", "/metrics", auth=auth)[2].decode()
        found = re.findall(r'^system_api_(\w+)_total\{outcome="(\w+)"\} (\d+)$', text, re.M)
        return {f"{name} {outcome}": int(n) for name, outcome, n in found}

    with Folder() as folder, Api(folder, extra='basic_auth_first_password = "right"',
                                 slow="2") as api:
        auth = "admin:right"
        assert counts(api, auth) == {
            "logins good": 1, "logins failed": 0, "logins waiting": 0, "actions succeeded": 0,
            "actions failed": 0, "actions timed_out": 0, "actions refused": 0, "uploads stored": 0,
            "uploads refused": 0, "uploads failed": 0, "events kept": 0, "events failed": 0}
        for path in ("echo_test", "fails", "slow?wait=false", "slow"):
            api.call("GET", "/api/v1/actions/" + path, auth=auth)
        for content in (b"0123456789", b"0123456789A"):
            api.call("POST", "/api/v1/file-upload/small", content, auth=auth)
        api.call("GET", "/api/v1/new_event?message=a", auth=auth)
        (folder / "uploads/plain").mkdir()  # a file cannot take its place
        assert api.status("POST", "/api/v1/file-upload/plain", b"x", auth=auth) == 500
        wait_until(lambda: counts(api, auth)["actions succeeded"] == 2)  # slow ended, too
        events = len(json.loads(api.call("GET", "/api/v1/events", auth=auth)[2]))
        before = counts(api, auth)["logins good"]
        told = [api.status("GET", "/livez", auth=f"admin:{i}") for i in range(7)]
        wait_until(lambda: counts(api, auth))
        seen = counts(api, auth)
        assert seen.pop("logins good") >= before + 2
        assert seen.pop("logins waiting") >= told.count(429) > 0
        assert seen == {
            "logins failed": told.count(401), "actions succeeded": 2, "actions failed": 1,
            "actions timed_out": 0, "actions refused": 1, "uploads stored": 1,
            "uploads refused": 1, "uploads failed": 1, "events kept": events, "events failed": 0}


@case
def fifo_lines_become_events_and_none_is_lost():
    with Folder() as folder, Api(folder) as api:
        fifo = folder / "state/events.fifo"
        assert stat.S_ISFIFO(os.stat(fifo).st_mode)
        for i in range(3):  # writers come and go
            with open(fifo, "w", encoding="utf-8") as f:
                f.write(f"line {i}\nsecond {i}\nlast without newline {i}")
            wait_until(lambda i=i: f"last without newline {i}" in
                       api.call("GET", "/logs")[2].decode())
        lines = api.call("GET", "/logs")[2].decode().splitlines()
        assert [line.split(" \t ")[1] for line in lines] == [
            t for i in range(3) for t in (f"line {i}", f"second {i}", f"last without newline {i}")]
        # Nobody writes: nothing spins.
        before = sum(os.times()[:0]) or cpu_seconds(api.process.pid)
        time.sleep(1)
        assert cpu_seconds(api.process.pid) - before < 0.1


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@case
def events_outlive_restarts_and_kills():
    with Folder() as folder, Api(folder, entries=5) as api:
        for i in range(7):
            assert api.status("GET", f"/api/v1/new_event?message=e{i}") == 200
        os.kill(api.process.pid, signal.SIGKILL)
        api.process.wait()
        api.start()
        events = json.loads(api.call("GET", "/api/v1/events?since=0")[2])
        assert [(e["id"], e["message"]) for e in events] == [(i + 1, f"e{i}") for i in range(2, 7)]
        events = json.loads(api.call("GET", "/api/v1/events?since=6")[2])
        assert [e["id"] for e in events] == [7]
        assert api.status("GET", "/api/v1/events?since=x") == 400


@case
def events_can_be_followed():
    curl = need("curl")
    with Folder() as folder, Api(folder) as api:
        api.call("GET", "/api/v1/new_event?message=before")
        with Process(curl, "-skN", f"https://127.0.0.1:{api.port}/api/v1/events?follow=1",
                     log=folder / "stream") as follower:
            wait_until(lambda: "before" in follower.logged())
            api.call("GET", "/api/v1/new_event?message=after")
            wait_until(lambda: "after" in follower.logged())
            lines = [line for line in follower.logged().splitlines() if line.startswith("id: ")]
            assert lines == ["id: 1", "id: 2"]
        # Who comes back with an id of a log that began anew gets all of the new one.
        with Process(curl, "-skN", "-H", "Last-Event-ID: 999",
                     f"https://127.0.0.1:{api.port}/api/v1/events?follow=1",
                     log=folder / "stream") as follower:
            wait_until(lambda: "before" in follower.logged())
            api.process.signal(signal.SIGTERM)  # the stream ends, the drain does not wait
            assert api.process.wait(5) == 0


@case
def actions_can_be_left_to_run():
    with Folder() as folder, Api(folder, slow="0.5") as api:
        status, _, body = api.call("GET", "/api/v1/actions/slow?wait=false")
        started = json.loads(body)
        assert status == 202 and started["state"] == "running"
        assert api.status("GET", "/api/v1/actions/slow") == 409
        ended = wait_until(lambda: (lambda r: r if r["state"] != "running" else None)(
            json.loads(api.call("GET", "/api/v1/actions/" + started["id"])[2])))
        assert ended["state"] == "succeeded" and ended["exit_status"] == 0
        status, _, body = api.call("GET", "/api/v1/actions/fails?wait=false")
        run_id = json.loads(body)["id"]
        ended = wait_until(lambda: (lambda r: r if r["state"] != "running" else None)(
            json.loads(api.call("GET", "/api/v1/actions/" + run_id)[2])))
        assert (ended["state"], ended["exit_status"], ended["stderr"]) == ("failed", 3, "broken\n")
        names = [a["name"] for a in json.loads(api.call("GET", "/api/v1/actions")[2])]
        assert names == ["echo_test", "fails", "slow"]


@case
def stopping_twice_ends_what_waits():
    with Folder() as folder, Api(folder, extra='basic_auth_first_password = "right"',
                                 slow="30") as api:
        assert api.status("GET", "/livez", auth="admin:right") == 200
        seen = []

        def ask(path, auth):
            try:
                seen.append(api.status("GET", path, auth=auth))
            except (OSError, http.client.HTTPException) as e:
                seen.append(e)
        waiting = [threading.Thread(target=ask, args=("/api/v1/actions/slow", "admin:right"))]
        waiting += [threading.Thread(target=ask, args=("/livez", f"admin:{i}")) for i in range(4)]
        for t in waiting:
            t.start()
        wait_until(lambda: "executing action: slow" in api.call(
            "GET", "/logs", auth="admin:right")[2].decode())
        for _ in range(2):
            api.process.signal(signal.SIGTERM)
            time.sleep(0.05)
        assert api.process.wait(10) == 0
        for t in waiting:
            t.join()
        assert len(seen) == 5


@case
def what_the_server_refuses_has_the_form_of_every_error():
    with Folder() as folder, Api(folder) as api:
        for version in ("--http1.1", "--http2"):
            for status, words in ((413, ["--data-binary", "a" * 4097, "/api/v1/set-basic-auth"]),
                                  (413, ["-H", "Transfer-Encoding: chunked", "--data-binary",
                                         "a" * 4097, "/api/v1/set-basic-auth"]),
                                  (400, ["/%zz"])):
                r = run("curl", "-sk", version, "-w", "%{http_code} %{content_type}", "--path-as-is",
                        *words[:-1], f"https://127.0.0.1:{api.port}{words[-1]}")
                body, _, rest = r.stdout.partition("\n")
                assert rest == f"{status} application/json", (version, words[-1], r)
                assert json.loads(body)["code"] == status and message(body), body


@case
def uploads_are_whole_or_nothing():
    with Folder() as folder, Api(folder) as api:
        small = folder / "uploads/small"
        assert api.status("POST", "/api/v1/file-upload/small", b"0123456789") == 200
        assert stat.S_IMODE(os.stat(small).st_mode) == 0o640
        assert api.status("POST", "/api/v1/file-upload/small", b"0123456789A") == 413
        assert small.read_bytes() == b"0123456789"
        assert api.status("POST", "/api/v1/file-upload/checked", b"all good here") == 200
        status, _, body = api.call("POST", "/api/v1/file-upload/checked", b"all bad here")
        assert status == 422 and "Validator" in message(body)
        assert (folder / "uploads/checked").read_bytes() == b"all good here"
        # A client that leaves in the middle changes nothing.
        import socket
        import ssl
        context = ssl._create_unverified_context()
        with socket.create_connection(("127.0.0.1", api.port)) as raw:
            with context.wrap_socket(raw) as s:
                s.sendall(b"POST /api/v1/file-upload/small HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Length: 9\r\n\r\nhalf")
                time.sleep(0.2)
        wait_until(lambda: "client is gone" in api.call("GET", "/logs")[2].decode())
        assert small.read_bytes() == b"0123456789"
        # Nor does one whose body is malformed.
        with socket.create_connection(("127.0.0.1", api.port)) as raw:
            with context.wrap_socket(raw) as s:
                s.sendall(b"POST /api/v1/file-upload/small HTTP/1.1\r\nHost: x\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nno chunk\r\n")
                assert s.recv(4096).startswith(b"HTTP/1.1 400")
        assert small.read_bytes() == b"0123456789"
        assert sorted(p.name for p in (folder / "uploads").iterdir()) == ["checked", "small"]
        assert api.status("POST", "/api/v1/file-upload/plain", b"") == 200
        assert (folder / "uploads/plain").read_bytes() == b""


@case
def an_upload_that_a_kill_cut_off_leaves_no_file():
    with Folder() as folder, Api(folder) as api:
        with socket.create_connection(("127.0.0.1", api.port)) as raw:
            with ssl._create_unverified_context().wrap_socket(raw) as s:
                s.sendall(b"POST /api/v1/file-upload/small HTTP/1.1\r\nHost: x\r\n"
                          b"Content-Length: 9\r\n\r\nhalf")
                wait_until(lambda: list((folder / "uploads").glob("small.upload-*")))
                api.process.signal(signal.SIGKILL)
                api.process.wait()
        (folder / "uploads/small.upload-of-mine").write_text("kept")
        api.start()
        assert [p.name for p in (folder / "uploads").iterdir()] == ["small.upload-of-mine"]


@case
def validators_find_files_of_relative_paths():
    extra = 'relative = {path = "uploads/relative", validator = ["grep", "-q", "good", "{}"]}'
    with Folder() as folder:
        api = Api(folder)
        api.config.write_text(api.config.read_text() + extra + "\n")
        with api:
            assert api.status("POST", "/api/v1/file-upload/relative", b"all good") == 200
            assert api.status("POST", "/api/v1/file-upload/relative", b"all bad") == 422
            assert (folder / "uploads/relative").read_bytes() == b"all good"


@case
def reloads_leave_nothing_behind_that_ends_badly():
    with Folder() as folder, Api(folder, extra='basic_auth_first_password = "right"') as api:
        for _ in range(5):
            api.process.signal(signal.SIGHUP)
            assert api.status("GET", "/livez", auth="admin:right") == 200
        wait_until(lambda: "configuration_reloaded" in (folder / "log").read_text(),
                   message="does not reload")
        api.process.signal(signal.SIGTERM)
        assert api.process.wait() == 0


@case
def a_reload_reads_again_what_is_outside_of_its_folders():
    openssl = need("openssl")
    with Folder() as folder:
        for name in ("kept", "live", "secrets"):
            (folder / name).mkdir()
        for n in (1, 2):  # as clients of an ACME server keep them
            run(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-days", "90", "-subj", f"/CN=number{n}", "-keyout",
                folder / f"kept/key{n}.pem", "-out", folder / f"kept/cert{n}.pem")

        def use(n):
            for name in ("cert", "key"):
                (folder / "next").symlink_to(f"../kept/{name}{n}.pem")
                (folder / "next").rename(folder / f"live/{name}.pem")
        use(1)
        (folder / "secrets/first").write_text("right")
        (folder / "secrets/first").chmod(0o600)
        api = Api(folder, extra=f'basic_auth_first_password = "file:{folder}/secrets/first"')
        api.config.write_text(api.config.read_text().replace("state/cert.pem", "live/cert.pem")
                              .replace("state/key.pem", "live/key.pem"))
        with api:
            assert api.status("GET", "/livez", auth="admin:right") == 200
            use(2)
            api.process.signal(signal.SIGHUP)
            wait_until(lambda: re.search("configuration_re(loaded|fused)",
                                         (folder / "log").read_text()))
            assert "configuration_reloaded" in (folder / "log").read_text(), api.process.logged()
            served = ssl.get_server_certificate(("127.0.0.1", api.port))
            assert served == (folder / "kept/cert2.pem").read_text(), api.process.logged()


@case
def what_needs_a_restart_stays_as_it_was_after_a_reload():
    with Folder() as folder, Api(folder, extra='basic_auth_first_password = "right"') as api:
        text = api.config.read_text().replace("state/basic-auth-hash", "state/another-hash")
        text = text.replace("tls_enabled = true", "tls_enabled = false")
        api.config.write_text(text)
        api.process.signal(signal.SIGHUP)
        wait_until(lambda: "configuration_reloaded" in (folder / "log").read_text())
        assert api.status("GET", "/livez") == 401
        assert api.status("GET", "/livez", auth="admin:right") == 200
        assert not (folder / "state/another-hash").exists()
        assert "log-max-entries" not in (folder / "log").read_text()


@case
def a_password_file_that_goes_leaves_the_first_password():
    with Folder() as folder, Api(folder, extra='basic_auth_first_password = "right"') as api:
        assert api.status("POST", "/api/v1/set-basic-auth", b"new", auth="admin:right") == 200
        (folder / "state/basic-auth-hash").unlink()
        api.process.signal(signal.SIGHUP)
        wait_until(lambda: "configuration_reloaded" in (folder / "log").read_text())
        assert api.status("GET", "/livez") == 401
        assert api.status("GET", "/livez", auth="admin:new") == 401
        assert api.status("GET", "/livez", auth="admin:right") == 200


def counted(path, word):
    """How often a word stands in a file, and the file's first byte and last two. By the piece: what
    this process holds counts as memory of those that it starts later."""
    found, first, before = 0, b"", b""
    with open(path, "rb") as f:
        while piece := f.read(1 << 16):
            text = before + piece
            first = first or piece[:1]
            found += text.count(word) - before.count(word)
            before = text[-max(len(word) - 1, 2):]
    return found, (first, before[-2:])


@case
def long_lists_of_events_cost_memory_by_the_piece():
    curl = need("curl")

    def memory(api):
        with open(f"/proc/{api.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])

    with Folder() as folder, Api(folder, entries=10000) as api:
        with open(folder / "state/events.fifo", "wb") as f:
            for i in range(1000):
                f.write(b"%d " % i + b"\x01" * 4000 + b"\n")
        wait_until(lambda: json.loads(api.call("GET", "/api/v1/events?since=999")[2]))
        # None of them reads more than its first bytes, of 24 MB; meanwhile others are answered.
        before = memory(api)
        slow = []
        for _ in range(8):
            s = ssl._create_unverified_context().wrap_socket(
                socket.create_connection(("127.0.0.1", api.port)))
            s.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            assert s.recv(12) == b"HTTP/1.1 200"
            slow.append(s)
        assert api.status("GET", "/livez") == 200
        assert memory(api) < before + 32 * 1024, (before, memory(api))  # KiB
        for s in slow:
            s.close()
        # One that does read gets all of it, in every form.
        for version in (("--http1.0", "--no-alpn"), ("--http1.1",), ("--http2",)):
            for path, word, n in (("api/v1/events", b'{"received_at"', 1000), ("logs", b"\n", 1000),
                                  ("api/v1/events?since=900", b'{"id":', 100)):
                r = run(curl, "-sS", *version, "--cacert", folder / "state/cert.pem", "-o",
                        folder / "list", f"https://localhost:{api.port}/{path}")
                assert r.returncode == 0, r
                found, ends = counted(folder / "list", word)
                assert found == n, (version, path, found)
                assert path == "logs" or ends == (b"[", b"]\n"), (version, path, ends)


@case
def refused_uploads_leave_nothing_in_memory():
    with Folder() as folder, Api(folder, extra='basic_auth_first_password = "right"') as api:
        def ask(times):
            c = http.client.HTTPSConnection("127.0.0.1", api.port, timeout=20,
                                            context=ssl._create_unverified_context())
            for _ in range(times):
                c.request("POST", "/api/v1/file-upload/plain", b"")
                r = c.getresponse()
                assert r.status == 401 and r.read()
            c.close()
            with open(f"/proc/{api.process.pid}/status", encoding="ascii") as f:
                return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
        before = ask(500)
        assert ask(4000) < before + 2048  # KiB


@case
def browsers_of_other_sites_change_nothing():
    with Folder() as folder, Api(folder) as api:
        for method, path in (("GET", "/api/v1/actions/echo_test"),
                             ("POST", "/api/v1/file-upload/plain"),
                             ("POST", "/api/v1/set-basic-auth")):
            assert api.status(method, path, b"x", headers={"Sec-Fetch-Site": "cross-site"}) == 403
        assert not (folder / "ran").exists() and not (folder / "uploads/plain").exists()


@case
def a_client_that_leaves_while_its_password_is_checked_harms_nothing():
    with Folder() as folder, Api(folder, extra='basic_auth_first_password = "right"') as api:
        basic = base64.b64encode(b"admin:right").decode()
        for request_line in ("GET /api/v1/actions/echo_test", "POST /api/v1/file-upload/plain"):
            api.process.signal(signal.SIGHUP)
            with socket.create_connection(("127.0.0.1", api.port)) as raw:
                with ssl._create_unverified_context().wrap_socket(raw) as s:
                    s.sendall(f"{request_line} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                              f"Authorization: Basic {basic}\r\n\r\n".encode())
            time.sleep(0.3)
            api.process.__exit__()  # what matched is remembered: begin anew
            api.start()
        assert not (folder / "ran").exists() and not (folder / "uploads/plain").exists()
        assert api.status("GET", "/livez", auth="admin:right") == 200


@case
def http2_bodies_that_stop_coming_are_cut_off():
    def frame(kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    path = b"/api/v1/set-basic-auth"
    head = b"\x83\x87\x01\x01x\x04" + bytes([len(path)]) + path  # POST https, nobody's password
    with Folder() as folder, Api(folder, extra="http_read_timeout_ms = 300") as api:
        tls = ssl._create_unverified_context()
        tls.set_alpn_protocols(["h2"])
        with tls.wrap_socket(socket.create_connection(("127.0.0.1", api.port), 10)) as s:
            s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) +
                      frame(1, 4, 1, head) + frame(0, 0, 1, b"abc"))
            got = b""
            while struct.pack(">BBI", 3, 0, 1) not in got:  # RST_STREAM of the stalled one
                more = s.recv(4096)
                assert more, "closed without a reset"
                got += more


@case
def flags_override_and_a_bind_failure_ends_the_process():
    with Folder() as folder:
        port = free_port()
        with Api(folder) as api:
            r = run(PROGRAM, "system-api", "--config", api.config, cwd=folder, timeout=20)
            assert r.returncode != 0 and "in use" in r.stderr, r
        api.flags = ("--listen-addr", f"127.0.0.1:{port}")
        api.port = port
        with api:
            assert api.status("GET", "/livez") == 200


@case
def configuration_reloads_and_a_bad_one_is_refused():
    with Folder() as folder, Api(folder) as api:
        assert api.status("GET", "/api/v1/actions/fresh") == 400
        api.write(actions='fresh = ["true"]')
        api.process.signal(signal.SIGHUP)
        wait_until(lambda: api.status("GET", "/api/v1/actions/fresh") == 200)
        api.config.write_text("[actions]\nbroken = 1\n")
        api.process.signal(signal.SIGHUP)
        wait_until(lambda: "refused" in api.call("GET", "/logs")[2].decode())
        assert api.status("GET", "/api/v1/actions/fresh") == 200


@case
def certificates_reload_without_dropping_connections():
    openssl = need("openssl")
    with Folder() as folder, Api(folder) as api:
        def fingerprint():
            p = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{api.port}"],
                               input=b"", capture_output=True, timeout=20, check=False)
            r = subprocess.run([openssl, "x509", "-noout", "-fingerprint", "-sha256"],
                               input=p.stdout, capture_output=True, timeout=20, check=False)
            return r.stdout
        before = fingerprint()
        text = run(openssl, "x509", "-noout", "-text", "-in", folder / "state/cert.pem").stdout
        for expected in ("O = Acme", "DNS:localhost", "IP Address:127.0.0.1", "CA:TRUE",
                         "TLS Web Server Authentication", "Digital Signature, Certificate Sign"):
            assert expected in text, expected
        for name in ("cert.pem", "key.pem"):
            assert stat.S_IMODE(os.stat(folder / "state" / name).st_mode) == 0o600
        r = run(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-subj", "/O=Other", "-keyout", folder / "state/key.pem", "-out",
                folder / "state/cert.pem", "-days", "10")
        assert r.returncode == 0, r.stderr
        api.process.signal(signal.SIGHUP)
        wait_until(lambda: fingerprint() != before)


@case
def a_missing_upload_folder_does_not_end_the_api():
    with Folder() as folder:
        api = Api(folder)
        (folder / "uploads").rmdir()
        with api:
            status, _, body = api.call("POST", "/api/v1/file-upload/plain", b"x")
            assert (status, message(body)) == (500, "Failed to write content to file")
            assert "upload_folder_missing" in (folder / "log").read_text()


@case
def one_certificate_file_of_two_fails_the_start():
    with Folder() as folder:
        api = Api(folder)
        (folder / "state").mkdir()
        (folder / "state/cert.pem").write_text("x")
        r = run(PROGRAM, "system-api", "--config", api.config, cwd=folder, timeout=20)
        assert r.returncode == 1 and "both are required" in r.stderr, r


@case
def a_start_that_was_cut_off_between_key_and_certificate_is_made_up_for():
    openssl = need("openssl")
    with Folder() as folder:
        api = Api(folder)
        with api:
            assert api.status("GET", "/livez") == 200
        (folder / "state/cert.pem").unlink()  # as at the first start
        with api:
            assert api.status("GET", "/livez") == 200
        # As at a renewal: the key is new, the certificate still the old one.
        r = run(openssl, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                folder / "state/key.pem")
        assert r.returncode == 0, r.stderr
        with api:
            assert api.status("GET", "/livez") == 200


@case
def the_network_process_is_sandboxed():
    with Folder() as folder, Api(folder) as api:
        assert api.status("GET", "/livez") == 200  # it answers only once it is sandboxed
        status = open(f"/proc/{api.process.pid}/status", encoding="ascii").read()
        assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
        children = open(f"/proc/{api.process.pid}/task/{api.process.pid}/children",
                        encoding="ascii").read().split()
        assert len(children) == 1  # the runner
        status = open(f"/proc/{children[0]}/status", encoding="ascii").read()
        assert "Seccomp:\t0" in status


@case
def the_operators_command_line():
    with Folder() as folder, Api(folder) as api:
        env = dict(os.environ, SYSTEM_API_URL=f"https://127.0.0.1:{api.port}",
                   SYSTEM_API_PIN=str(folder / "state/cert.pem"))

        def tool(*words, **options):
            return run(PROGRAM, "system-api", *words, env=env, cwd=folder, **options)
        r = tool("set-password", input="open sesame\n")
        assert (r.returncode, r.stdout) == (0, "Basic auth secret updated\n"), r
        r = tool("call", "echo_test")
        assert r.returncode == 1 and "401" in r.stderr, r
        env["SYSTEM_API_PASSWORD"] = "open sesame"
        r = run("sh", "-c", f"(printf open; sleep 0.3; echo ' barley') | {PROGRAM} system-api "
                "set-password", env=env, cwd=folder)
        assert r.returncode == 0, r
        env["SYSTEM_API_PASSWORD"] = "open barley"
        r = tool("set-password", input="a" * 4097)
        assert r.returncode == 2 and "4096" in r.stderr, r
        r = tool("set-password", input="open sesame\n")
        assert r.returncode == 0, r
        env["SYSTEM_API_PASSWORD"] = "open sesame"
        r = tool("call", "echo_test")
        assert (r.returncode, r.stdout) == (0, "Action executed successfully\n"), r
        r = tool("call", "fails")
        assert r.returncode == 1 and "exit status 3" in r.stderr, r
        r = tool("call", "fails", "--wait=false")
        assert r.returncode == 0 and json.loads(r.stdout)["state"] == "running", r
        (folder / "local").write_text("some good file")
        r = tool("upload", "checked", folder / "local")
        assert (r.returncode, r.stdout) == (0, "File uploaded successfully\n"), r
        r = tool("events")
        assert r.returncode == 0 and "file upload success: checked" in r.stdout, r
        # What anybody may write neither rules the terminal nor speaks as another event.
        text = "a\x1b[2J\tb\r\n2026 \t forged\x7f\u009b31m\u00fc\\"
        assert api.status("GET", "/api/v1/new_event?message=" + quote(text),
                          auth="admin:open sesame") == 200
        shown = "a\\u001b[2J\tb\\u000d\\n2026 \t forged\\u007f\\u009b31m\u00fc\\"
        r = tool("events")
        assert r.stdout.splitlines()[-1].partition(" \t ")[2] == shown, r
        assert len(r.stdout.splitlines()) == len(json.loads(
            api.call("GET", "/api/v1/events", auth="admin:open sesame")[2])), r
        with Process(PROGRAM, "system-api", "events", "--follow", env=env, cwd=folder,
                     log=folder / "followed") as follower:
            wait_until(lambda: shown in (folder / "followed").read_text())
            assert follower.running()
        der = ssl.PEM_cert_to_DER_cert((folder / "state/cert.pem").read_text())
        digest = hashlib.sha256(der)
        for pin in (digest.hexdigest(), digest.digest().hex(":").upper()):  # as openssl prints it
            env["SYSTEM_API_PIN"] = pin
            assert tool("events").returncode == 0, pin
        env["SYSTEM_API_PIN"] = "00" * 32
        r = tool("events")
        assert r.returncode == 2, r


@case
def the_command_line_uploads_files_larger_than_its_memory():
    with Folder() as folder, Api(folder, extra='basic_auth_first_password = "right"') as api:
        api.config.write_text(api.config.read_text() +
                              f'large = {{path = "{folder}/uploads/large", max_bytes = 200000000}}')
        api.process.signal(signal.SIGHUP)
        wait_until(lambda: "configuration_reloaded" in (folder / "log").read_text())
        env = dict(os.environ, SYSTEM_API_URL=f"https://127.0.0.1:{api.port}",
                   SYSTEM_API_PIN=str(folder / "state/cert.pem"), SYSTEM_API_PASSWORD="right")
        large = folder / "large"
        with open(large, "wb") as f:
            f.write(b"begin")
            f.truncate(100 << 20)
            f.seek(0, os.SEEK_END)
            f.write(b"end")

        def upload(name, path=large):
            return run(PROGRAM, "system-api", "upload", name, path, env=env, cwd=folder)
        tool = subprocess.Popen([PROGRAM, "system-api", "upload", "large", large], env=env,
                                cwd=folder, stdout=subprocess.DEVNULL)
        most = 0  # KiB; not wait4's, in which the Python that started it counts too
        while tool.poll() is None:
            told = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{tool.pid}/status").read_text())
            most = int(told[1]) if told else most
            time.sleep(0.01)
        assert tool.returncode == 0 and 0 < most < 64 << 10, (tool.returncode, most)
        assert run("cmp", large, folder / "uploads/large").returncode == 0
        # What is refused before the end says why.
        for _ in range(5):
            r = upload("small")
            assert r.returncode == 1 and "413" in r.stderr and "10 bytes" in r.stderr, r
        for path in (folder / "nowhere", folder):
            r = upload("plain", path)
            assert r.returncode == 2 and not r.stdout, r
        env["SYSTEM_API_PASSWORD"] = "wrong"
        r = upload("plain")
        assert r.returncode == 1 and "401" in r.stderr, r


@case
def help_version_and_configuration_are_printed():
    r = run(PROGRAM, "system-api", "--help")
    assert r.returncode == 0 and "--listen-addr" in r.stdout and "set-password" in r.stdout
    assert run(PROGRAM, "system-api", "--version").stdout.strip()
    r = run(PROGRAM, "system-api", "--print-config")
    assert r.returncode == 0 and "listen_addr" in r.stdout
    r = run(PROGRAM, "system-api", "--no-such-flag")
    assert r.returncode == 1 and "no-such-flag" in r.stderr
    with Folder() as folder:
        (folder / "config.toml").write_text("[actions.a]\ncommand = ['a']\ntimeout_ms = 0\n")
        r = run(PROGRAM, "system-api", "--config", folder / "config.toml", "--print-config")
        assert r.returncode == 1 and "timeout_ms" in r.stderr and not r.stdout, r


@case
def the_shipped_example_serves():
    example = Path(__file__).parents[2] / "examples/system-api.toml"
    with Folder() as folder:
        port = free_port()
        with Process(PROGRAM, "system-api", "--config", example, "--listen-addr",
                     f"127.0.0.1:{port}", cwd=folder, log=folder / "log") as process:
            wait_until(lambda: is_listening(port) or not process.running())
            assert process.running(), process.logged()
            assert request(port, "GET", "/api/v1/actions/uptime")[0] == 200
            names = [a["name"] for a in json.loads(request(port, "GET", "/api/v1/actions")[2])]
            assert {"reboot", "fetch_config", "rbuilder_restart"} <= set(names)
            assert request(port, "POST", "/api/v1/file-upload/rbuilder_blocklist", b"[]")[0] == 200


main()
