// viem does everything against a node: argument 1 is HTTP, argument 2 WebSocket.
// Prints a line a case and fails with the first that is not as it should be.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  createPublicClient, createWalletClient, decodeEventLog, encodeFunctionData, http, webSocket,
  parseEther, parseGwei, keccak256,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";

const [, , httpUrl, wsUrl, probePath] = process.argv;
const { abi, bytecode } = JSON.parse(readFileSync(probePath, "utf8"));
const keys = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
  "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
];
const [alice, bob, carol] = keys.map((k) => privateKeyToAccount(k));
const transport = http(httpUrl, { retryCount: 0 });
const client = createPublicClient({ transport, pollingInterval: 50, cacheTime: 0 });
const id = await client.getChainId();
const chain = { id, name: "dev", nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [httpUrl] } } };
const wallet = (account) => createWalletClient({ account, chain, transport });
const mined = (hash) => client.waitForTransactionReceipt({ hash, timeout: 20_000, pollingInterval: 20 });
const done = (name) => console.log(`done - ${name}`);
const rpc = (method, params = []) => client.request({ method, params });

// ---- deploying and calling
const deployed = await mined(await wallet(alice).deployContract({ abi, bytecode: `0x${bytecode}` }));
assert.equal(deployed.status, "success");
const address = deployed.contractAddress;
assert.equal((await client.getCode({ address })).length > 1000, true);
done("deploy");

const write = async (functionName, args, more = {}) => {
  const hash = await wallet(more.account ?? alice).writeContract({ address, abi, functionName, args, ...more });
  return mined(hash);
};
const read = (functionName, args = [], more = {}) =>
  client.readContract({ address, abi, functionName, args, ...more });

const first = await write("set", [5n, 42n]);
assert.equal(await read("values", [5n]), 42n);
assert.equal(await read("values", [5n], { blockNumber: first.blockNumber - 1n }), 0n);
assert.equal(await read("values", [5n], { blockTag: "pending" }), 42n);
const simulated = await client.simulateContract({ address, abi, functionName: "make", args: [1n], account: alice });
assert.match(simulated.result, /^0x[0-9a-fA-F]{40}$/);
done("call");

for (const [fn, args, want] of [["fail", ["too bad"], "too bad"], ["custom", [7n], "Custom"], ["bad", [], "Panic"]]) {
  const error = await read(fn, args).then(() => null, (e) => e);
  assert.ok(error, `${fn} does not fail`);
  assert.ok(error.message.includes(want) || error.cause?.message?.includes(want) ||
    error.walk?.((e) => e.data?.errorName === want)?.data?.errorName === want, error.message);
}
done("reverts with reason, custom error and panic");

const over = await client.call({ to: "0x00000000000000000000000000000000000000ee",
  stateOverride: [{ address: "0x00000000000000000000000000000000000000ee", code: "0x60005460005260206000f3",
    stateDiff: [{ slot: `0x${"00".repeat(32)}`, value: `0x${"00".repeat(31)}2a` }] }] });
assert.equal(BigInt(over.data), 42n);
done("state overrides");

// ---- logs and filters
assert.equal(first.logs.length, 1);
const event = decodeEventLog({ abi, data: first.logs[0].data, topics: first.logs[0].topics });
assert.deepEqual([event.args.who, event.args.key, event.args.value], [alice.address, 5n, 42n]);
const filter = await client.createContractEventFilter({ address, abi, eventName: "Set", fromBlock: first.blockNumber });
const blockFilter = await client.createBlockFilter();
const nested = await write("nested", [4n]);
assert.equal(nested.status, "success");
const changes = await client.getFilterChanges({ filter });
assert.equal(changes.length, nested.logs.length);
assert.equal((await client.getFilterLogs({ filter })).length, nested.logs.length + 1);
assert.ok((await client.getFilterChanges({ filter: blockFilter })).includes(nested.blockHash));
assert.equal(await client.uninstallFilter({ filter }), true);
const logs = await client.getLogs({ address, fromBlock: 0n, toBlock: "latest" });
assert.equal(logs.length, nested.logs.length + 1);
const byKey = await client.getContractEvents({ address, abi, eventName: "Set", args: { key: 5n }, fromBlock: 0n });
assert.equal(byKey.length, 1);
done("logs and filters");

// ---- fees
const fees = await client.estimateFeesPerGas();
assert.ok(fees.maxFeePerGas > fees.maxPriorityFeePerGas);
const history = await client.getFeeHistory({ blockCount: 3, rewardPercentiles: [10, 50, 90] });
assert.equal(history.baseFeePerGas.length, history.gasUsedRatio.length + 1);
assert.equal(history.reward.length, history.gasUsedRatio.length);
assert.ok(await client.getGasPrice() > 0n);
assert.ok(await client.getBlobBaseFee() >= 1n);
assert.equal(await client.estimateGas({ account: alice, to: bob.address, value: 1n }), 21000n);
const gas = await client.estimateContractGas({ address, abi, functionName: "nested", args: [4n], account: alice });
const exact = await write("nested", [4n], { gas });
assert.equal(exact.status, "success");
done("fees and estimates");

// ---- transactions of every type
for (const [type, extra] of [["legacy", { gasPrice: fees.maxFeePerGas }],
  ["eip2930", { gasPrice: fees.maxFeePerGas, accessList: [{ address, storageKeys: [`0x${"00".repeat(32)}`] }] }],
  ["eip1559", { maxFeePerGas: fees.maxFeePerGas, maxPriorityFeePerGas: parseGwei("1") }]]) {
  const before = await client.getBalance({ address: carol.address });
  const hash = await wallet(bob).sendTransaction({ to: carol.address, value: parseEther("1"), type, ...extra });
  const receipt = await mined(hash);
  assert.equal(receipt.status, "success");
  assert.equal(receipt.type, type);
  assert.equal(await client.getBalance({ address: carol.address }) - before, parseEther("1"));
  const tx = await client.getTransaction({ hash });
  assert.equal(tx.blockHash, receipt.blockHash);
  const block = await client.getBlock({ blockHash: receipt.blockHash, includeTransactions: true });
  assert.equal(block.transactions[receipt.transactionIndex].hash, hash);
  if (type === "eip1559") assert.equal(receipt.effectiveGasPrice, block.baseFeePerGas + parseGwei("1"));
}
done("legacy, 2930 and 1559 transactions");

const raw = await bob.signTransaction({ type: "eip1559", chainId: id, nonce: 3, gas: 21_000n, to: carol.address, value: 1n,
  maxFeePerGas: fees.maxFeePerGas * 2n, maxPriorityFeePerGas: parseGwei("1") });
const at_once = await rpc("eth_sendRawTransactionSync", [raw, 5000]);
assert.equal(at_once.status, "0x1");
assert.equal(at_once.transactionHash, keccak256(raw));
const gapped = await bob.signTransaction({ type: "eip1559", chainId: id, nonce: 9, gas: 21_000n, to: carol.address,
  maxFeePerGas: fees.maxFeePerGas * 2n, maxPriorityFeePerGas: parseGwei("1") });
const late = await rpc("eth_sendRawTransactionSync", [gapped, 50]).then(() => null, (e) => e);
assert.match(late.message, /in no block after 50ms/);
done("transactions waited for");

const authorization = await wallet(carol).signAuthorization({ contractAddress: address });
const delegated = await mined(await wallet(alice).sendTransaction({
  authorizationList: [authorization], to: carol.address,
  data: encodeFunctionData({ abi, functionName: "set", args: [9n, 99n] }) }));
assert.equal(delegated.status, "success");
assert.equal(delegated.type, "eip7702");
assert.equal((await client.getCode({ address: carol.address })).toLowerCase(), `0xef0100${address.slice(2)}`.toLowerCase());
assert.equal(await client.readContract({ address: carol.address, abi, functionName: "values", args: [9n] }), 99n);
done("7702 delegation");

// ---- proofs, receipts, storage, access lists, nonces
const slot = keccak256(`0x${(5n).toString(16).padStart(64, "0")}${"00".repeat(32)}`);
const proof = await client.getProof({ address, storageKeys: [slot] });
assert.equal(proof.storageProof[0].value, 42n);
assert.equal(BigInt(await client.getStorageAt({ address, slot })), 42n);
const list = await client.createAccessList({ account: alice.address, to: address,
  data: encodeFunctionData({ abi, functionName: "values", args: [5n] }) });
assert.ok(list.accessList.some((e) => e.storageKeys.includes(slot)));
const receipts = await rpc("eth_getBlockReceipts", [`0x${nested.blockNumber.toString(16)}`]);
assert.equal(receipts[nested.transactionIndex].transactionHash, nested.transactionHash);
assert.equal(await client.getTransactionCount({ address: bob.address }), 4);
assert.equal(await client.getTransactionCount({ address: bob.address, blockTag: "pending" }), 4);
done("proofs, storage, access lists, nonces");

// ---- simulation
const blocks = await client.simulateBlocks({ blocks: [
  { calls: [{ account: alice, to: address, data: encodeFunctionData({ abi, functionName: "set", args: [1n, 11n] }) },
    { to: address, data: encodeFunctionData({ abi, functionName: "values", args: [1n] }) }] },
  { blockOverrides: { baseFeePerGas: 100n }, stateOverrides: [{ address: "0x00000000000000000000000000000000000000aa", balance: 5n }],
    calls: [{ account: "0x00000000000000000000000000000000000000aa", to: bob.address, value: 5n }] }] });
assert.equal(blocks.length, 2);
assert.equal(BigInt(blocks[0].calls[1].data), 11n);
assert.equal(blocks[0].calls[0].logs.length, 1);
assert.equal(blocks[1].calls[0].status, "success");
assert.equal(blocks[1].baseFeePerGas, 100n);
assert.equal(blocks[1].number, blocks[0].number + 1n);
assert.equal(blocks[1].parentHash, blocks[0].hash);
done("simulateV1");

// ---- batches
const batched = createPublicClient({ transport: http(httpUrl, { batch: { wait: 5 } }), cacheTime: 0 });
const many = await Promise.all(Array.from({ length: 20 }, (_, i) =>
  i % 2 ? batched.getBalance({ address: alice.address }) : batched.getBlock({ blockNumber: 1n })));
assert.equal(many.length, 20);
done("batches");

// ---- subscriptions
const live = createPublicClient({ transport: webSocket(wsUrl, { retryCount: 0 }) });
const heads = [], events = [], pending = [], problems = [];
const onError = (e) => problems.push(e);
const stops = [
  live.watchBlocks({ onBlock: (b) => heads.push(b.number), onError }),
  live.watchContractEvent({ address, abi, eventName: "Set", onLogs: (l) => events.push(...l), onError }),
  live.watchPendingTransactions({ onTransactions: (t) => pending.push(...t), onError }),
];
await new Promise((r) => setTimeout(r, 500));
const told = await write("set", [6n, 66n], { account: bob });
for (let i = 0; i < 100 && (!heads.includes(told.blockNumber) || !events.length || !pending.length); i++) {
  await new Promise((r) => setTimeout(r, 50));
}
assert.deepEqual(problems, []);
assert.ok(heads.includes(told.blockNumber));
assert.equal(events[0].transactionHash, told.transactionHash);
assert.ok(pending.includes(told.transactionHash));
stops.forEach((stop) => stop());
await new Promise((r) => setTimeout(r, 200));
done("subscriptions");
process.exit(0);
