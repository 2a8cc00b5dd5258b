/** Connections of which some streams are withheld from the pod, with a caller that checks every frame. */
import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { ErrorCode, type Stream } from "../../hbone/mod.ts";
import { type CallerStream, frameCaller } from "./testing/frame_caller.ts";
import { front } from "./testing/http2_front.ts";
import { type Answer, handPod, hers, read, request, rules, server, write } from "./testing/http2_programs.ts";

const from = (stream: CallerStream) => stream.blocks[0]?.find(([name]) => name === "server")?.[1];

for (const creditAt of [0, 20_000, 60_000]) {
  for (const window of [1_000, 65_535, 300_000]) {
    Deno.test(`answers of the pod and of a laptop share a caller's window of 65,535 bytes that is filled up at ${creditAt}, with ${window} for each stream`, async () => {
      await using pod = server("pod");
      await using alices = server("alice");
      await using at = front(pod.port, rules(alices));
      await using caller = await frameCaller(at.port, { creditAt, settings: [[4, window]] });
      const size = window === 1_000 ? 30_000 : 300_000;
      for (let round = 0; round < 2; round++) {
        const all = Array.from(
          { length: 6 },
          (_, i) => caller.open((i % 2 === 0 ? hers : request)(`/big/${size + i}`)),
        );
        await caller.end(...all);
        assert.deepEqual(all.map(({ bytes }) => bytes), all.map((_, i) => size + i));
        assert.deepEqual(all.map(from), all.map((_, i) => i % 2 === 0 ? "alice" : "pod"));
      }
    });
  }
}

for (const window of [500, 65_535, 1024 * 1024]) {
  Deno.test(`a caller sends to the pod and to a laptop, though the pod gives each stream ${window} bytes and the connection little`, async () => {
    const limited = { limits: { buffered: 65_535 }, settings: { initialWindowSize: window } };
    await using pod = server("pod", limited);
    await using alices = server("alice");
    await using at = front(pod.port, rules(alices));
    await using caller = await frameCaller(at.port);
    await until("settings have come", () => caller.settingsSeen.length > 0);
    const size = window === 500 ? 20_000 : 400_000;
    const all = Array.from(
      { length: 6 },
      (_, i) => caller.open((i % 2 === 0 ? hers : request)(`/${i}`), false),
    );
    await Promise.all(all.map((stream, i) => caller.data(stream, size + i)));
    await caller.end(...all);
    assert.deepEqual(
      all.map(({ text }) => text),
      all.map((_, i) => `${i % 2 === 0 ? "alice" : "pod"} /${i} ${size + i}`),
    );
  });
}

Deno.test("a caller that reads nothing of a laptop's answer still gets what the pod says of its upload", async () => {
  await using pod = server("pod", { limits: { buffered: 65_535 } });
  await using alices = server("alice");
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port, { creditAt: -1 });
  const big = caller.open(hers("/big/1000000"));
  await until("the laptop's answer has taken the window", () => caller.receive === 0);
  const upload = caller.open(request("/upload"), false);
  await caller.data(upload, 300_000);
  await until("the pod has answered", () => upload.blocks.length > 0);
  caller.credit(0, 10_000_000);
  caller.receive += 10_000_000;
  await caller.end(big, upload);
  assert.equal(upload.text, "pod /upload 300000");
  assert.equal(big.bytes, 1_000_000);
});

Deno.test("a caller that has reduced the table of headers gets the acknowledgement, whichever end answers first", async () => {
  await using pod = server("pod");
  await using alices = server("alice");
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port, { settings: [[1, 0]] });
  await until("settings have come", () => caller.settingsSeen.length > 0);
  const all = [caller.open(hers("/1")), caller.open(request("/2")), caller.open(hers("/3"))];
  await caller.end(...all);
  assert.deepEqual(all.map(({ text }) => text), ["alice /1 0", "pod /2 0", "alice /3 0"]);
});

Deno.test("trailers go both ways, of streams of the pod and of a laptop", async () => {
  const answer = (name: string): Answer => async (stream) => {
    const got = await read(stream);
    stream.respond([[":status", "200"], ["server", name]]);
    await write(stream, new TextEncoder().encode(`${got}`));
    await stream.closeWrite();
  };
  await using pod = server("pod", { answer: answer("pod") });
  await using alices = server("alice", { answer: answer("alice") });
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  const all = [hers("/"), request("/"), hers("/"), request("/")].map((headers) =>
    caller.open(headers, false)
  );
  for (const stream of all) await caller.data(stream, 10, false);
  for (const stream of all) caller.headers(stream, [["x-sum", "abc"], ["user-agent", "trailers"]], true);
  await caller.end(...all);
  assert.deepEqual(all.map((stream) => `${from(stream)} ${stream.text}`), [
    "alice 10",
    "pod 10",
    "alice 10",
    "pod 10",
  ]);
});

Deno.test("a stream that its caller resets is reset for the one that answers it, and no other is", async () => {
  const held: Stream[] = [];
  const hold: Answer = (stream) => void held.push(stream);
  await using pod = server("pod", { answer: hold });
  await using alices = server("alice", { answer: hold });
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  const all = [
    caller.open(hers("/1"), false),
    caller.open(request("/2"), false),
    caller.open(hers("/3"), false),
  ];
  await until("all have come", () => held.length === 3);
  const [first, second, third] = ["/1", "/2", "/3"].map((path) =>
    held.find(({ request }) => request.some(([, value]) => value === path))
  );
  for (const stream of all.slice(0, 2)) caller.reset(stream, ErrorCode.CANCEL);
  const reset = { kind: "reset", code: ErrorCode.CANCEL, by: "peer" };
  assert.deepEqual([await first?.closed, await second?.closed], [reset, reset]);
  third?.respond([[":status", "204"]], { end: true });
  third?.reset(ErrorCode.NO_ERROR);
  await caller.end(...all.slice(2));
  assert.equal(all[2]?.ended, true);
});

Deno.test("what a laptop has begun to answer is answered though the pod sends its callers away and goes", async () => {
  const held: Stream[] = [];
  await using pod = server("pod");
  await using alices = server("alice", { answer: (stream) => void held.push(stream) });
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  await caller.end(caller.open(request("/1")));
  const stream = caller.open(hers("/2"));
  await until("the laptop has it", () => held.length === 1);
  pod.connections[0]?.drain();
  await until("the caller was told", () => caller.goaways.length > 0);
  assert.deepEqual(caller.goaways[0], { last: stream.id, code: ErrorCode.NO_ERROR });
  await pod.connections[0]?.closed;
  held[0]?.respond([[":status", "200"]]);
  await held[0]?.closeWrite();
  await caller.end(stream);
  assert.ok(stream.ended);
  await until("the connection has ended", () => caller.ended);
});

Deno.test("streams that the pod has not processed when it sends its callers away are refused", async () => {
  const held: Stream[] = [];
  await using pod = server("pod", { answer: (stream) => void held.push(stream) });
  await using alices = server("alice", { answer: (stream) => void held.push(stream) });
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  const first = caller.open(request("/1"), false);
  await until("the pod has it", () => held.length === 1);
  pod.connections[0]?.drain();
  const [second, third] = [caller.open(request("/2"), false), caller.open(hers("/3"), false)];
  await until("the caller was told", () => caller.goaways.length > 0);
  const told = Math.min(...caller.goaways.map(({ last }) => last));
  // Either the caller was told before the laptop got its stream, or the pod's own were refused one by one.
  if (told >= third.id) await caller.end(second);
  else assert.ok(told < second.id);
  assert.equal(first.reset, undefined);
  caller.check();
});

Deno.test("a pod that dies takes its own streams with it, and not those of a laptop", async () => {
  const held: Stream[] = [];
  const hold: Answer = (stream) => void held.push(stream);
  await using pod = server("pod", { answer: hold });
  await using alices = server("alice", { answer: hold });
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  const [theirs, ours] = [caller.open(request("/1")), caller.open(hers("/2"))];
  await until("both have come", () => held.length === 2);
  for (const socket of pod.sockets) socket.close();
  await caller.end(theirs);
  assert.notEqual(theirs.reset, undefined);
  assert.equal(ours.reset, undefined);
  const answered = held.find(({ request }) => request.some(([, value]) => value === "/2"));
  answered?.respond([[":status", "200"]], { end: true });
  await caller.end(ours);
  assert.ok(ours.ended);
  await until("the connection has ended", () => caller.ended);
});

Deno.test("a rule that goes leaves its open streams where they are, and has no further ones", async () => {
  const held: Stream[] = [];
  await using pod = server("pod");
  await using alices = server("alice", { answer: (stream) => void held.push(stream) });
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  const open = caller.open(hers("/1"), false);
  await until("the laptop has it", () => held.length === 1);
  at.set(0, false);
  const next = caller.open(hers("/2"));
  await caller.end(next);
  assert.equal(next.text, "pod /2 0");
  await caller.data(open, 100);
  held[0]?.respond([[":status", "200"]], { end: true });
  await caller.end(open);
  assert.equal(open.reset, undefined);
});

Deno.test("a laptop that doesn't read holds up neither the pod's streams nor another laptop's", async () => {
  const held: Stream[] = [];
  await using pod = server("pod", { settings: { initialWindowSize: 100_000 } });
  await using alices = server("alice", { answer: (stream) => void held.push(stream) });
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  await until("settings have come", () => caller.settingsSeen.length > 0);
  const stalled = Array.from({ length: 20 }, () => caller.open(hers("/"), false));
  for (const stream of stalled) await caller.data(stream, 100_000, false);
  const upload = caller.open(request("/upload"), false);
  await caller.data(upload, 1_000_000);
  await caller.end(upload);
  assert.equal(upload.text, "pod /upload 1000000");
});

Deno.test("a caller is told of every change of a pod's settings", async () => {
  await using pod = handPod();
  await using at = front(pod.port, rules(pod));
  await using caller = await frameCaller(at.port);
  await pod.say(0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2);
  await until("it was told", () => caller.settingsSeen.length === 1);
  await pod.say(0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 200);
  await until("it was told again", () => caller.settingsSeen.length === 2);
  assert.deepEqual(caller.settingsSeen.map(({ maxConcurrentStreams }) => maxConcurrentStreams), [2, 200]);
});

Deno.test("a pod that reads late gets all that its caller sends, however many headers that is", async () => {
  await using pod = handPod();
  pod.stall();
  await using at = front(pod.port, rules(pod));
  await using caller = await frameCaller(at.port, { index: "never" });
  await pod.say(0, 0, 0, 4, 0, 0, 0, 0, 0);
  const [count, size] = [2_000, 8_000];
  for (let i = 0; i < count; i++) caller.open(request(`/${i}`, ["x-long", "x".repeat(size)]));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(!caller.ended);
  pod.reads();
  await until("the pod has all", () => pod.bytes > count * size * 5 / 8, 20_000);
  caller.check();
});
