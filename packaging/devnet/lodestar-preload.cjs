// Loaded before Lodestar 1.5.1: its preset, and what one of its dependencies wants of newer Node.js.
// SPDX-License-Identifier: MIT
process.env.LODESTAR_PRESET = "minimal";
Promise.withResolvers ??= function withResolvers() {
  let resolve, reject;
  const promise = new this((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};

// A beacon node without peers takes itself for one that waits for them, for ever, once the clock is
// an epoch ahead of its head: a machine that was too busy for 16 seconds would end its chain, or
// never begin it. There is nobody whom this one could ask for blocks: it is never behind.
Object.defineProperty(Object.prototype, "slotImportTolerance", {
  configurable: true,
  set() {
    Object.defineProperty(this, "slotImportTolerance", { value: 1e9 });
  },
});
