"""What the end-to-end tests share: cases, programs that are started and ended, HTTP over sockets."""
import http.client
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
PROGRAM = BUILD / "buildernet"
CASES = []


class Skip(Exception):
    """A case that needs something absent."""


def case(function):
    """Registers a test case; its docstring is the promise it tries."""
    CASES.append(function)
    return function


def alongside(function):
    """Registers a case that mostly waits: it runs beside those that come after it in its file."""
    function.alongside = True
    return case(function)


def attempt(function, counts, lock):
    word, detail = "ok", ""
    try:
        function()
    except Skip as why:
        word, detail = "skipped", f"    skipped: {why}\n"
    except Exception:  # pylint: disable=broad-except
        word, detail = "not ok", "".join("    " + line + "\n"
                                         for line in traceback.format_exc().splitlines())
    with lock:
        counts[word] += 1
        print(f"{detail}{word} - {function.__name__}", flush=True)


def main():
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    counts = {"ok": 0, "not ok": 0, "skipped": 0}
    lock, beside = threading.Lock(), []
    for function in [c for c in CASES if wanted in c.__name__]:
        if hasattr(function, "alongside"):
            beside.append(threading.Thread(target=attempt, args=(function, counts, lock)))
            beside[-1].start()
        else:
            attempt(function, counts, lock)
    for thread in beside:
        thread.join()
    print(f"{counts['ok']} passed, {counts['not ok']} failed, {counts['skipped']} skipped")
    sys.exit(1 if counts["not ok"] else 0)


def need(program):
    """The path of a program that a case needs."""
    path = shutil.which(program)
    if not path:
        raise Skip(f"{program} is not installed")
    return path


GIVEN = set()


def free_port():
    """A port that nobody listens on, and never one that was given before."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in GIVEN:
            GIVEN.add(port)
            return port


def wait_until(what, seconds=10.0, message="nothing happened in time"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(message() if callable(message) else message)


def read_exactly(s, n):
    """n bytes of a socket; ConnectionError when it ends before."""
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def accept_each(listener, serve):
    """Runs serve(socket) in a thread for each connection, until the listener is closed."""
    while True:
        try:
            near = listener.accept()[0]
        except OSError:
            return
        threading.Thread(target=serve, args=(near,), daemon=True).start()


def pass_on(source, sink, count=lambda n: None):
    """Passes on what comes, telling how many bytes so far, and then ends both connections."""
    passed = 0
    try:
        while data := source.recv(65536):
            passed += len(data)
            count(passed)
            sink.sendall(data)
    except OSError:
        pass
    for s in (source, sink):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Folder:
    """A folder that is gone at the end."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="buildernet-e2e-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Process:
    """A program that is started, and ended with its own process id at the latest at the end."""

    def __init__(self, *command, cwd=None, env=None, log=None):
        self.log = pathlib.Path(log) if log else None
        self.stderr = open(self.log, "ab") if self.log else subprocess.DEVNULL
        self.popen = subprocess.Popen([str(c) for c in command], cwd=cwd, stdin=subprocess.DEVNULL,
                                      stdout=self.stderr, stderr=self.stderr,
                                      env={**os.environ, **(env or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        if self.log:
            self.stderr.close()

    @property
    def pid(self):
        return self.popen.pid

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds=15):
        return self.popen.wait(seconds)

    def running(self):
        return self.popen.poll() is None

    def logged(self):
        return self.log.read_text(errors="replace") if self.log else ""


def run(*command, **options):
    """Runs a program to its end; gives its subprocess result with text output."""
    return subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          timeout=options.pop("timeout", 60), check=False, **options)


def request(port, method, path, body=None, headers=None, tls=True, timeout=20):
    """One request; gives (status, headers, body)."""
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        c = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)
    else:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
    finally:
        c.close()


def is_listening(port):
    with socket.socket() as s:
        s.settimeout(0.5)
        return s.connect_ex(("127.0.0.1", port)) == 0
