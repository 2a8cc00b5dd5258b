import assert from "node:assert/strict";
import fc from "fast-check";
import { LONGEST } from "../../ffi/sockets/seqpacket.ts";
import { limits } from "../attach/plan.ts";
import {
  type AttachMessage,
  MOST_HOST_ADDRESSES,
  type RelayedRule,
  type SteeredPort,
} from "../../wire/handover.ts";
import { HelloMismatch, helloOf } from "../../wire/hello.ts";
import { NotValid } from "../../wire/schema.ts";
import { MOST_CALLER_ADDRESSES } from "../attach/callers.ts";
import { type Match, matchLimits } from "../../wire/match.ts";
import { parseAttachMessage } from "./attach_message.ts";

const uid = "6f1d";
const ports: SteeredPort[] = [
  { protocol: "tcp", port: 8080, personal: ["b", "c"], whole: "a" },
  { protocol: "udp", port: 8081, personal: [] },
];
const messages: AttachMessage[] = [
  {
    tell: "hello",
    hello: helloOf("handover"),
    clusterUid: "4dd3c45c-2ea0-4d2f-a5a8-b0e8c1a3c0de",
    caHash: "ca",
    pod: "p",
    node: "node-1",
  },
  { tell: "rules", rules: [{ uid, port: 8080, session: "s", publicKey: "k" }] },
  { tell: "match", rule: "b", match: { hosts: ["a.example"] }, callers: ["10.244.1.7"] },
  {
    tell: "pod",
    uid,
    pod: "p",
    addresses: ["10.244.0.7"],
    workers: 2,
    families: [4, 6],
    datagrams: [4],
    ports,
  },
  { tell: "ports", uid, ports },
  { tell: "released", uid },
  { tell: "sockets", uid, family: 6 },
  { tell: "host", addresses: ["10.77.1.1"] },
  { tell: "classified", id: 7, kubelet: true },
];

Deno.test("each message of attach is parsed as it was sent, without unknown parts", () => {
  for (const message of messages) {
    const sent = { ...JSON.parse(JSON.stringify(message)), more: 1 };
    assert.deepEqual(parseAttachMessage(sent), message);
  }
});

/** `count` of these. */
function many<T>(count: number, of: T): T[] {
  return Array.from({ length: count }, () => of);
}

const longUid = "f".repeat(64);
const relayed: RelayedRule = { uid: longUid, port: 65_535, session: longUid, publicKey: "k".repeat(64) };
/** A rule is in one port of a pod. */
const personal = limits.rulesPerNode - limits.portsPerPod;
const steered = Array.from({ length: limits.portsPerPod }, (_, i) => ({
  protocol: "udp" as const,
  port: 65_535,
  personal: many(i < 2 ? personal / 2 : 0, longUid),
  whole: longUid,
}));
const value = { name: "n".repeat(64), prefix: "v".repeat(512) };
const label = (i: number) => [`${i}${"p".repeat(252)}/${"l".repeat(63)}`, "v".repeat(63)];
const longMatch: Match = {
  hosts: many(matchLimits.hosts, Array(5).fill("h".repeat(49)).join(".")),
  paths: many(matchLimits.paths, { prefix: `/${"p".repeat(511)}` }),
  methods: many(matchLimits.methods, "M".repeat(32)),
  headers: many(matchLimits.named, value),
  cookies: many(matchLimits.named, value),
  baggage: many(matchLimits.named, value),
  callers: many(matchLimits.callers, {
    namespace: "n".repeat(63),
    labels: Object.fromEntries(Array.from({ length: matchLimits.labels }, (_, i) => label(i))),
  }),
};
const addresses = many(MOST_HOST_ADDRESSES, "2001:0db8:ffff:ffff:ffff:ffff:255.255.255.255");
const largest: AttachMessage[] = [
  { tell: "rules", rules: many(limits.rulesPerNode, relayed) },
  {
    tell: "pod",
    uid: longUid,
    pod: "p".repeat(317),
    addresses: many(64, "a".repeat(64)),
    workers: 64,
    families: [4, 6],
    datagrams: [4, 6],
    ports: steered,
  },
  { tell: "ports", uid: longUid, ports: steered },
  {
    tell: "match",
    rule: longUid,
    match: longMatch,
    callers: many(MOST_CALLER_ADDRESSES, "2001:0db8:ffff:ffff:ffff:ffff:ffff:ffff"),
  },
  { tell: "host", addresses },
];

for (const message of largest) {
  Deno.test(`a message "${message.tell}" with as much as its limits allow is taken, and is no longer than a message may be`, () => {
    assert.deepEqual(parseAttachMessage(message), message);
    const bytes = new TextEncoder().encode(JSON.stringify(message)).length;
    assert(bytes <= LONGEST, `${bytes} of ${LONGEST} bytes`);
  });
}

Deno.test("addresses beyond the limit are refused, and told as `any`", () => {
  const more = { tell: "host", addresses: [...addresses, "10.0.0.1"] };
  assert.throws(() => parseAttachMessage(more), /addresses is not a valid list: expected up to 5000 values/);
  const any: AttachMessage = { tell: "host", addresses: "any" };
  assert.deepEqual(parseAttachMessage(any), any);
});

Deno.test("a message with any part of another type is refused", () => {
  const wrong = fc.constantFrom(undefined, null, true, -1, 1.5, 2 ** 60, {}, [[]]);
  fc.assert(
    fc.property(fc.constantFrom(...messages), fc.nat(), wrong, (message, at, value) => {
      const parts = Object.keys(message);
      const part = parts[at % parts.length] as string;
      const isOptional = part === "callers" || part === "match";
      if (part === "kubelet" && value === true || isOptional && value === undefined) return;
      assert.throws(() => parseAttachMessage({ ...message, [part]: value }), isRefusal);
    }),
  );
});

Deno.test("any JSON is a message, or refused by NotValid or HelloMismatch", () => {
  const tells = fc.constantFrom(...messages.map(({ tell }) => tell));
  const any = fc.oneof(
    fc.jsonValue(),
    fc.tuple(tells, fc.dictionary(fc.string(), fc.jsonValue())).map(([tell, rest]) => ({ ...rest, tell })),
  );
  fc.assert(fc.property(any, (raw) => {
    try {
      parseAttachMessage(raw);
    } catch (error) {
      assert(isRefusal(error), String(error));
    }
  }));
});

function isRefusal(error: unknown): boolean {
  return error instanceof NotValid || error instanceof HelloMismatch;
}
