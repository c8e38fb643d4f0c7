// What stands between the devnet and software from npm.
//
//   node beacon-bridge.mjs PORT LODESTAR_URL                     the beacon API
//   node beacon-bridge.mjs PORT LODESTAR_URL ENGINE_PORT EL OWN  and an engine for two clients
//
// The beacon API is Lodestar's, with the payload_attributes events that 1.5.1 does not have: they are
// made of each head's state, for the slot that comes next, also when a slot passes without a block. The
// engine gives each request to EL, whose answers count, and to OWN, the devnet's node, so that builders
// and relay follow the chain there. SPDX-License-Identifier: MIT
import http from "node:http";

const [port, lodestar, enginePort, elEngine, ownEngine] = process.argv.slice(2);
const SLOTS_PER_EPOCH = 8; // of the minimal preset, as the next
const MIXES = 64;
const FEE_RECIPIENT = "0x00000000000000000000000000000000000000fe";
const BODY_BYTES_MAX = 64 << 20;
const streams = new Set();
let head = null; // {root, attributes of its state}
let told = 0; // the last slot with attributes
let clock = null; // {genesis, seconds}

function say(text) {
  console.log(`${new Date().toISOString()} ${text}`);
}

async function ask(path) {
  const answer = await fetch(lodestar + path, { signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return (await answer.json()).data;
}

function send(kind, data) {
  for (const stream of streams) stream.write(`event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`);
}

function tellAttributes(slot) {
  if (!head || slot <= told) return;
  told = slot;
  send("payload_attributes", {
    version: "capella",
    data: {
      proposer_index: "0",
      proposal_slot: String(slot),
      parent_block_number: head.parent.block_number,
      parent_block_root: head.root,
      parent_block_hash: head.parent.block_hash,
      payload_attributes: {
        timestamp: String(clock.genesis + clock.seconds * slot),
        prev_randao: head.randao,
        suggested_fee_recipient: FEE_RECIPIENT,
        withdrawals: [],
      },
    },
  });
}

async function takeHead(event) {
  send("head", event);
  const state = await ask("/eth/v2/debug/beacon/states/head");
  head = {
    root: event.block,
    parent: state.latest_execution_payload_header,
    randao: state.randao_mixes[Math.floor(Number(state.slot) / SLOTS_PER_EPOCH) % MIXES],
  };
  told = Math.min(told, Number(event.slot)); // another head: the next slot's attributes are others
  tellAttributes(Number(event.slot) + 1);
}

async function learnClock() {
  const [genesis, spec] = await Promise.all([ask("/eth/v1/beacon/genesis"), ask("/eth/v1/config/spec")]);
  clock = { genesis: Number(genesis.genesis_time), seconds: Number(spec.SECONDS_PER_SLOT) };
}

// A slot without a block has no head event.
function onTick() {
  if (!clock) return;
  const since = Date.now() / 1000 - clock.genesis;
  const slot = Math.floor(since / clock.seconds);
  if (since - slot * clock.seconds > clock.seconds / 2) tellAttributes(slot + 1);
}

async function follow() {
  for (;;) {
    try {
      if (!clock) await learnClock();
      const answer = await fetch(`${lodestar}/eth/v1/events?topics=head`);
      let rest = "";
      for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + part).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          if (line.startsWith("data:")) await takeHead(JSON.parse(line.slice(5)));
        }
      }
    } catch (why) {
      say(`events: ${why.message}`);
    }
    await new Promise((done) => setTimeout(done, 500));
  }
}

function pass(request, response, base) {
  const to = new URL(request.url, base);
  const onward = http.request(to, { method: request.method, headers: { ...request.headers, host: to.host } },
    (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
  onward.on("error", (why) => {
    if (!response.headersSent) response.writeHead(502);
    response.end(`${why.message}\n`);
  });
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

function onBeacon(request, response) {
  if (request.url === "/readyz") {
    response.writeHead(clock ? 200 : 503).end(clock ? "ready\n" : "the beacon node does not answer yet\n");
  } else if (request.url.startsWith("/eth/v1/events")) {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    streams.add(response);
    response.on("close", () => streams.delete(response));
  } else {
    pass(request, response, lodestar);
  }
}

async function give(url, request, body) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: request.headers.authorization ?? "" },
    body,
    signal: AbortSignal.timeout(20_000),
  });
  return { status: answer.status, text: await answer.text() };
}

async function onEngine(request, response) {
  const parts = [];
  let size = 0;
  try {
    for await (const part of request) {
      size += part.length;
      if (size > BODY_BYTES_MAX) throw new Error("the request is too large");
      parts.push(part);
    }
    const body = Buffer.concat(parts);
    // In order: a block must be known before it becomes the head.
    const own = give(ownEngine, request, body).catch((why) => say(`own engine: ${why.message}`));
    const answer = await give(elEngine, request, body);
    await own;
    response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.text);
  } catch (why) {
    response.writeHead(502).end(`${why.message}\n`);
  }
}

http.createServer(onBeacon).listen(Number(port), "127.0.0.1");
if (enginePort) http.createServer(onEngine).listen(Number(enginePort), "127.0.0.1");
setInterval(onTick, 100);
follow();
