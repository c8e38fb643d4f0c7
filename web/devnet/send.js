/* A transaction or a bundle of a development account, signed by the devnet. SPDX-License-Identifier: MIT */
import { el, newId, panel, short, span } from "./dom.js";
import { ask, network } from "./network.js";

export const title = "Send";
const WATCH_MS = 500;
const WATCH_TIMES = 240;

let node, form, result, problem, button, timer = null, gone = false, sending = false;

function field(label, control, help) {
  const id = newId("field"), about = newId("about");
  control.setAttribute("id", id);
  if (help) control.setAttribute("aria-describedby", about);
  return el("div", {}, el("label", { for: id }, label), control, help && el("p", { id: about, class: "quiet" }, help));
}

const value = (name) => new FormData(form).get(name);

async function follow(sent, began, through, times) {
  if (gone || times > WATCH_TIMES) return;
  const doc = await ask(`/api/order/${sent.tx}`).catch(() => null);
  const status = result.querySelector("#sent-state");
  if (gone || !status) return;
  const holders = (doc?.nodes ?? []).map((n) => n.node);
  if (doc?.receipt) {
    const number = Number(doc.receipt.blockNumber);
    const slot = network.state.slots.find((s) => s.number === number);
    status.textContent = `Landed in block ${number}${slot?.by_relay ? ` of ${slot.winner}` : ""}${slot ? `, ${span(slot.seen_ms - began)} after it was sent` : ""}.`;
    status.className = "good";
    if (slot?.bids !== undefined) return;
  } else {
    tellWaiting(status, sent, through, holders);
    if (status.className === "warn") return;
  }
  timer = setTimeout(() => follow(sent, began, through, times + 1), WATCH_MS);
}

function tellWaiting(status, sent, through, holders) {
  if (sent.target && network.state.chain.head > sent.target) {
    status.textContent = `Not landed: block ${sent.target} has passed.`;
    status.className = "warn";
    return;
  }
  const text = `Taken by ${through}${holders.length > 1 ? `; known to ${holders.join(", ")}` : ""}. Waiting for its block.`;
  if (status.textContent !== text) status.textContent = text;
}

function show(sent, began, through) {
  clearTimeout(timer);
  result.replaceChildren(panel("What was sent",
    el("p", {}, "Transaction ", el("code", {}, sent.tx)), sent.order !== sent.tx && el("p", {}, "Bundle ", el("code", {}, sent.order), `, for block ${sent.target}`),
    el("p", { id: "sent-state", role: "status" }, `Taken by ${through}.`),
    el("p", {}, el("a", { href: `#order/${sent.tx}`, "aria-label": `Follow order ${short(sent.tx)}` }, "Follow its way"))));
  follow(sent, began, through, 0);
}

async function submit(e) {
  e.preventDefault();
  if (sending) return;
  sending = true; // the button is not disabled meanwhile: it would lose the focus
  button.setAttribute("aria-disabled", "true");
  problem.textContent = "";
  const order = { kind: value("kind"), node: value("node"), account: Number(value("account")), ether: value("ether").trim(), tip_gwei: Number(value("tip")), ahead: Number(value("ahead")) };
  const to = value("to").trim();
  if (to) order.to = to;
  const began = network.state?.now_ms ?? Date.now();
  try {
    show(await ask("/api/send", order), began, order.node);
  } catch (error) {
    problem.textContent = error.message;
  }
  button.removeAttribute("aria-disabled");
  sending = false;
}

export function open(root) {
  gone = false;
  node = el("select", { name: "node" });
  const kinds = [["transaction", "Transaction"], ["bundle", "Bundle"]].map(([kind, name], i) =>
    el("label", {}, el("input", { type: "radio", name: "kind", value: kind, checked: i === 0 }), name));
  const account = el("select", { name: "account" }, Array.from({ length: 9 }, (_, i) => el("option", { value: i, selected: i === 1 }, `Account ${i}`)));
  const ahead = el("select", { name: "ahead" }, [1, 2, 3, 5, 10].map((n) => el("option", { value: n, selected: n === 2 }, n === 1 ? "the next one" : `${n} ahead`)));
  problem = el("p", { class: "bad wide", role: "alert" });
  button = el("button", { class: "first", type: "submit" }, "Sign and send");
  form = el("form", { onsubmit: submit },
    el("fieldset", { class: "wide" }, el("legend", {}, "Send a"), kinds),
    field("Through", node), field("From", account, "Public development keys; 9 is the network's own."),
    field("To", el("input", { name: "to", autocomplete: "off", spellcheck: "false", placeholder: "0x… (empty: to itself)" })),
    field("Amount, ETH", el("input", { name: "ether", inputmode: "decimal", value: "0.001", required: true, pattern: "[0-9]+([.][0-9]{1,18})?" })),
    field("Tip, gwei", el("input", { name: "tip", type: "number", min: "0", max: "1000", value: "2", required: true })),
    field("Block of a bundle", ahead, "The next block's auction runs already."),
    el("div", { class: "wide" }, button), problem);
  result = el("div");
  root.append(panel("Send a transaction or a bundle", form), result);
}

export function update() {
  const names = network.state.nodes.map((n) => n.name);
  if ([...node.options].map((o) => o.value).join() === names.join()) return;
  const chosen = node.value;
  node.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
  if (names.includes(chosen)) node.value = chosen;
}

export function close() {
  gone = true;
  clearTimeout(timer);
}
