import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { ErrorCode, type Stream } from "../../hbone/mod.ts";
import { connected } from "../../hbone/testing/pair.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import { UDP_PROTOCOL } from "../../wire/streams.ts";
import { UdpFlow, type UdpOutcome } from "./udp_flow.ts";

const end = (
  port: number,
) => ({ family: 4, port, address: new Uint8Array([10, 244, 1, port % 256]) } as const);
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (payload: Uint8Array) => new TextDecoder().decode(payload);

/** A flow to a laptop that does with its stream what the test says. */
async function flowTo(laptop: (stream: Stream) => void) {
  const ends = connected(laptop);
  await ends.client.ready;
  const stream = ends.client.open([
    [":method", "CONNECT"],
    [":protocol", UDP_PROTOCOL],
    [":scheme", "https"],
    [":path", "/"],
    [":authority", "rule:53"],
  ]);
  const seen = { answers: [] as string[], passed: [] as string[], outcomes: [] as UdpOutcome[] };
  const flow = new UdpFlow({
    stream,
    rule: "rule",
    caller: end(1),
    destination: end(53),
    answer: (payload) => void seen.answers.push(text(payload)),
    pass: (payload) => void seen.passed.push(text(payload)),
    ended: (_flow, outcome) => void seen.outcomes.push(outcome),
  });
  return {
    flow,
    ...seen,
    ends,
    ended: () => until("it has ended", () => seen.outcomes.length > 0),
    [Symbol.asyncDispose]: () => ends[Symbol.asyncDispose](),
  };
}

function echoing(stream: Stream): void {
  stream.respond([[":status", "200"]]);
  const answer = (payload: Uint8Array) => void datagrams.send(bytes(`laptop ${text(payload)}`));
  const datagrams = new DatagramStream(stream, answer);
}

Deno.test("datagrams go to the laptop before it has answered, and its answers come back", async () => {
  await using to = await flowTo(echoing);
  for (const one of ["a", "b", "c"]) to.flow.send(bytes(one));
  await until("all are answered", () => to.answers.length === 3);
  assert.deepEqual(to.answers, ["laptop a", "laptop b", "laptop c"]);
  to.flow.close();
  await to.ended();
  assert.deepEqual([to.outcomes, to.passed], [[{ kind: "done" }], []]);
});

Deno.test("a flow that is closed before the laptop has answered ends at once, and once", async () => {
  for (const status of ["200", "502", "503"]) {
    const asked = Promise.withResolvers<Stream>();
    await using to = await flowTo(asked.resolve);
    to.flow.send(bytes("a"));
    const stream = await asked.promise;
    to.flow.close();
    assert.deepEqual(to.outcomes, [{ kind: "done" }]);
    assert.equal(to.flow.isOver(performance.now()), true);
    stream.respond([[":status", status]], { end: true });
    await until("the stream has ended", () => to.ends.client.streams === 0);
    assert.deepEqual([to.outcomes.length, to.flow.isOver(performance.now())], [1, true]);
  }
});

for (const status of ["403", "404", "503"]) {
  Deno.test(`what the laptop declines with ${status} goes to the pod, all that came meanwhile`, async () => {
    await using to = await flowTo((stream) => stream.respond([[":status", status]], { end: true }));
    for (const one of ["a", "b"]) to.flow.send(bytes(one));
    await to.ended();
    assert.equal(to.outcomes[0]?.kind, "declined");
    assert.deepEqual(to.passed, ["a", "b"]);
    assert.equal(to.flow.isOver(performance.now()), true);
  });
}

Deno.test("of what came before the laptop declines, the pod gets the first 16 KiB", async () => {
  const asked = Promise.withResolvers<Stream>();
  await using to = await flowTo(asked.resolve);
  for (let i = 0; i < 100; i++) to.flow.send(new Uint8Array(1024));
  (await asked.promise).respond([[":status", "503"]], { end: true });
  await to.ended();
  assert.equal(to.passed.length, 16);
});

Deno.test("a tunnel that breaks before an answer leaves the datagrams to the pod; later it only ends the flow", async () => {
  const asked = Promise.withResolvers<Stream>();
  await using early = await flowTo(asked.resolve);
  early.flow.send(bytes("a"));
  await asked.promise;
  early.ends.server.abort(ErrorCode.CANCEL, new Error("gone"));
  await early.ended();
  assert.deepEqual([early.outcomes[0]?.kind, early.passed], ["declined", ["a"]]);

  await using late = await flowTo(echoing);
  late.flow.send(bytes("a"));
  await until("it is answered", () => late.answers.length === 1);
  late.ends.server.abort(ErrorCode.CANCEL, new Error("gone"));
  await late.ended();
  assert.deepEqual([late.outcomes[0]?.kind, late.passed], ["broken", []]);
});

Deno.test("where the laptop's program refuses, datagrams are dropped for a second", async () => {
  const refusals: ((stream: Stream) => void)[] = [
    (stream) => stream.respond([[":status", "502"]], { end: true }),
    (stream) => {
      stream.respond([[":status", "200"]]);
      new DatagramStream(stream, () => {}).abort();
    },
  ];
  for (const refuses of refusals) {
    await using to = await flowTo(refuses);
    to.flow.send(bytes("a"));
    await to.ended();
    to.flow.send(bytes("b"));
    assert.equal(to.outcomes[0]?.kind, "refused");
    assert.deepEqual(to.passed, []);
    assert.equal(to.flow.isOver(performance.now()), false);
    assert.equal(to.flow.isOver(performance.now() + 1_000), true);
  }
});
