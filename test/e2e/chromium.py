"""Chromium without a head, driven through chromedriver's WebDriver address with what Python has."""
import base64
import http.client
import json
import shutil
import tempfile
import time

from harness import BUILD, Process, free_port, is_listening, need, wait_until

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--disable-extensions", "--no-default-browser-check",
         "--disable-default-apps", "--disable-domain-reliability", "--no-pings",
         "--disable-features=OptimizationHints,MediaRouter,AutofillServerCommunication",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
         "--no-proxy-server", "--force-color-profile=srgb"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
DESKTOP = (1280, 900)
PHONE = (390, 844)
SCREENSHOTS = BUILD / "screenshots"


class Browser:
    """One session; `problems` gives what the console complained about."""

    def __init__(self, dark=False):
        chromium, driver = need("chromium"), need("chromedriver")
        self.profile = tempfile.mkdtemp(prefix="buildernet-chromium-")
        self.port = free_port()
        self.driver = Process(driver, f"--port={self.port}", "--allowed-ips=127.0.0.1")
        self.session = ""
        try:
            wait_until(lambda: is_listening(self.port), 20, "chromedriver does not listen")
            options = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={self.profile}"]}
            told = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
            self.session = "/session/" + told["sessionId"]
            self.size(*DESKTOP)
            self.cdp("Emulation.setEmulatedMedia", features=[
                {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                {"name": "prefers-reduced-motion", "value": "reduce"}])
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self.call("DELETE", "")
        except OSError:
            pass
        self.driver.__exit__()
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            c.request(method, self.session + path,
                      json.dumps(body if body is not None else {}) if method == "POST" else None,
                      {"content-type": "application/json"})
            value = json.loads(c.getresponse().read())["value"]
        finally:
            c.close()
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{method} {path}: {value['error']}: {value.get('message')}")
        return value

    def cdp(self, command, **params):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def size(self, width, height):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=width < 600)

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """Runs a script's function body in the page; gives what it returns."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.call("POST", f"/element/{self.find(selector)}/click")

    def type(self, selector, text):
        place = self.find(selector)
        self.call("POST", f"/element/{place}/clear")
        self.call("POST", f"/element/{place}/value", {"text": text})

    def press(self, *keys):
        """Keys as from a keyboard, to what has the focus."""
        actions = [a for k in keys for a in ({"type": "keyDown", "value": k},
                                             {"type": "keyUp", "value": k})]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys",
                                                    "actions": actions}]})

    def text(self, selector="main"):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def wait(self, script, *arguments, seconds=20):
        """Waits until a script gives something true; gives it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.run(script, *arguments)
            if value:
                return value
            time.sleep(0.1)
        raise AssertionError(f"not so after {seconds} s: {script}\n{self.text('body')[:3000]}")

    def wait_text(self, text, selector="main", seconds=20):
        return self.wait("return (document.querySelector(arguments[1])?.innerText ?? '')"
                         ".includes(arguments[0])", text, selector, seconds=seconds)

    def problems(self):
        return [e for e in self.call("POST", "/se/log", {"type": "browser"})
                if e["level"] in ("SEVERE", "WARNING")]

    def shoot(self, name):
        """The whole page as it is, as a file for a person to look at."""
        SCREENSHOTS.mkdir(exist_ok=True)
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        data = base64.b64decode(shot["data"])
        (SCREENSHOTS / f"{name}.png").write_bytes(data)
        assert len(data) > 4000, f"{name} shows nothing"

    def too_wide(self):
        """By how many pixels the page is wider than its window."""
        return self.run("return document.documentElement.scrollWidth - window.innerWidth")
