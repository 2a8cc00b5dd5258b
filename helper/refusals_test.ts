import assert from "node:assert/strict";
import { FakeClock } from "../async/testing/fake_clock.ts";
import { until } from "../async/testing/until.ts";
import type { RefusalNews } from "../wire/helper.ts";
import { parseAddress } from "../net/address.ts";
import { REFUSAL_BYTES, RefusalReporter, REFUSALS_BYTES, type RefusalSource } from "./refusals.ts";

const NOW = 5_000_000_000n;

interface Given {
  readonly to?: string;
  readonly port?: number;
  readonly protocol?: number;
  readonly process?: number;
  readonly program?: string;
  /** Milliseconds before now. */
  readonly before?: number;
}

/** struct refusal, as the hook writes it. */
function recordOf(
  { to = "10.96.0.7", port = 80, protocol = 6, process = 4312, program = "node", before = 0 }: Given = {},
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(REFUSAL_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, NOW - BigInt(before) * 1_000_000n, true);
  view.setUint32(8, process, true);
  view.setUint16(12, protocol, true);
  view.setUint16(14, port);
  const address = parseAddress(to);
  assert.ok(address);
  bytes.set(address.bytes, 16);
  bytes.set(new TextEncoder().encode(program), 32);
  return bytes;
}

/** A reporter of a source that a test fills, with a clock that the test advances. */
function reporting() {
  const records: Uint8Array<ArrayBuffer>[] = [];
  const told: RefusalNews[] = [];
  const errors: unknown[] = [];
  const clock = new FakeClock();
  let news = Promise.withResolvers<void>();
  let closed = false;
  const state = { lost: 0, full: false, broken: false, looks: 0 };
  const source: RefusalSource = {
    async ready() {
      while (!closed && records.length === 0) await news.promise;
      return !closed;
    },
    read(take) {
      state.looks++;
      for (let record = records.shift(); record; record = records.shift()) if (!take(record)) return;
    },
    lost() {
      if (state.broken) throw new Error("no such map");
      return state.lost;
    },
    now: () => NOW,
    [Symbol.dispose]() {
      closed = true;
      news.resolve();
    },
  };
  const reporter = new RefusalReporter(source, {
    tell(message) {
      if (!state.full) told.push(message);
      return !state.full;
    },
    failed: (error) => void errors.push(error),
  }, clock);
  return {
    told,
    errors,
    state,
    clock,
    messages: (count: number) => until(`${count} messages`, () => told.length === count),
    refuse(...added: Uint8Array<ArrayBuffer>[]) {
      records.push(...added);
      news.resolve();
      news = Promise.withResolvers();
    },
    [Symbol.asyncDispose]: () => reporter[Symbol.asyncDispose](),
  };
}

Deno.test("a refusal is told at once: which program, where to, when", async () => {
  await using at = reporting();
  at.refuse(recordOf({ before: 3 }));
  await at.messages(1);
  const common = { process: 4312, program: "node", count: 1, sinceFirst: 3, sinceLast: 3 };
  assert.deepEqual(at.told, [{
    refusals: [{ protocol: "tcp", address: "10.96.0.7", port: 80, ...common }],
    omitted: 0,
  }]);
});

Deno.test("IPv6 and UDP are told as such", async () => {
  await using at = reporting();
  at.refuse(recordOf({ to: "fd00:10::a", port: 53, protocol: 17 }));
  await at.messages(1);
  const [{ protocol, address, port } = assert.fail()] = at.told[0]?.refusals ?? [];
  assert.deepEqual([protocol, address, port], ["udp", "fd00:10::a", 53]);
});

Deno.test("equal refusals are one with a count, and the next message is a pause later", async () => {
  await using at = reporting();
  at.refuse(recordOf());
  await at.messages(1);
  const burst = Array.from({ length: 1_000 }, (_, i) => recordOf({ before: 1_000 - i }));
  at.refuse(...burst, recordOf({ process: 4313 }), recordOf({ port: 81 }));
  await at.clock.advance(249);
  assert.equal(at.told.length, 1);
  await at.clock.advance(1);
  await at.messages(2);
  const { refusals, omitted } = at.told[1] ?? assert.fail();
  assert.deepEqual(refusals.map(({ process, port, count }) => [process, port, count]), [
    [4312, 80, 1_000],
    [4313, 80, 1],
    [4312, 81, 1],
  ]);
  assert.deepEqual([refusals[0]?.sinceFirst, refusals[0]?.sinceLast, omitted], [1_000, 1, 0]);
});

Deno.test("many different refusals are counted beyond the first ones, and so is what found no room", async () => {
  await using at = reporting();
  at.state.lost = 7;
  at.refuse(...Array.from({ length: 300 }, (_, i) => recordOf({ port: 1_000 + i })));
  await at.messages(1);
  assert.deepEqual([at.told[0]?.refusals.length, at.told[0]?.omitted], [256, 44 + 7]);
  at.refuse(recordOf());
  await at.clock.advance(250);
  await at.messages(2);
  assert.equal(at.told[1]?.omitted, 0);
});

Deno.test("what can't be sent is counted in the next message", async () => {
  await using at = reporting();
  at.state.full = true;
  at.refuse(recordOf(), recordOf(), recordOf({ port: 81 }));
  await until("the first look", () => at.state.looks === 1);
  at.state.full = false;
  at.refuse(recordOf());
  await at.clock.advance(250);
  await at.messages(1);
  assert.deepEqual([at.told[0]?.refusals.length, at.told[0]?.omitted], [1, 3]);
});

Deno.test("a map that can't be read ends the reports, and nothing else", async () => {
  await using at = reporting();
  at.state.broken = true;
  at.refuse(recordOf());
  await until("an error", () => at.errors.length === 1);
});

Deno.test("C and TypeScript agree on a refusal", () => {
  const source = Deno.readTextFileSync(new URL("../bpf/capture.bpf.c", import.meta.url));
  assert.match(source, new RegExp(`^#define REFUSALS_BYTES ${REFUSALS_BYTES}\\b`, "m"));
  assert.match(source, /^#define PROGRAM_BYTES 16\b/m);
  const fieldsOf = (name: string) =>
    [...(new RegExp(`struct ${name} \\{([^}]*)\\}`).exec(source)?.[1] ?? "").matchAll(
      /^\s*(__u64|__u32|__u16|struct address|struct attempt|char) (\w+)(?:\[\w+\])?;/gm,
    )].map(([, type, name]) => `${type} ${name}`);
  assert.deepEqual(fieldsOf("refusal"), ["__u64 time", "struct attempt attempt", "char program"]);
  assert.deepEqual(fieldsOf("attempt"), [
    "__u32 process",
    "__u16 protocol",
    "__u16 port",
    "struct address address",
  ]);
});
