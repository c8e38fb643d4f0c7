"""The deployed hub's own end-to-end suite, step by step, against ours with nginx in front of it."""
import json
import os
import pathlib
import shutil

from harness import Folder, Process, Skip, case, free_port, is_listening, main, need, request, wait_until
from hub_process import Hub, Postgres

NGINX = """
daemon off;
pid nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:%d;
    location / {
      proxy_pass http://127.0.0.1:%d;
%s
    }
  }
}
"""


def suite():
    root = pathlib.Path(__file__).resolve().parents[2]
    vectors = pathlib.Path(os.environ.get("BN_VECTORS", root / "../shared/data"))
    path = vectors / "builder-hub/e2e/e2e-steps.json"
    if not path.is_file():
        raise Skip("no vectors; BN_VECTORS names their folder")
    return json.loads(path.read_text())


def pointed(document, pointer):
    """RFC 6901."""
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        document = document[int(part) if isinstance(document, list) else part]
    return document


def play(hub, port, steps):
    for step in steps:
        headers = {"content-type": "application/json"} if "body_raw" in step else {}
        status, _, body = request(port[step["port"]], step["method"], step["path"],
                                  step.get("body_raw"), headers, tls=False)
        assert status == step["status"], (step["name"], status, body, hub.said()[-2000:])
        for check in step["asserts"]:
            found = pointed(json.loads(body), check["pointer"])
            assert found == check["equals"], (step["name"], check, found)


def behind_nginx(*flags):
    need("nginx")
    told = suite()
    with Folder() as folder, Hub(*flags) as hub:
        port = {8080: hub.public, 8081: hub.admin, 8082: hub.internal, 8888: free_port()}
        headers = "".join(f"      proxy_set_header {name} '{value}';\n" for name, value in
                          told["proxy_headers_added_on_port_8888"].items())
        (folder / "nginx.conf").write_text(NGINX % (port[8888], hub.public, headers))
        with Process(shutil.which("nginx"), "-p", folder, "-c", folder / "nginx.conf",
                     log=folder / "nginx.log"):
            wait_until(lambda: is_listening(port[8888]), 20, (folder / "nginx.log").read_text)
            probe = told["readiness_probe"]
            status = request(port[probe["port"]], probe["method"], probe["path"], tls=False)[0]
            assert status == probe["status"], status
            assert told["steps"]
            play(hub, port, told["steps"])


@case
def the_deployed_steps_pass_behind_nginx():
    """With --compat: they allow an entry without measurements, which is refused without it."""
    behind_nginx("--compat")


@case
def the_deployed_steps_pass_behind_nginx_on_postgresql():
    with Folder() as folder, Postgres(folder, "pg") as database:
        behind_nginx("--compat", "--postgres-dsn",
                     f"host={database.data} user=hub dbname=postgres")


main()
