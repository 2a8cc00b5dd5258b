/** Through `carry`: what pods are sent is copied to laptops, which nothing waits for. */
import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { MirrorLimits } from "./mirror_limits.ts";
import { answers, bytesOf, noted, routed, type SceneRule, send, type Server } from "./testing/routed.ts";

const copies: SceneRule = { match: { headers: [{ name: "x-user", exact: "alice" }] }, mirror: true };
const get = (path: string, ...fields: string[]) =>
  [`GET ${path} HTTP/1.1`, "Host: e", ...fields, "", ""].join("\r\n");
const post = (path: string, body: string, ...fields: string[]) =>
  [`POST ${path} HTTP/1.1`, "Host: e", `Content-Length: ${body.length}`, ...fields, "", body].join("\r\n");
const alices = "X-User: alice";

/** A server that takes all, and ends after its caller. */
const raw: Server = async (transport, received) => {
  const [into, source] = [new Uint8Array(4096), noted(transport, received)];
  while (await source.read(into) !== null);
  await transport.closeWrite();
};

Deno.test("the pod answers all requests, and the laptop gets those that match, byte for byte", async () => {
  await using scene = routed({ rules: [copies] });
  const requests = [get("/1"), post("/2", "a body", alices), get("/3", alices), get("/4")];
  const text = await send(scene.caller, requests.map(bytesOf));
  assert.deepEqual(answers(text), ["pod /1", "pod /2", "pod /3", "pod /4"]);
  assert.equal(scene.pod.text, requests.join(""));
  const [laptop] = scene.laptops;
  await until("both copies are there", () => laptop?.text === `${requests[1]}${requests[2]}`);
  await until("they are counted", () => scene.counts[0]?.taken === 2);
  assert.deepEqual(scene.counts, [{ seen: 4, taken: 2, declined: 0 }]);
});

Deno.test("a body that comes bit by bit is copied as it comes", async () => {
  await using scene = routed({ rules: [copies] });
  const pieces = [
    `POST /a HTTP/1.1\r\nHost: e\r\n${alices}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab`,
    "c\r\n",
    "0\r\n\r\n",
  ];
  assert.deepEqual(answers(await send(scene.caller, pieces.map(bytesOf))), ["pod /a"]);
  await until("the copy is there", () => scene.laptops[0]?.text === pieces.join(""));
});

Deno.test("a request that a personal rule takes is its laptop's alone", async () => {
  await using scene = routed({ rules: [{ match: { paths: [{ prefix: "/mine" }] } }, copies] });
  const text = await send(scene.caller, [get("/mine", alices), get("/other", alices)].map(bytesOf));
  assert.deepEqual(answers(text), ["laptop0 /mine", "pod /other"]);
  await until("the copy is there", () => scene.laptops[1]?.text === get("/other", alices));
});

Deno.test("without a match all that a connection sends is copied, whatever it speaks", async () => {
  await using scene = routed({ rules: [{ mirror: true, server: raw }], pod: raw });
  await send(scene.caller, ["\0\x01 no ", "HTTP"].map(bytesOf));
  assert.equal(scene.pod.text, "\0\x01 no HTTP");
  await until("the copy is there", () => scene.laptops[0]?.text === "\0\x01 no HTTP");
  assert.deepEqual(scene.counts[0]?.seen, 1);
});

Deno.test("a laptop that hangs, is gone, refuses or breaks costs the pod nothing, and its copies are counted as dropped", async () => {
  const ended = Promise.withResolvers<void>();
  const rules: SceneRule[] = [
    { ...copies, server: () => ended.promise }, // which reads nothing, and never answers
    { ...copies, gone: true },
    { ...copies, onStream: (stream) => stream.respond([[":status", "403"]], { end: true }) },
    { ...copies, onStream: (stream) => stream.abort() },
  ];
  await using scene = routed({ rules, limits: new MirrorLimits(1 << 20, 4) });
  using _hanging = { [Symbol.dispose]: () => ended.resolve() };
  const body = "x".repeat(300 * 1024); // more than waits for one copy
  const requests = Array.from({ length: 20 }, (_, i) => post(`/${i}`, i % 2 ? body : "small", alices));
  const text = await send(scene.caller, requests.map(bytesOf));
  assert.deepEqual(answers(text), requests.map((_, i) => `pod /${i}`));
  assert.equal(scene.pod.bytes.length, requests.join("").length);
  const [hanging, gone, refusing, breaking] = scene.counts;
  assert.deepEqual(gone, { seen: 0, taken: 0, declined: 0 }, "a rule without a tunnel isn't in force");
  assert.deepEqual([hanging?.seen, hanging?.taken], [20, 0]);
  assert.ok((hanging?.declined ?? 0) >= 16, "all but those that may be open");
  await until("all were dropped", () => refusing?.declined === 20 && breaking?.declined === 20);
});

Deno.test("what the pod was sent and never answered is copied all the same, and the caller's break ends the copy", async () => {
  await using scene = routed({ rules: [{ ...copies, server: raw }], pod: raw });
  await scene.caller.write(bytesOf(get("/a", alices)));
  await until("the copy is there", () => scene.laptops[0]?.text === get("/a", alices));
  scene.caller.abort();
  await scene.outcome;
  await until("it has ended", () => (scene.counts[0]?.taken ?? 0) + (scene.counts[0]?.declined ?? 0) === 1);
});

Deno.test("copies share limits: a rule that wants all leaves its namespace's others and other namespaces their part", () => {
  const limits = new MirrorLimits(900, 2, 8);
  const of = (rule: string, namespace = "shop") => ({ namespace, rule });
  assert.deepEqual([limits.take(of("a"), 300), limits.take(of("a"), 1)], [true, false]);
  assert.deepEqual([limits.take(of("b"), 100), limits.take(of("c", "other"), 200)], [true, true]);
  limits.give(of("a"), 300);
  assert.equal(limits.take(of("b"), 100), true, "what is given back is shared again");

  assert.deepEqual([1, 2, 3].map(() => limits.enter(of("a"))), [true, true, false]);
  limits.leave(of("a"));
  assert.equal(limits.enter(of("a")), true);
});

Deno.test("a namespace whose many rules mirror to laptops that hang leaves another namespace's rules their copies", () => {
  const limits = new MirrorLimits(900, 2, 8);
  for (let i = 0; i < 100; i++) {
    const hangs = { namespace: "crowd", rule: `rule ${i}` };
    while (limits.enter(hangs));
    while (limits.take(hangs, 1));
  }
  const alone = { namespace: "shop", rule: "a" };
  assert.ok(limits.enter(alone));
  assert.ok(limits.take(alone, 150));
});
