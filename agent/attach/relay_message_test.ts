import assert from "node:assert/strict";
import fc from "fast-check";
import { MOST_LIMITED, type RelayMessage } from "../../wire/handover.ts";
import { HelloMismatch, helloOf } from "../../wire/hello.ts";
import { NotValid } from "../../wire/schema.ts";
import { MOST_SOCKETS, parseRelayMessage } from "./relay_message.ts";

const uid = "6f1dc9b4-0000-4000-8000-000000000001";
const messages: RelayMessage[] = [
  { tell: "hello", hello: helloOf("handover") },
  { tell: "proven", rules: [uid] },
  { tell: "limited", pods: [{ uid, limit: "connections" }, { uid, limit: "port" }] },
  { tell: "refused", uid },
  { tell: "request-sockets", uid, family: 6, count: MOST_SOCKETS },
  { tell: "classify", id: 7, caller: "10.77.1.1:40000", destination: "[fd00::1]:8080" },
];

const isRefusal = (error: unknown) => error instanceof NotValid || error instanceof HelloMismatch;

Deno.test("each message of relay is parsed as it was sent, without unknown parts", () => {
  for (const message of messages) assert.deepEqual(parseRelayMessage({ ...message, more: 1 }), message);
});

Deno.test("a message of relay with any part of another type is refused", () => {
  const wrong = fc.constantFrom(undefined, null, true, -1, 1.5, 2 ** 60, "", {}, [[]], "x".repeat(100));
  fc.assert(fc.property(fc.constantFrom(...messages), fc.nat(), wrong, (message, at, value) => {
    const parts = Object.keys(message);
    const part = parts[at % parts.length] ?? "tell";
    assert.throws(() => parseRelayMessage({ ...message, [part]: value }), isRefusal);
  }));
});

Deno.test("more sockets and rules than the limits are refused", () => {
  const sockets = { tell: "request-sockets", uid, family: 4, count: MOST_SOCKETS + 1 };
  const limited = { tell: "limited", pods: Array(MOST_LIMITED + 1).fill({ uid, limit: "port" }) };
  for (const message of [sockets, limited, { tell: "proven", rules: Array(501).fill(uid) }]) {
    assert.throws(() => parseRelayMessage(message), NotValid);
  }
});

Deno.test("any JSON is a message of relay, or refused by NotValid or HelloMismatch", () => {
  fc.assert(fc.property(fc.jsonValue(), (raw) => {
    try {
      parseRelayMessage(raw);
    } catch (error) {
      assert(isRefusal(error), String(error));
    }
  }));
});
