"""The dashboard of a devnet, and the relay's page, in Chromium; screenshots in BUILD/screenshots."""
import contextlib
import decimal
import json
import re
import time
import urllib.error
import urllib.request

from chromium import DESKTOP, PHONE, Browser
from harness import PROGRAM, Folder, Process, case, main, need, wait_until

VIEWS = ["topology", "slots", "auction", "order", "plots", "faults", "events", "send"]
TAB, ENTER, SPACE, RIGHT, DOWN = "\ue004", "\ue007", " ", "\ue014", "\ue015"


class Network:
    """A devnet that runs for a case."""

    def __init__(self, told, folder):
        self.told, self.folder = told, folder
        self.url = told["control"]

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.loads(answer.read())

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def do(self, *words):
        answer = self.post("/api/command", {"words": words})
        assert answer["ok"], (words, answer)

    def wait_for(self, shows, seconds=40):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.get("/api/state")
            if shows(state):
                return state
            time.sleep(0.1)
        raise AssertionError(json.dumps(state)[:4000])

    def block_of(self, tx):
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionReceipt", "params": [tx]}
        request = urllib.request.Request(self.told["addresses"]["chain.rpc"],
                                         json.dumps(body).encode(),
                                         {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            receipt = json.loads(answer.read())["result"]
        return receipt and int(receipt["blockNumber"], 16)


@contextlib.contextmanager
def network():
    """A network of three nodes that works: some blocks came through the relay."""
    need("chromium")
    need("chromedriver")
    with Folder() as folder:
        place = folder / "net"
        with Process(PROGRAM, "devnet", "up", "--folder", place, log=folder / "up.log") as process:
            wait_until((place / "devnet.json").exists, 30, process.logged)
            n = Network(json.loads((place / "devnet.json").read_text()), place)
            n.wait_for(lambda s: s["state"] == "ready", 60)
            n.wait_for(lambda s: sum(x.get("by_relay", False) for x in s["slots"]) >= 5
                       and sum(o["state"] == "landed" for o in s["orders"]) >= 3)
            yield n


def show(b, n, view, text):
    b.go(f"{n.url}/#{view}")
    b.wait_text(text)


# What each view must show, and when it does, as a script that gives something true.
SHOWN = {
    "topology": "return document.querySelectorAll('main svg .box.good').length >= 5 && "
                "[...document.querySelectorAll('main .mark')].filter(m => m.innerText === "
                "'attested').length === 3",
    "slots": "return [...document.querySelectorAll('main tbody tr')].some(r => "
             "/node-[123]/.test(r.innerText) && /[0-9.]+ (µs|ms)/.test("
             "r.querySelector('[data-name=Seal]').innerText))",
    "auction": "return document.querySelectorAll('main tbody tr').length > 0 && "
               "document.querySelectorAll('main svg[role=img] .dot').length > 0",
    "order": "return [...document.querySelectorAll('main .steps li')].length >= 8 && "
             "/Landed in block/.test(document.querySelector('#fate').innerText)",
    "plots": "return document.querySelectorAll('main figure polyline').length >= 8",
    "faults": "return /Time line/.test(document.querySelector('main').innerText)",
    "events": "return document.querySelectorAll('main .log li').length > 20",
    "send": "return document.querySelectorAll('main select[name=node] option').length === 3",
}


def place_of(n, view):
    """A view's address; the auction and the order are ones that are over."""
    state = n.get("/api/state")
    if view == "auction":
        return f"auction/{[s for s in state['slots'] if s.get('by_relay')][-1]['slot']}"
    if view == "order":
        return f"order/{[o for o in state['orders'] if o['state'] == 'landed'][-1]['tx']}"
    return view


def each_view(n, name, size, dark=False):
    with Browser(dark) as b:
        b.size(*size)
        for view in VIEWS:
            b.go(f"{n.url}/#{place_of(n, view)}")
            b.wait(SHOWN[view])
            assert b.run("return document.querySelector('nav [aria-current]').hash") == "#" + view
            tall = b.run("return [...document.querySelectorAll('main th, main td')].filter(c => "
                         "c.clientHeight > 90).map(c => c.innerText)")
            assert not tall, f"{view}: squeezed: {tall[:5]}"
            assert b.too_wide() <= 0, f"{view} is {b.too_wide()} pixels wider than the window"
            b.shoot(f"devnet-{view}-{name}")
        assert not b.problems(), b.problems()


@case
def each_view_shows_the_network():
    """Every view, as wide as a desk's window and a phone's, light and dark; no complaint."""
    with network() as n:
        each_view(n, "desktop", DESKTOP)
        each_view(n, "phone", PHONE)
        each_view(n, "dark", DESKTOP, dark=True)


@case
def what_is_shown_is_so():
    """Slots, bids and an order's way are those of the network's own answers."""
    with network() as n, Browser() as b:
        show(b, n, "slots", "What became of each slot")
        state = n.get("/api/state")
        slot = [s for s in state["slots"] if s.get("by_relay") and s["slot"] + 1 <
                state["chain"]["slot"]][-1]
        build = n.get("/api/build/" + slot["hash"])
        assert build["node"] == slot["winner"] and build["built"]["hash"] == slot["hash"], build
        row = b.wait("const r = [...document.querySelectorAll('main tbody tr')].find(r => "
                     "r.querySelector('th').innerText.trim() === arguments[0]);"
                     "return r && !r.innerText.includes('…') && r.innerText", str(slot["slot"]))
        for part in (slot["winner"], f"{slot['bids']} by {slot['builders']}", str(slot["number"])):
            assert part in row, (part, row)
        b.go(f"{n.url}/#auction/{slot['slot']}")
        b.wait_text("delivered")
        bids = n.get(f"/api/bids/{slot['slot']}")
        rows = b.run("return [...document.querySelectorAll('main tbody tr')].map(r => r.innerText)")
        assert len(rows) == len(bids) == slot["bids"], (rows, bids)
        assert [slot["winner"] in r for r in rows if "delivered" in r] == [True], rows
        order = [o for o in state["orders"] if o["state"] == "landed"][-1]
        show(b, n, "order", "Hash of a transaction")
        b.type("input[name=hash]", order["bundle"])
        b.press(ENTER)
        b.wait_text(f"Landed in block {order['block']}")
        way = b.wait("const t = [...document.querySelectorAll('main .steps li')].map(l => "
                     "l.innerText); return t.some(x => /in a bid of/.test(x)) && t")
        assert "received from its sender" in way[0] and order["node"] in way[0], way
        for part in ("forwarded: node-", "delivered to the node's builder", "simulated for block", "in a block: filled",
                     f"in a bid of {order['winner']}", f"landed in block {order['block']}"):
            assert any(part in step for step in way), (part, way)
        b.type("input[name=hash]", "0x12")
        b.press(ENTER)
        b.wait_text("64 hexadecimal digits")
        b.go(f"{n.url}/#order/0x{'77' * 32}")
        b.wait_text("No node and no block knows this order.")
        assert not b.problems(), b.problems()


@case
def the_auction_is_followed_as_it_runs():
    """Without a slot the view goes on with the slots; it can be held."""
    with network() as n, Browser() as b:
        show(b, n, "auction", "runs:")
        first = b.wait("return Number(document.querySelector('main input[type=number]').value)")
        b.wait("return Number(document.querySelector('main input[type=number]').value) > "
               "arguments[0]", first)
        b.wait("return /: [1-9]\\d* bids, top 0\\.\\d+ ETH by node-/.test("
               "document.querySelector('main').innerText)")
        b.click("main button[aria-pressed]")
        held = b.run("return document.querySelector('main input[type=number]').value")
        time.sleep(2.5)
        assert b.run("return document.querySelector('main input[type=number]').value") == held
        assert not b.problems(), b.problems()


def send(b, kind, node, ether="0.25"):
    b.click(f"main input[name=kind][value={kind}]")
    b.run("document.querySelector('main select[name=node]').value = arguments[0]", node)
    b.type("main input[name=ether]", ether)
    b.click("main button[type=submit]")
    b.wait_text("What was sent")
    return b.run("return document.querySelector('main section code').innerText")


@case
def the_form_sends_what_lands():
    """A transaction and a bundle through the form land; what is wrong is said."""
    with network() as n, Browser() as b:
        show(b, n, "send", "Send a transaction or a bundle")
        b.wait(SHOWN["send"])
        for kind, node in (("transaction", "node-2"), ("bundle", "node-3")):
            tx = send(b, kind, node)
            told = b.wait("const t = document.querySelector('#sent-state')?.innerText ?? '';"
                          "return /^Landed in block/.test(t) && t", seconds=40)
            assert n.block_of(tx) and f"Landed in block {n.block_of(tx)}" in told, (tx, told)
            b.shoot(f"devnet-sent-{kind}")
            b.run("document.querySelector('main section code').closest('section').remove()")
        b.type("main input[name=to]", "0x1234")
        b.click("main button[type=submit]")
        b.wait("return document.querySelector('main form [role=alert]').innerText.length > 5")
        # Chromium itself tells of every answer that is no success.
        problems = [p for p in b.problems() if "/api/send" not in p["message"]]
        assert not problems, problems


@case
def orders_are_refused_with_a_reason():
    """POST /api/send: what is not understood is refused; two in a row do not get in their way."""
    with network() as n:
        good = {"kind": "transaction", "node": "node-1"}
        for change, said in (({"kind": "wish"}, "kind"), ({"node": "node-9"}, "no such node"),
                             ({"account": 10}, "account"), ({"ether": "1e3"}, "ether"),
                             ({"ether": "."}, "ether"), ({"ether": "0.1234567890123456789"},
                                                          "ether"),
                             ({"ether": "9" * 30}, "ether"), ({"ether": ""}, "ether"),
                             ({"to": "0x12"}, ""), ({"tip_gwei": 5000}, "tip_gwei"),
                             ({"ahead": 0}, "ahead"), ({"ahead": -1}, "ahead")):
            answer = n.post("/api/send", {**good, **change})
            assert not answer["ok"] and said in answer["error"], (change, answer)
        sent = [n.post("/api/send", good) for _ in range(3)]
        assert len({s["nonce"] for s in sent}) == 3, sent
        wait_until(lambda: all(n.block_of(s["tx"]) for s in sent), 30, lambda: str(sent))


@case
def faults_and_refusals_are_seen():
    """A fault of the form, a refused node, missed slots: on the time line and in the topology."""
    with network() as n, Browser() as b:
        show(b, n, "faults", "Make a fault")
        b.type("main form input", "node-1<->node-2 delay 5ms")
        b.press(ENTER)
        b.wait_text("added")
        b.wait("return document.querySelectorAll('main svg .bar').length === 1")
        assert [f["kind"] for f in n.get("/api/state")["faults"]] == ["delay"]
        b.go(f"{n.url}/#topology")
        b.wait("return document.querySelectorAll('main svg .edge.fault').length === 1")
        n.do("add-node", "stranger-image")
        b.wait_text("refused by the hub")
        b.wait("return document.querySelectorAll('main svg .box.bad').length >= 1")
        b.shoot("devnet-topology-refused")
        n.do("miss-slots", "2")
        b.go(f"{n.url}/#slots")
        b.wait_text("missed: the proposer was told to miss it", seconds=40)
        b.shoot("devnet-slots-missed")
        b.go(f"{n.url}/#faults")
        b.click("main ul button")
        b.wait_text("removed")
        wait_until(lambda: not n.get("/api/state")["faults"], 10)
        b.wait("return document.querySelectorAll('main svg .tick').length >= 2")
        b.shoot("devnet-faults-timeline")
        b.type("main form input", "nonsense")
        b.press(ENTER)
        b.wait("return document.querySelector('main p[role=status].bad')?.innerText.length > 5")
        problems = [p for p in b.problems() if "/api/command" not in p["message"]]
        assert not problems, problems


@case
def nothing_that_is_said_becomes_markup():
    """Names that are markup stay text; the policy lets no code write any, nor any from elsewhere."""
    evil = "<img src=x onerror=alert(1)>"
    with network() as n, Browser() as b:
        n.do("record", evil)
        b.go(f"{n.url}/#events")
        b.wait_text(evil)
        assert b.run("return document.querySelectorAll('img').length") == 0
        b.go(f"{n.url}/#order/{urllib.request.quote(evil)}")
        b.wait_text("64 hexadecimal digits")
        assert not b.problems(), b.problems()
        assert b.run("try { document.body.innerHTML = '<b>x</b>'; return 'parsed' } "
                     "catch (e) { return e.name }") == "TypeError"
        with urllib.request.urlopen(n.url + "/", timeout=10) as answer:
            policy = answer.headers["content-security-policy"]
            page = answer.read().decode()
        assert "unsafe" not in policy and "default-src 'none'" in policy, policy
        assert "style=" not in page and "//" not in page.replace("<!doctype", ""), page
        # Another site's page may neither read nor command.
        for header in ({"origin": "http://example.org"}, {"host": "example.org"}):
            request = urllib.request.Request(n.url + "/", headers=header)
            try:
                urllib.request.urlopen(request, timeout=10)
                raise AssertionError(f"admitted with {header}")
            except urllib.error.HTTPError as error:
                assert error.code == 403


@case
def lists_are_as_long_as_their_items():
    """Items of one key, moved, changed and gone: the page's lists follow, and keep the focus."""
    script = """
        return import("/page/dom.js").then(({ el, sync }) => {
          const list = document.body.appendChild(el("ul"));
          const fill = (...items) => sync(list, items, (i) => i.key,
            (i) => el("li", {}, el("button", {}, i.text)));
          const shown = () => [...list.children].map((c) => c.innerText).join();
          const seen = [];
          const one = { key: 1, text: "one" }, two = { key: 2, text: "two" };
          fill(one, one, two); seen.push(shown());
          fill(one, one, two); seen.push(shown());
          list.lastChild.firstChild.focus();
          fill({ key: 3, text: "three" }, { key: 2, text: "second" }, one); seen.push(shown());
          seen.push(document.activeElement.innerText);
          fill(); seen.push(shown());
          list.remove();
          return seen.join(" | ");
        })"""
    with network() as n, Browser() as b:
        show(b, n, "topology", "node-1")
        seen = b.run(script)
        assert seen == "one,one,two | one,one,two | three,second,one | second | ", seen


CONTRAST = """
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const read = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
const behind = (node) => {
  for (let e = node; e; e = e.parentElement) {
    const c = read(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] === 1) return c;
  }
  return [255, 255, 255];
};
const poor = [];
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || !e.getClientRects().length || e.closest("noscript, title, option")) continue;
  const style = getComputedStyle(e);
  const svg = e.namespaceURI.endsWith("svg");
  const [a, b] = [luminance(read(svg ? style.fill : style.color).slice(0, 3)), luminance(behind(e).slice(0, 3))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) poor.push(`${e.tagName}.${e.getAttribute("class")} ${ratio.toFixed(2)} ${e.textContent.slice(0, 30)}`);
}
return poor;
"""


@case
def keyboard_and_screen_reader_find_their_way():
    """Landmarks, names of everything one can act on, focus that goes along, contrast."""
    with network() as n, Browser() as b:
        show(b, n, "topology", "node-1")
        b.press(TAB)
        assert b.run("return document.activeElement.className") == "skip"
        b.press(ENTER)
        assert b.run("return document.activeElement.id") == "main"
        for view in VIEWS:
            b.go(f"{n.url}/#{place_of(n, view)}")
            b.wait(SHOWN[view])
            assert b.run("return ['header', 'nav', 'main'].every(t => document.querySelectorAll("
                         "`body ${t}`).length === 1) && document.querySelectorAll('h1').length === 1"
                         " && document.documentElement.lang === 'en'")
            nodes = b.cdp("Accessibility.getFullAXTree")["nodes"]
            for node in nodes:
                role = node.get("role", {}).get("value")
                if role in ("link", "button", "textbox", "searchbox", "combobox", "spinbutton",
                            "radio", "img", "table", "navigation") and not node.get("ignored"):
                    assert node.get("name", {}).get("value"), (view, node)
            ids = b.run("return [...document.querySelectorAll('[id]')].map(e => e.id)")
            assert len(ids) == len(set(ids)), ids
            assert not b.run(CONTRAST), (view, b.run(CONTRAST))
        b.go(f"{n.url}/#topology")
        b.wait(SHOWN["topology"])
        b.run("document.querySelector('nav a[href=\"#slots\"]').focus()")
        b.press(ENTER)
        b.wait("return document.activeElement.tagName === 'H2' && "
               "document.activeElement.innerText === 'Slots'")
        b.press(TAB)
        assert b.run("return document.activeElement.closest('main') !== null")
        # What changes all the time does not take the focus away.
        focused = b.run("return document.activeElement.hash")
        time.sleep(3)
        assert b.run("return document.activeElement.hash") == focused
        assert not b.problems(), b.problems()
    with network() as n, Browser(dark=True) as b:
        for view in VIEWS:
            b.go(f"{n.url}/#{place_of(n, view)}")
            b.wait(SHOWN[view])
            assert not b.run(CONTRAST), (view, b.run(CONTRAST))


# Where the focus is: what has it, whether it is seen to, whether it lies behind the last place.
STOP = """
const e = document.activeElement;
if (!e || e === document.body) return null;
const style = getComputedStyle(e);
const box = e.getBoundingClientRect();
const told = {
  what: `${e.tagName} ${e.name || e.hash || e.id || e.innerText}`.slice(0, 60),
  seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.width > 0,
  inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  later: !window.last?.isConnected || !!(window.last.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING),
};
window.last = e;
window.been ??= new Set();
window.been.add(e);
return told;
"""
# What can be acted on, and was never reached; of radios, one of a group is.
THERE = """window.there = [...document.querySelectorAll(
  "a[href], button, input, select, textarea, [tabindex='0']")];"""
MISSED = """
const all = window.there.filter((e) => e.isConnected);
return all.filter((e) => e.getClientRects().length && !window.been.has(e) &&
  !(e.type === "radio" && all.some((o) => o.name === e.name && window.been.has(o))))
  .map((e) => `${e.tagName} ${e.name || e.hash || e.innerText}`);
"""
# Notes all that live regions say, those only that stood there before they said it.
LISTEN = """
window.said = [];
const live = "[aria-live], [role=status], [role=alert]";
new MutationObserver((list) => {
  for (const m of list) {
    const region = (m.target.nodeType === 1 ? m.target : m.target.parentElement)?.closest(live);
    if (region && region.innerText.trim()) window.said.push(region.innerText.trim());
  }
}).observe(document.body, { subtree: true, childList: true, characterData: true });
"""


def tab_to(b, selector, most=60):
    """Presses Tab until an element has the focus."""
    for _ in range(most):
        b.press(TAB)
        if b.run("return document.activeElement.matches(arguments[0])", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def heard(b, text, seconds=40):
    b.wait("return window.said.some((t) => t.includes(arguments[0]))", text, seconds=seconds)


@case
def everything_is_reached_with_tab_and_seen_to_be():
    """Each view from the top: every link, button and field in the order of the page, with a ring
    around it, within the window; nothing traps the focus."""
    with network() as n, Browser() as b:
        for view in VIEWS:
            b.go("about:blank")
            b.go(f"{n.url}/#{place_of(n, view)}")
            b.wait(SHOWN[view])
            b.run(THERE)  # lists grow meanwhile
            stops = []
            for _ in range(120):
                b.press(TAB)
                stop = b.run(STOP)
                if stop is None:  # behind the last: the browser's own
                    break
                stops.append(stop)
                assert stop["seen"] and stop["inside"], (view, stop)
                assert stop["later"], (view, stops[-2:])
            else:
                # Lists that grow all the time may go on for long, but never around.
                assert view in ("events", "slots", "auction", "order"), (view, stops[-5:])
                continue
            missed = b.run(MISSED)
            assert len(stops) >= 9 and not missed, (view, missed, stops)
        assert not b.problems(), b.problems()


@case
def orders_are_sent_with_the_keyboard_alone():
    """The form and the faults without a mouse; what becomes of it is said in live regions."""
    with network() as n, Browser() as b:
        show(b, n, "send", "Send a transaction or a bundle")
        b.wait(SHOWN["send"])
        b.run(LISTEN)
        tab_to(b, "input[name=kind]")
        b.press(RIGHT)
        assert b.run("return new FormData(document.querySelector('main form')).get('kind')") == "bundle"
        tab_to(b, "select[name=node]")
        b.press(DOWN)
        assert b.run("return document.activeElement.value") == "node-2"
        tab_to(b, "button[type=submit]")
        b.press(SPACE)
        heard(b, "node-2")
        assert b.run("return document.activeElement.type") == "submit", "the focus was lost"
        tx = b.wait("return document.querySelector('main section code')?.innerText")
        heard(b, "Landed in block")
        told = b.wait("return window.said.find((t) => t.includes('Landed in block'))")
        assert f"Landed in block {n.block_of(tx)}" in told, (tx, told)
        tab_to(b, "a[href^='#order/']")  # right behind the form
        b.press(ENTER)
        b.wait("return document.activeElement.tagName === 'H2'")
        heard(b, "Landed in block")
        b.wait(SHOWN["order"])
        # What is wrong is said at once, and the focus stays where it can be mended.
        show(b, n, "send", "Send a transaction or a bundle")
        b.wait(SHOWN["send"])
        b.run(LISTEN)
        tab_to(b, "input[name=to]")
        b.press(*"0x12", ENTER)
        heard(b, "to: ")
        assert b.run("return document.activeElement.name") == "to"
        # Chromium itself tells of every answer that is no success.
        problems = [p for p in b.problems() if "/api/send" not in p["message"]]
        assert not problems, problems


@case
def faults_are_made_and_ended_with_the_keyboard():
    """Enter makes a fault, Space on its button ends it; both are said, and the focus stays."""
    with network() as n, Browser() as b:
        show(b, n, "faults", "Time line")
        b.wait(SHOWN["faults"])
        b.run(LISTEN)
        tab_to(b, "main form input")
        b.press(*"node-1->node-2 delay 5ms", ENTER)
        heard(b, "node-1->node-2 delay 5ms")
        b.wait("return document.querySelectorAll('main ul.plain button').length === 1")
        assert b.run("return document.activeElement.tagName") == "INPUT"
        b.run("window.scrollTo(0, 0); document.querySelector('h2').focus()")
        tab_to(b, "main ul.plain button")
        b.press(SPACE)
        heard(b, "removed")
        b.wait("return document.querySelectorAll('main ul.plain button').length === 0")
        b.wait("return document.activeElement !== document.body && "
               "document.activeElement.closest('main') !== null", seconds=3)
        assert not n.get("/api/state")["faults"]
        assert not b.problems(), b.problems()


@case
def a_shadow_is_shown_as_one():
    """The dashboard of a network that follows another's chain: every view opens, the slots are the
    other chain's, and the form says why it cannot send."""
    with network() as live, Folder() as folder:
        told = live.told["addresses"]
        flags = ["--shadow-node", told["chain.rpc"], "--shadow-ws", told["chain.ws"],
                 "--shadow-beacon", told["chain.beacon"], "--shadow-relay", told["relay.relay"],
                 "--shadow-genesis", live.folder / "genesis.json"]
        place = folder / "net"
        with Process(PROGRAM, "devnet", "up", "--folder", place, "--nodes", "1", "--seed", "shadow",
                     *flags, log=folder / "up.log") as process, Browser() as b:
            wait_until((place / "devnet.json").exists, 30, process.logged)
            n = Network(json.loads((place / "devnet.json").read_text()), place)
            n.wait_for(lambda s: s["state"] == "ready" and s["slots"], 60)
            for view in VIEWS:
                b.go(f"{n.url}/#{view}")
                b.wait("return document.querySelector('main h2') && "
                       "document.querySelector('#state').innerText === 'ready'")
                b.wait("return document.querySelector('main #view').innerText.length > 20")
            show(b, n, "slots", "What became of each slot")
            b.wait("return /node-[123]/.test(document.querySelector('main tbody').innerText)")
            show(b, n, "send", "Send a transaction or a bundle")
            b.wait("return document.querySelectorAll('main select[name=node] option').length === 1")
            b.click("main button[type=submit]")
            b.wait_text("a shadow has no funded accounts", "main form [role=alert]")
            problems = [p for p in b.problems() if "/api/send" not in p["message"]]
            assert not problems, problems


@case
def it_says_when_the_network_is_gone():
    """The network ends: the page says so and keeps what it knew; a network that is there again is
    shown again."""
    with network() as n, Browser() as b:
        show(b, n, "slots", "What became of each slot")
        n.do("down")
        b.wait_text("not reachable", "#state")
        assert "node-" in b.text()


@case
def the_relays_page_shows_its_auctions():
    """The relay's own page, from the relay of a devnet."""
    with network() as n, Browser() as b:
        b.go(n.told["addresses"]["relay.relay"] + "/")
        b.wait("return document.querySelectorAll('#auction svg').length > 0 && "
               "/\\d/.test(document.querySelector('#slot').innerText)")
        b.wait("return Number(document.querySelector('#count').innerText) > 0")
        # Each builder's bids, and a bar for what each slot's proposer was paid.
        b.wait("return document.querySelectorAll('#builders tr').length > 0")
        assert b.run("return document.querySelectorAll('#legend li').length === document.querySelectorAll('#builders tr').length")
        assert b.run("return document.querySelectorAll('#plot circle, #plot rect, #plot path').length") > 0
        b.wait("return document.querySelectorAll('#bars rect.bar').length >= 5")
        told = b.run("return document.querySelector('#values-text').textContent")
        assert "slots were delivered" in told, told
        # As the relay's data tell it: what was paid in a slot that the page shows.
        shown = b.run("return [...document.querySelectorAll('#bars rect.bar title')].map(t => t.textContent)")
        relay = n.told["addresses"]["relay.relay"]
        slot = int(re.match(r"slot (\d+): ", shown[-1]).group(1))
        with urllib.request.urlopen(
                f"{relay}/relay/v1/data/bidtraces/proposer_payload_delivered?slot={slot}") as answer:
            paid = json.loads(answer.read())[0]
        assert paid["builder_pubkey"][:10] in shown[-1], (paid, shown[-1])
        ether = decimal.Decimal(paid["value"]) / 10**18
        assert str(ether.quantize(decimal.Decimal("1e-6"), decimal.ROUND_DOWN).normalize()) in shown[-1]
        assert b.too_wide() <= 0
        b.shoot("relay-desktop")
        b.size(*PHONE)
        time.sleep(0.5)
        assert b.too_wide() <= 0
        b.shoot("relay-phone")
        assert not b.problems(), b.problems()


if __name__ == "__main__":
    main()
