import assert from "node:assert/strict";
import { type Endpoint, parseAddress } from "../../net/address.ts";
import type { RelayMessage } from "../../wire/handover.ts";
import { SourceClassifier } from "./source_classifier.ts";

type Question = RelayMessage & { tell: "classify" };

function endpoint(text: string, port: number): Endpoint {
  const address = parseAddress(text);
  assert.ok(address);
  return { address, port };
}

Deno.test("attach has 128 questions at a time, and gets the next one, in order, for each that it answers", async () => {
  const asked: Question[] = [];
  const classifier = new SourceClassifier((question) => void asked.push(question));
  classifier.setHost(["10.0.0.1"]);
  const pod = endpoint("10.244.0.5", 8080);
  const all = Array.from(
    { length: 300 },
    (_, i) => classifier.classify(endpoint("10.0.0.1", 1_024 + i), pod),
  );
  assert.equal(asked.length, 128);
  for (let at = 0; at < 300; at++) {
    const question = asked[at];
    assert.equal(question?.caller, `10.0.0.1:${1_024 + at}`);
    classifier.answered(question?.id ?? -1, at % 2 === 0);
    await all[at];
    assert.equal(asked.length, Math.min(300, 129 + at));
  }
  assert.deepEqual(await Promise.all(all), all.map((_, i) => i % 2 === 0 ? "kubelet" : "node"));
});

Deno.test("a connection without an answer in time goes to the pod, and makes room for the next question", async () => {
  const asked: unknown[] = [];
  const classifier = new SourceClassifier((question) => void asked.push(question));
  classifier.setHost(["10.0.0.1"]);
  const [caller, pod] = [endpoint("10.0.0.1", 1_024), endpoint("10.244.0.5", 8080)];
  const all = Array.from({ length: 200 }, () => classifier.classify(caller, pod));
  assert.deepEqual(await Promise.all(all), all.map(() => "kubelet"));
  const before = asked.length;
  const next = classifier.classify(caller, pod);
  assert.equal(asked.length, before + 1);
  classifier.answered(200, false);
  assert.equal(await next, "node");
});

Deno.test("where the node has more addresses than fit in a message, attach is asked about every connection", async () => {
  const asked: Question[] = [];
  const classifier = new SourceClassifier((question) => void asked.push(question));
  classifier.setHost("any");
  const [caller, pod] = [endpoint("10.0.0.9", 1_024), endpoint("10.244.0.5", 8080)];
  const probe = classifier.classify(caller, pod);
  assert.equal(asked[0]?.caller, "10.0.0.9:1024");
  classifier.answered(asked[0]?.id ?? -1, true);
  assert.equal(await probe, "kubelet");
});

Deno.test("attach is asked only about connections from the node's own addresses", async () => {
  const classifier = new SourceClassifier(() => assert.fail("asked"));
  classifier.setHost(["10.0.0.1"]);
  const pod = endpoint("10.244.0.5", 8080);
  assert.equal(await classifier.classify(endpoint("10.0.0.2", 1), pod), "other");
  assert.equal(await classifier.classify(endpoint("169.254.7.127", 1), pod), "kubelet");
});
