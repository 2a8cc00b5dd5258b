/** What callers and pods do to connections of which some streams are withheld, and who must not notice. */
import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { Flag, FRAME_HEADER, FrameType, readUint24 } from "../../hbone/frames/frame.ts";
import { Encoder } from "../../hbone/hpack/encoder.ts";
import { ErrorCode, joined, type Stream } from "../../hbone/mod.ts";
import { frame } from "../../hbone/testing/by_hand.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import { ByteReader, writeAll } from "../../http/byte_reader.ts";
import { CallerOutlet } from "./caller_outlet.ts";
import { FollowedConnection } from "./followed_connection.ts";
import { Places } from "./places.ts";
import { frameCaller } from "./testing/frame_caller.ts";
import { front } from "./testing/http2_front.ts";
import { type Answer, handPod, hers, request, rules, server } from "./testing/http2_programs.ts";
import { Upstream } from "./upstream.ts";
import type { Upstreams } from "./upstreams.ts";

const SETTINGS = frame(FrameType.SETTINGS, 0, 0);
const path = (stream: Stream) => stream.request.find(([name]) => name === ":path")?.[1] ?? "";

/** Answers at once, and says which requests came. */
function answers() {
  const paths: string[] = [];
  const answer: Answer = (stream) => {
    paths.push(path(stream));
    stream.respond([[":status", "200"]], { end: true });
  };
  return { paths, answer };
}

Deno.test("a laptop's request that its caller takes back at once never gets to the pod", async () => {
  const [pods, laptops] = [answers(), answers()];
  await using pod = server("pod", pods);
  await using alices = server("alice", laptops);
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  for (let i = 0; i < 8; i++) {
    caller.together(() => caller.reset(caller.open(hers("/taken-back")), ErrorCode.CANCEL));
    await caller.end(caller.open(hers(`/${i}`)));
    await caller.end(caller.open(request(`/${i}`)));
  }
  const all = Array.from({ length: 8 }, (_, i) => `/${i}`);
  assert.deepEqual(pods.paths, all);
  assert.deepEqual(laptops.paths.filter((path) => path !== "/taken-back"), all);
});

Deno.test("of 4,000 streams at once those are refused that a laptop doesn't take, and none is the pod's", async () => {
  const [pods, laptops] = [answers(), answers()];
  await using pod = server("pod", pods);
  await using alices = server("alice", laptops);
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  await caller.end(caller.open(hers("/")));
  const all: ReturnType<typeof caller.open>[] = [];
  caller.together(() => {
    for (let i = 0; i < 4_000; i++) all.push(caller.open(hers("/")));
  });
  await caller.end(...all);
  const refused = all.filter(({ reset }) => reset === ErrorCode.REFUSED_STREAM);
  assert.equal(refused.length + all.filter(({ ended }) => ended).length, all.length);
  assert.ok(refused.length > 0);
  assert.deepEqual(pods.paths, []);
  await caller.end(caller.open(hers("/last")));
  assert.equal(laptops.paths.at(-1), "/last");
});

Deno.test("a pod that ends within a frame ends its caller's connection, though a laptop still answers", async () => {
  const held: Stream[] = [];
  await using pod = handPod();
  await using alices = server("alice", { answer: (stream) => void held.push(stream) });
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  await pod.tell(SETTINGS);
  const [theirs, ours] = [caller.open(request("/1")), caller.open(hers("/2"))];
  await until("both have come", () => held.length === 1 && pod.has(FrameType.HEADERS, theirs.id));
  const head = new Encoder({ index: "never" }).encode([[":status", "200"]]);
  await pod.tell(
    frame(FrameType.HEADERS, Flag.END_HEADERS, theirs.id, head),
    frame(FrameType.DATA, 0, theirs.id, new Uint8Array(10_000)).subarray(0, 5_000),
  );
  held[0]?.respond([[":status", "200"]]);
  await until("the caller has the pod's headers", () => theirs.blocks.length > 0);
  await pod.end();
  await until("the connection has ended", () => at.outcomes.length === 1);
  assert.deepEqual(at.outcomes[0]?.by, "pod");
  assert.equal(ours.ended, false);
});

for (const isQuiet of [false, true]) {
  Deno.test(`a caller's PINGs for a laptop's answers aren't the pod's, ${isQuiet ? "which answers nothing" : "which has no stream"}`, async () => {
    const held: Stream[] = [];
    await using pod = handPod();
    await using alices = server("alice", { answer: (stream) => void held.push(stream) });
    await using at = front(pod.port, rules(alices));
    await using caller = await frameCaller(at.port);
    await pod.tell(SETTINGS);
    if (isQuiet) caller.open(request("/watch"));
    for (let i = 0; i < 6; i++) {
      const stream = caller.open(hers(`/${i}`));
      await until("the laptop has it", () => held.length > i);
      held[i]?.respond([[":status", "200"]], { end: true });
      await caller.end(stream);
      caller.put(FrameType.PING, 0, 0, new Uint8Array(8).fill(i));
      await until("the PING was answered", () => caller.pings.length > i);
    }
    assert.equal(pod.has(FrameType.PING, 0), false);
  });
}

Deno.test("a pod that reads slowly gets nothing but its caller's frames, whatever else ends the connection", async () => {
  await using pod = handPod();
  await using alices = server("alice", answers());
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  await pod.tell(SETTINGS);
  await caller.end(caller.open(hers("/")));
  const upload = caller.open(request("/upload"), false);
  await until("the pod has its stream", () => pod.has(FrameType.HEADERS, upload.id));
  pod.stall();
  // Where relay went on at a wrong place, it would find frames.
  const inner = frame(
    FrameType.HEADERS,
    Flag.END_HEADERS | Flag.END_STREAM,
    99,
    new Uint8Array([0x83, 0x86]),
  );
  const inners = joined(Array.from({ length: 100 }, () => inner));
  const sent: number[] = [];
  const put = () => {
    const payload = inners.subarray(0, inner.length * (10 + sent.length * 37 % 90));
    sent.push(payload.length);
    caller.put(FrameType.DATA, 0, upload.id, payload);
  };
  for (let isTaken = true; isTaken;) {
    caller.together(() => {
      for (let i = 0; i < 200; i++) put();
    });
    isTaken = await Promise.race([
      caller.sent().then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, 400, false)),
    ]);
    assert.ok(sent.length < 200_000);
  }
  for (let i = 0; i < 5_000; i++) put();
  const wrong = frame(FrameType.SETTINGS, 0, 0, new Uint8Array(5));
  await pod.tell(wrong);
  await until("the caller was told", () => caller.goaways.length > 0);
  pod.reads();
  await until("the connection has ended", () => at.outcomes.length === 1);
  const got = pod.frames.filter(({ stream, type }) => stream !== 0 && type !== FrameType.HEADERS);
  assert.ok(got.every(({ type, stream }) => type === FrameType.DATA && stream === upload.id));
  assert.deepEqual(got.map(({ payload }) => payload.length), sent.slice(0, got.length));
  assert.ok(!pod.has(FrameType.HEADERS, 99));
});

Deno.test("a laptop gets no request whose answer couldn't be sent any more", async () => {
  const laptops = answers();
  await using pod = handPod();
  await using alices = server("alice", laptops);
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  await pod.tell(SETTINGS);
  await caller.end(caller.open(hers("/")));
  await pod.end();
  await until("the caller gets nothing more", () => caller.ended);
  const late = caller.open(hers("/late"));
  await until("the pod has it", () => pod.has(FrameType.HEADERS, late.id));
  assert.deepEqual(laptops.paths, ["/"]);
});

Deno.test("a caller of a pod with windows of 256 MiB gets smaller ones, which a laptop that doesn't read can't exceed", async () => {
  const held: Stream[] = [];
  await using pod = server("pod", { settings: { initialWindowSize: 256 * 1024 * 1024 } });
  await using alices = server("alice", { answer: (stream) => void held.push(stream) });
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  await until("settings have come", () => caller.settingsSeen.length > 0);
  assert.ok(caller.peer.initialWindowSize <= 16 * 1024 * 1024);
  const stream = caller.open(hers("/"), false);
  await until("the laptop has it", () => held.length === 1);
  const upload = caller.data(stream, 20_000_000);
  await until("no window is left", () => Math.min(stream.send, caller.send) === 0);
  const into = new Uint8Array(64 * 1024);
  let got = 0;
  for (let n; (n = await held[0]?.read(into) ?? null) !== null;) got += n;
  await upload;
  assert.deepEqual([got, stream.reset], [20_000_000, undefined]);
});

Deno.test("what a frame costs that waits for a caller is counted, however small it is", () => {
  const outlet = new CallerOutlet({
    read: () => Promise.resolve(null),
    write: ({ length }) => Promise.resolve(length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  }, () => {});
  const ping = frame(FrameType.PING, Flag.ACK, 0, new Uint8Array(8));
  for (let i = 0; i < 1_000; i++) outlet.add(ping);
  assert.ok(outlet.waiting >= 200_000);
});

Deno.test("a caller that sends PINGs, and a pod that doesn't end a frame, can't have many answers wait", async () => {
  const held: Stream[] = [];
  await using pod = handPod();
  await using alices = server("alice", { answer: (stream) => void held.push(stream) });
  await using at = front(pod.port, rules(alices));
  await using caller = await frameCaller(at.port);
  await pod.tell(SETTINGS);
  const [theirs] = [caller.open(request("/1")), caller.open(hers("/2"))];
  await until("both have come", () => held.length === 1 && pod.has(FrameType.HEADERS, theirs.id));
  const head = new Encoder({ index: "never" }).encode([[":status", "200"]]);
  await pod.tell(
    frame(FrameType.HEADERS, Flag.END_HEADERS, theirs.id, head),
    frame(FrameType.DATA, Flag.END_STREAM, theirs.id, new Uint8Array(10_000)).subarray(0, 5_000),
  );
  await until("the caller has the pod's headers", () => theirs.blocks.length > 0);
  const ping = new Uint8Array(8);
  caller.together(() => {
    for (let i = 0; i < 150_000; i++) caller.put(FrameType.PING, 0, 0, ping);
  });
  await until("the connection has ended", () => at.outcomes.length === 1);
  assert.match(at.outcomes[0]?.details ?? "", /a caller that doesn't read/);
});

Deno.test("what waits of a pod is sent on, also where its caller took more during a write", async () => {
  const [caller, ours] = memoryPair();
  const [pod, theirs] = memoryPair();
  await using at = front(0, []);
  let whole: string | undefined = "whole";
  const upstreams: Upstreams = {
    ...at.upstreams,
    whole: () => whole,
    tunnels: { ...at.upstreams.tunnels, of: () => [at.tunnel] },
    streams: new Places(0),
  };
  let gate = Promise.resolve();
  let isWriting = false;
  const write = ours.write.bind(ours);
  ours.write = async (bytes) => {
    isWriting = true;
    await gate;
    return await write(bytes);
  };
  const reader = new ByteReader(ours);
  const [from, to] = [{ address: "10.244.1.7", port: 1 }, { address: "10.244.1.9", port: 80 }];
  const intercepted = { transport: ours, caller: from, destination: to };
  const followed = new FollowedConnection(ours, reader, intercepted, upstreams, new Upstream(theirs)).run();
  let got = new Uint8Array(0);
  const count = { pings: 0, resets: 0, ended: false };
  const reading = (async () => {
    const into = new Uint8Array(64 * 1024);
    for (let n; (n = await caller.read(into).catch(() => null)) !== null;) {
      got = new Uint8Array(joined([got, into.slice(0, n)]));
      for (
        let end;
        got.length >= FRAME_HEADER && (end = FRAME_HEADER + readUint24(got, 0)) <= got.length;
        got = got.slice(end)
      ) {
        const [type, flags = 0] = got.subarray(3);
        if (type === FrameType.PING) count.pings++;
        if (type === FrameType.RST_STREAM) count.resets++;
        if (type === FrameType.DATA && flags & Flag.END_STREAM) count.ended = true;
      }
    }
  })();
  const encoder = new Encoder({ index: "never" });
  const headers = (stream: number) =>
    frame(
      FrameType.HEADERS,
      Flag.END_HEADERS | Flag.END_STREAM,
      stream,
      encoder.encode(request("/")).slice(),
    );
  const ping = frame(FrameType.PING, 0, 0, new Uint8Array(8));
  await writeAll(pod, SETTINGS);
  await writeAll(caller, joined([SETTINGS, headers(1)]));
  await until("a stream was withheld", () => count.resets === 1);
  whole = undefined;
  await writeAll(caller, headers(3));
  const data = (length: number, flags = 0) => frame(FrameType.DATA, flags, 3, new Uint8Array(length));
  // The caller takes 65,535 bytes at first.
  for (let i = 0; i < 4; i++) await writeAll(pod, data(16_000));
  await writeAll(pod, data(1_535));
  // 4 MiB may wait, and a frame counts for 209 bytes more.
  const left = 4 * 1024 * 1024 - 258 * 16_209;
  for (let i = 0; i < 258; i++) await writeAll(pod, data(16_000));
  await writeAll(pod, joined([data(left - 209 - 100), ping]));
  await until("all of it waits", () => count.pings === 1);
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  isWriting = false;
  await writeAll(pod, joined([ping, data(1), data(1, Flag.END_STREAM)]));
  await until("something is being written", () => isWriting);
  const before = reader.received;
  await writeAll(caller, frame(FrameType.WINDOW_UPDATE, 0, 0, new Uint8Array([0, 100, 0, 0])));
  await until("the caller has taken more", () => reader.received > before && reader.available === 0);
  resolve();
  await until("the pod's stream has ended", () => count.ended);
  caller.abort();
  pod.abort();
  await Promise.all([followed, reading]);
});
