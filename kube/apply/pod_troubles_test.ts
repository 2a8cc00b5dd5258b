import assert from "node:assert/strict";
import fc from "fast-check";
import { ParseError, record } from "../objects/parse.ts";
import { podTroubles } from "./pod_troubles.ts";

const silent = () => Promise.resolve("");
const questions = { lastLine: silent, lastEvent: silent };

/** The troubles of a pod with such a status, in words. */
async function troubles(status: object, asked: Partial<typeof questions> = {}): Promise<string[]> {
  const pod = record({ metadata: { name: "p" }, status }, "pod");
  const found = await podTroubles(pod, { ...questions, ...asked });
  return found.map(({ text, lasting }) => lasting ? `${text} (lasting)` : text);
}

Deno.test("a ready pod has no troubles", async () => {
  assert.deepEqual(await troubles({ conditions: [{ type: "Ready", status: "True" }] }), []);
});

Deno.test("a pod's troubles are told by what its containers' states say", async () => {
  const container = (state: object, more: object = {}) => ({
    containerStatuses: [{ name: "c", image: "i", state, ...more }],
  });
  assert.deepEqual(await troubles(container({ waiting: { reason: "ErrImagePull", message: "denied" } })), [
    "container c of pod p: the image i can't be pulled (ErrImagePull): denied (lasting)",
  ]);
  assert.deepEqual(await troubles(container({ waiting: { reason: "ContainerCreating" } })), [
    "pod p isn't ready yet (unknown)",
  ]);
  const pulling = { ...container({ waiting: { reason: "ContainerCreating" } }), phase: "Pending" };
  assert.deepEqual(
    await troubles(pulling, { lastEvent: () => Promise.resolve('Pulling image "i"\n') }),
    ['pod p isn\'t ready yet (Pending): Pulling image "i"'],
  );
  const crashed = container({ waiting: { reason: "CrashLoopBackOff" } }, {
    restartCount: 3,
    lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } },
  });
  assert.deepEqual(await troubles(crashed, { lastLine: () => Promise.resolve("panic") }), [
    "container c of pod p ended with code 137 (out of memory), 3 restarts, last it wrote: panic (lasting)",
  ]);
});

Deno.test("any status is told on one line each, or is a ParseError", async () => {
  const word = fc.constantFrom(
    "Ready",
    "PodScheduled",
    "True",
    "False",
    "ErrImagePull",
    "CrashLoopBackOff",
    "Failed",
    "x",
  );
  const value = fc.oneof(word, fc.jsonValue());
  const state = fc.record({
    waiting: fc.record({ reason: value, message: value }, { requiredKeys: [] }),
    terminated: fc.record({ exitCode: value, reason: value }, { requiredKeys: [] }),
    running: value,
  }, { requiredKeys: [] });
  const status = fc.record({
    phase: value,
    conditions: fc.oneof(fc.jsonValue(), fc.array(fc.record({ type: value, status: value, message: value }))),
    containerStatuses: fc.oneof(
      fc.jsonValue(),
      fc.array(fc.record({ name: value, state, lastState: state, restartCount: value, ready: value })),
    ),
  }, { requiredKeys: [] });
  await fc.assert(fc.asyncProperty(status, async (status) => {
    const evil = () => Promise.resolve("a\u001b[31mline");
    const told = await troubles(status, { lastLine: evil, lastEvent: evil }).catch((error) => {
      assert.ok(error instanceof ParseError, String(error));
      return [];
    });
    for (const text of told) assert.ok(!/\p{C}/u.test(text) && text.length < 700, text);
  }));
});
