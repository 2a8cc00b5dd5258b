import assert from "node:assert/strict";
import { type Endpoint, parseAddress } from "../../net/address.ts";
import type { RelayMessage } from "../../wire/handover.ts";
import { Whose } from "./source_classifier.ts";

function endpoint(text: string, port: number): Endpoint {
  const address = parseAddress(text);
  assert.ok(address);
  return { address, port };
}

Deno.test("attach has 128 questions at a time, and is asked the next one, in order, for each that it answers", async () => {
  const asked: (RelayMessage & { tell: "whose" })[] = [];
  const whose = new Whose((question) => void asked.push(question));
  whose.setHost(["10.0.0.1"]);
  const pod = endpoint("10.244.0.5", 8080);
  const all = Array.from({ length: 300 }, (_, i) => whose.whose(endpoint("10.0.0.1", 1_024 + i), pod));
  assert.equal(asked.length, 128);
  for (let at = 0; at < 300; at++) {
    const question = asked[at];
    assert.equal(question?.caller, `10.0.0.1:${1_024 + at}`);
    whose.answered(question?.id ?? -1, at % 2 === 0);
    await all[at];
    assert.equal(asked.length, Math.min(300, 129 + at));
  }
  assert.deepEqual(await Promise.all(all), all.map((_, i) => i % 2 === 0 ? "kubelet" : "node"));
});

Deno.test("what nobody answers in time is the pod's, and makes room for the next question", async () => {
  const asked: unknown[] = [];
  const whose = new Whose((question) => void asked.push(question));
  whose.setHost(["10.0.0.1"]);
  const [caller, pod] = [endpoint("10.0.0.1", 1_024), endpoint("10.244.0.5", 8080)];
  const all = Array.from({ length: 200 }, () => whose.whose(caller, pod));
  assert.deepEqual(await Promise.all(all), all.map(() => "kubelet"));
  const before = asked.length;
  const next = whose.whose(caller, pod);
  assert.equal(asked.length, before + 1);
  whose.answered(200, false);
  assert.equal(await next, "node");
});

Deno.test("only what comes from the node's own addresses is asked about", async () => {
  const whose = new Whose(() => assert.fail("asked"));
  whose.setHost(["10.0.0.1"]);
  const pod = endpoint("10.244.0.5", 8080);
  assert.equal(await whose.whose(endpoint("10.0.0.2", 1), pod), "other");
  assert.equal(await whose.whose(endpoint("169.254.7.127", 1), pod), "kubelet");
});
