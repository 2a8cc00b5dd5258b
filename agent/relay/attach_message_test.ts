import assert from "node:assert/strict";
import fc from "fast-check";
import type { AttachMessage } from "../../wire/handover.ts";
import { HelloMismatch, helloOf } from "../../wire/hello.ts";
import { NotValid } from "../../wire/schema.ts";
import { parseAttachMessage } from "./attach_message.ts";

const uid = "6f1d";
const ports = [{ port: 8080, rule: "a" }];
const messages: AttachMessage[] = [
  {
    tell: "hello",
    hello: helloOf("handover"),
    cluster: "ca",
    pod: "p",
    node: "node-1",
  },
  { tell: "rules", rules: [{ uid, port: 8080, session: "s", publicKey: "k" }] },
  { tell: "pod", uid, pod: "p", addresses: ["10.244.0.7"], workers: 2, families: [4, 6], ports },
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

Deno.test("a message with any part of another type is refused", () => {
  const wrong = fc.constantFrom(undefined, null, true, -1, 1.5, 2 ** 60, {}, [[]]);
  fc.assert(
    fc.property(fc.constantFrom(...messages), fc.nat(), wrong, (message, at, value) => {
      const parts = Object.keys(message);
      const part = parts[at % parts.length] as string;
      if (part === "kubelet" && value === true) return;
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
