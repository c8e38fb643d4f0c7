"""A confidential VM as Azure runs it, of software: Debian's swtpm holds the attestation key and its
certificate, a paravisor between it and its users keeps the HCL report fresh, and a metadata service
turns TDREPORTs into quotes of a simulated platform. What a verifier is shown has the form of the
real thing, so that nothing in it is left out."""
import base64
import hashlib
import http.server
import json
import pathlib
import shutil
import socket
import struct
import tempfile
import threading

from harness import (PROGRAM, Process, accept_each, free_port, is_listening, need, read_exactly, run,
                     wait_until)

HCL_REPORT, USER_DATA, AK_CERTIFICATE = 0x01400001, 0x01400002, 0x01C101D0
AREA_BYTES = 2048  # the largest that swtpm takes; the report is shorter than Azure's
NV_WRITE, OWNER, PASSWORD = 0x137, 0x40000001, 0x40000009
EVENT = "0b" * 32  # what PCR 11 is extended by
TEMPLATES = {}


def extend(register, digest):
    return hashlib.sha256(bytes.fromhex(register) + bytes.fromhex(digest)).hexdigest()


PCR11 = extend("00" * 32, EVENT)


def port_pair():
    """A port whose successor is free too: the control channel is there."""
    while True:
        port = free_port()
        try:
            with socket.create_server(("127.0.0.1", port + 1)):
                return port
        except OSError:
            pass


def reach(port):
    """A connection to swtpm, which serves one at a time and refuses others in between."""
    def attempt():
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            return None
    return wait_until(attempt, 10, "swtpm takes no connection")


def take(s):
    """One TPM command or response."""
    head = read_exactly(s, 10)
    return head + read_exactly(s, int.from_bytes(head[2:6], "big") - 10)


def nv_write(index, data, offset):
    auth = struct.pack(">IHBH", PASSWORD, 0, 0, 0)
    body = (struct.pack(">III", OWNER, index, len(auth)) + auth + struct.pack(">H", len(data)) +
            data + struct.pack(">H", offset))
    return struct.pack(">HII", 0x8002, 10 + len(body), NV_WRITE) + body


def written(command):
    """The index and the bytes of an NV_Write; (0, b"") of anything else."""
    if int.from_bytes(command[6:10], "big") != NV_WRITE:
        return 0, b""
    index, n = struct.unpack(">II", command[14:22])
    data = command[22 + n:]
    return index, data[2:2 + int.from_bytes(data[:2], "big")]


def prepare(folder):
    """State of a TPM with a key at its handle, its certificate, and a certificate authority."""
    tpm = SoftwareTpm(folder)
    with tpm:
        for command in (
                "tpm2_createek -c ek.ctx -G rsa -u ek.pub", "tpm2_flushcontext -t",
                "tpm2_createak -C ek.ctx -c ak.ctx -G rsa -g sha256 -s rsassa -f pem -u ak.pem",
                "tpm2_flushcontext -t", "tpm2_evictcontrol -C o -c ak.ctx 0x81000003",
                "tpm2_flushcontext -t",
                f"tpm2_nvdefine -C o -s {AREA_BYTES} -a ownerread|ownerwrite {HCL_REPORT:#x}"):
            tpm.tool(*command.split())
        make_authority(folder, "ca")
        certify(folder, "ca")
        put_certificate(tpm, (folder / "ak.der").read_bytes())


def openssl(folder, *arguments):
    p = run(need("openssl"), *arguments, cwd=folder)
    assert p.returncode == 0, p.stderr
    return p.stdout


def make_authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-days", "30", "-keyout", f"{name}.key", "-out", f"{name}.pem")


def certify(folder, name):
    """A certificate of the attestation key, which cannot sign a request of its own."""
    openssl(folder, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ak", "-keyout",
            "unused.key", "-out", "ak.csr")
    openssl(folder, "x509", "-req", "-in", "ak.csr", "-force_pubkey", "ak.pem", "-CA",
            f"{name}.pem", "-CAkey", f"{name}.key", "-CAcreateserial", "-days", "20", "-outform",
            "DER", "-out", "ak.der")


def put_certificate(tpm, der):
    (tpm.folder / "area").write_bytes(der.ljust(1500, b"\0"))  # as Azure: larger than what it holds
    tpm.tool("tpm2_nvdefine", "-C", "o", "-s", "1500", "-a", "ownerread|ownerwrite",
             f"{AK_CERTIFICATE:#x}")
    tpm.tool("tpm2_nvwrite", "-C", "o", "-i", "area", f"{AK_CERTIFICATE:#x}")


class SoftwareTpm:
    """swtpm over a folder of state."""

    def __init__(self, folder):
        self.folder = folder
        for program in ("swtpm", "tpm2_createak"):
            need(program)

    def __enter__(self):
        self.port = port_pair()
        self.process = Process(
            "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder}", "--server",
            f"type=tcp,port={self.port},bindaddr=127.0.0.1", "--ctrl",
            f"type=tcp,port={self.port + 1},bindaddr=127.0.0.1", "--flags",
            "not-need-init,startup-clear", log=self.folder / "swtpm.log")
        # Only the control port may be tried: the other takes one connection at a time.
        wait_until(lambda: is_listening(self.port + 1), 20)
        return self

    def __exit__(self, *_):
        self.process.__exit__()

    def tool(self, *command):
        tcti = f"swtpm:host=127.0.0.1,port={self.port}"
        p = run("env", f"TPM2TOOLS_TCTI={tcti}", *command, cwd=self.folder)
        assert p.returncode == 0, (command, p.stderr)
        return p.stdout


class Machine:
    """The whole: TPM, paravisor, metadata service. `--quote-source vtpm:TCTI` finds it at `tcti`.

    deaf         the paravisor takes up no user data.
    certificate  there is one of the attestation key."""

    def __init__(self, folder, platform, mrtd, deaf=False, certificate=True):
        self.folder, self.platform, self.mrtd = folder / "vtpm", platform, mrtd
        self.deaf, self.certificate = deaf, certificate
        self.quotes = 0
        self.quote_other = False  # the metadata service quotes another report than it was given
        if "vtpm" not in TEMPLATES:
            TEMPLATES["vtpm"] = tempfile.TemporaryDirectory(prefix="buildernet-vtpm-")
            prepare(pathlib.Path(TEMPLATES["vtpm"].name))
        shutil.copytree(TEMPLATES["vtpm"].name, self.folder)
        self.ca = self.folder / "ca.pem"

    def __enter__(self):
        self.tpm = SoftwareTpm(self.folder).__enter__()
        try:
            self.tpm.tool("tpm2_pcrextend", f"11:sha256={EVENT}")
            if not self.certificate:
                self.tpm.tool("tpm2_nvundefine", "-C", "o", f"{AK_CERTIFICATE:#x}")
            self.open_paravisor()
            self.open_metadata()
        except BaseException:
            self.tpm.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for listener in self.listeners:
            listener.close()
        self.metadata.shutdown()
        self.metadata.server_close()
        self.tpm.__exit__()

    @property
    def flags(self):
        return ["--quote-source", f"vtpm:swtpm:host=127.0.0.1,port={self.port}", "--imds-url",
                self.imds]

    # ---- paravisor ----

    def report(self, user_data):
        """An HCL report: the TDREPORT's report data is the hash of what names key and user data."""
        modulus = openssl(self.folder, "rsa", "-pubin", "-in", self.vouched, "-noout", "-modulus")
        n = bytes.fromhex(modulus.strip().split("=")[1])
        n = base64.urlsafe_b64encode(n).decode().rstrip("=")
        runtime = json.dumps({
            "keys": [{"kid": "HCLAkPub", "key_ops": ["sign"], "kty": "RSA", "e": "AQAB", "n": n}],
            "vm-configuration": {"secure-boot": True, "tpm-enabled": True},
            "user-data": user_data.hex().upper()}).encode()
        td = bytearray(1024)
        td[0] = 0x81
        td[128:160] = hashlib.sha256(runtime).digest()
        td[528:576] = bytes.fromhex(self.mrtd)
        head = struct.pack("<4sIIII12s", b"HCLA", 2, 1236 + len(runtime), 2, 0, b"")
        tail = struct.pack("<IIIII", 20 + len(runtime), 1, 4, 1, len(runtime))
        return (head + bytes(td).ljust(1184, b"\0") + tail + runtime).ljust(AREA_BYTES, b"\0")

    def refresh(self, upstream, user_data):
        report = self.report(user_data)
        for at in range(0, len(report), 1024):
            upstream.sendall(nv_write(HCL_REPORT, report[at:at + 1024], at))
            assert take(upstream)[6:10] == b"\0\0\0\0"

    def serve(self, near):
        with near, reach(self.tpm.port) as far:
            try:
                while True:
                    command = take(near)
                    far.sendall(command)
                    response = take(far)
                    index, data = written(command)
                    if index == USER_DATA and response[6:10] == b"\0\0\0\0" and not self.deaf:
                        self.refresh(far, data)
                    near.sendall(response)
            except OSError:
                pass

    def control(self, near):
        with near, reach(self.tpm.port + 1) as far:
            back = threading.Thread(target=pump, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            back.join()

    def vouch_for(self, pem):
        """From now on reports name this key."""
        self.vouched = pem
        with reach(self.tpm.port) as far:
            self.refresh(far, bytes(64))

    def open_paravisor(self):
        self.vouch_for(self.folder / "ak.pem")
        self.port = port_pair()
        self.listeners = [socket.create_server(("127.0.0.1", self.port + i)) for i in range(2)]
        for listener, handler in zip(self.listeners, (self.serve, self.control)):
            threading.Thread(target=accept_each, args=(listener, handler), daemon=True).start()

    # ---- metadata service ----

    def quote(self, tdreport):
        self.quotes += 1
        data = bytearray(tdreport[128:192])
        data[0] ^= self.quote_other
        out = self.folder / f"quote{self.quotes}"
        p = run(PROGRAM, "attest", "quote", "--source", self.platform, "--report-data",
                bytes(data).hex(), "--set", f"mrtd={tdreport[528:576].hex()}", "--out", out)
        assert p.returncode == 0, p.stderr
        return out.read_bytes()

    def open_metadata(self):
        machine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                report = base64.urlsafe_b64decode(request["report"] + "==")
                quote = base64.urlsafe_b64encode(machine.quote(report)).decode().rstrip("=")
                body = json.dumps({"quote": quote}).encode()
                self.send_response(200 if self.headers["Metadata"] == "true" else 400)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.metadata = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.imds = f"http://127.0.0.1:{self.metadata.server_address[1]}/acc/tdquote"
        threading.Thread(target=self.metadata.serve_forever, daemon=True).start()


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass
