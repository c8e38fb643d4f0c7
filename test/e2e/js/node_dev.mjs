// Test tools drive a development chain: argument 1 is HTTP; viem's test client in both of its modes.
import assert from "node:assert/strict";
import { createTestClient, createPublicClient, createWalletClient, http, parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const [, , url] = process.argv;
const transport = http(url, { retryCount: 0 });
const client = createPublicClient({ transport, cacheTime: 0 });
const chain = { id: await client.getChainId(), name: "dev",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 }, rpcUrls: { default: { http: [url] } } };
const account = privateKeyToAccount("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
const wallet = createWalletClient({ account, chain, transport });
const to = "0x00000000000000000000000000000000000000ab";
const number = () => client.getBlockNumber();
const latest = () => client.getBlock();

for (const mode of ["anvil", "hardhat"]) {
  const test = createTestClient({ mode, chain, transport });
  let before = await number();
  await test.mine({ blocks: 3 });
  assert.equal(await number(), before + 3n);
  const last = await latest();
  await test.mine({ blocks: 2, interval: 60 });
  assert.equal((await latest()).timestamp - (await client.getBlock({ blockNumber: before + 4n })).timestamp, 60n);
  assert.ok((await latest()).timestamp >= last.timestamp + 60n);
  const at = (await latest()).timestamp + 1000n;
  await test.setNextBlockTimestamp({ timestamp: at });
  await test.mine({ blocks: 1 });
  assert.equal((await latest()).timestamp, at);
  await test.increaseTime({ seconds: 5000 });
  await test.mine({ blocks: 1 });
  assert.ok((await latest()).timestamp > BigInt(Math.floor(Date.now() / 1000)) + 4000n);

  // A time that no block could follow is none.
  before = await number();
  const end = "0xffffffffffffffff";
  for (const [method, params] of [["evm_mine", [end]], ["evm_setNextBlockTimestamp", [end]], ["evm_setTime", [end]],
    ["hardhat_mine", ["0x2", end]]]) {
    await assert.rejects(client.request({ method, params }), /too far into the future/);
  }
  assert.equal(await number(), before);

  // A snapshot brings back balances, nonces and the block number; what was undone stays undone.
  before = await number();
  const balance = await client.getBalance({ address: to }), nonce = await client.getTransactionCount(account);
  const id = await test.snapshot();
  const hash = await wallet.sendTransaction({ to, value: parseEther("1") });
  await client.waitForTransactionReceipt({ hash, pollingInterval: 20 });
  assert.equal(await client.getBalance({ address: to }), balance + parseEther("1"));
  await test.revert({ id });
  assert.equal(await number(), before);
  assert.equal(await client.getBalance({ address: to }), balance);
  assert.equal(await client.getTransactionCount({ address: account.address, blockTag: "pending" }), nonce);
  await new Promise((ok) => setTimeout(ok, 100));
  assert.equal(await number(), before);

  // Without automatic blocks a transaction waits.
  await test.setAutomine(false);
  assert.equal(await test.getAutomine(), false);
  const waiting = await wallet.sendTransaction({ to, value: 1n });
  await new Promise((ok) => setTimeout(ok, 100));
  assert.equal(await number(), before);
  await test.mine({ blocks: 1 });
  assert.equal((await client.getTransactionReceipt({ hash: waiting })).status, "success");
  await test.setAutomine(true);
  console.log(`done - ${mode}`);
}
await client.request({ method: "debug_setHead", params: ["0x3"] });
assert.equal(await number(), 3n);
console.log("done - setHead");
