import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { types } from "../../dns/message.ts";
import { fakeUpstream, queryFor } from "../testing/fake_upstream.ts";
import { askForCompleted } from "./completed_name.ts";
import { type Nameserver, UdpForwarder } from "./forward.ts";

const query = queryFor("echo.corp.example", types.A);
const { signal } = new AbortController();

async function closed(): Promise<Nameserver> {
  await using upstream = await fakeUpstream();
  return upstream.nameserver;
}

async function timed<T>(work: Promise<T>): Promise<{ answer: T; ms: number }> {
  const start = performance.now();
  const answer = await work;
  return { answer, ms: performance.now() - start };
}

Deno.test("the nameserver that was asked answers, and no other is asked", async () => {
  await using asked = await fakeUpstream();
  await using other = await fakeUpstream();
  const answer = await askForCompleted(
    query,
    asked.nameserver,
    [other.nameserver],
    new UdpForwarder(),
    signal,
  );
  assert.deepEqual(answer, asked.given[0]);
  assert.deepEqual(other.asked, []);
});

Deno.test("where it is silent, another one answers; the next time without a pause", async () => {
  await using asked = await fakeUpstream(() => undefined);
  await using other = await fakeUpstream();
  const forwarder = new UdpForwarder();
  const ask = () => askForCompleted(query, asked.nameserver, [other.nameserver], forwarder, signal);
  assert.deepEqual((await timed(ask())).answer, other.given[0]);
  const { answer, ms } = await timed(ask());
  assert.deepEqual(answer, other.given[1]);
  assert.ok(ms < 200, `${ms} ms`);
  await until("the other query is withdrawn", () => forwarder.inFlight === 0);
});

Deno.test("where all are silent nobody waits for long, and for less the next time", async () => {
  await using asked = await fakeUpstream(() => undefined);
  await using other = await fakeUpstream(() => undefined);
  const forwarder = new UdpForwarder();
  const ask = () => askForCompleted(query, asked.nameserver, [other.nameserver], forwarder, signal);
  const first = await timed(ask());
  assert.equal(first.answer, undefined);
  assert.ok(first.ms < 1_500, `${first.ms} ms`);
  const second = await timed(ask());
  assert.equal(second.answer, undefined);
  assert.ok(second.ms < 500, `${second.ms} ms`);
});

Deno.test("where it refuses, the others are asked at once; where all refuse there is no answer at once", async () => {
  await using other = await fakeUpstream();
  const forwarder = new UdpForwarder();
  const refusing = await closed();
  const one = await timed(askForCompleted(query, refusing, [other.nameserver], forwarder, signal));
  assert.deepEqual(one.answer, other.given[0]);
  assert.ok(one.ms < 200, `${one.ms} ms`);
  const none = await timed(askForCompleted(query, refusing, [], forwarder, signal));
  assert.equal(none.answer, undefined);
  assert.ok(none.ms < 200, `${none.ms} ms`);
});
