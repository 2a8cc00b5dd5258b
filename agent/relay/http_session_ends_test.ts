/** Ends of connections between requests and within them: of the caller's, the pod's, the laptop's. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { writeAll } from "../../http/byte_reader.ts";
import { until } from "../../async/testing/until.ts";
import { Places } from "./places.ts";
import { alice, get, hers, ofAlice, read } from "./testing/requests.ts";
import { answers, bytesOf, httpServer, routed, type SceneRule, send } from "./testing/routed.ts";

Deno.test("a caller that still sends its body when a laptop's program has refused it gets the whole answer", async () => {
  const server: SceneRule["server"] = async (transport) => {
    await transport.read(new Uint8Array(1000));
    await writeAll(
      transport,
      bytesOf("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
    );
    await transport.closeWrite();
  };
  await using all = routed({ rules: [{ match: ofAlice, server }] });
  const head = "POST / HTTP/1.1\r\nHost: e\r\nX-User: alice\r\nContent-Length: 1000000\r\n\r\n";
  await writeAll(all.caller, bytesOf(head));
  for (let i = 0; i < 100; i++) await writeAll(all.caller, new Uint8Array(10_000));
  assert.match(await send(all.caller, []), /^HTTP\/1.1 413 .*\r\n\r\n$/s);
  assert.equal((await all.outcome).kind, "laptop");
});

Deno.test("a laptop's program that has ended is left at once, while the caller's connection stays", async () => {
  const ended = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const server: SceneRule["server"] = async (transport) => {
    const into = new Uint8Array(1000);
    await transport.read(into);
    await writeAll(transport, bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nlaptop0 /1\n"));
    await ended.promise;
    await transport.closeWrite();
    await transport.read(into).catch(() => {});
    left.resolve();
  };
  await using all = routed({ rules: [{ match: ofAlice, server }] });
  await writeAll(all.caller, bytesOf(hers("/1")));
  assert.match(await read(all.caller), /laptop0/);
  await writeAll(all.caller, bytesOf(get("/2")));
  assert.match(await read(all.caller), /pod/);
  ended.resolve();
  await left.promise;
  assert.deepEqual(answers(await send(all.caller, [bytesOf(get("/3"))])), ["pod /3"]);
});

Deno.test("a pod's connection that has ended is left at once, while the caller's stays with a laptop", async () => {
  const ended = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const pod: SceneRule["server"] = async (transport, received) => {
    if (++received.connections > 1) return await httpServer("pod")(transport, received);
    const into = new Uint8Array(1000);
    await transport.read(into);
    await writeAll(transport, bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\npod /1\n"));
    await ended.promise;
    await transport.closeWrite();
    await transport.read(into).catch(() => {});
    left.resolve();
  };
  await using all = routed({ rules: [alice], pod });
  await writeAll(all.caller, bytesOf(get("/1")));
  assert.match(await read(all.caller), /pod/);
  await writeAll(all.caller, bytesOf(hers("/2")));
  assert.match(await read(all.caller), /laptop0/);
  ended.resolve();
  await left.promise;
  assert.deepEqual(answers(await send(all.caller, [bytesOf(get("/3"))])), ["pod /3"]);
});

Deno.test("a laptop that has dialled another tunnel gets the next requests by that one", async () => {
  await using all = routed({ rules: [alice] });
  await writeAll(all.caller, bytesOf(hers("/1")));
  assert.match(await read(all.caller), /laptop0/);
  all.reconnect();
  await writeAll(all.caller, bytesOf(hers("/2")));
  assert.match(await read(all.caller), /laptop0/);
  assert.equal(all.laptops[0]?.connections, 2);
});

Deno.test("a pod that answers before it has the whole body leaves the next requests to be routed", async () => {
  const pod: SceneRule["server"] = async (transport, received) => {
    const into = new Uint8Array(4096);
    for (let total = 0, n; (n = await transport.read(into)) !== null; total += n) {
      received.bytes.push(...into.subarray(0, n));
      if (total > 0) continue;
      await writeAll(transport, bytesOf("HTTP/1.1 401 Who\r\nContent-Length: 7\r\n\r\npod /1\n"));
    }
    await transport.closeWrite();
  };
  await using all = routed({ rules: [alice], pod });
  const head = "POST /1 HTTP/1.1\r\nHost: e\r\nContent-Length: 4\r\n\r\n";
  await writeAll(all.caller, bytesOf(head));
  assert.match(await read(all.caller), /^HTTP\/1.1 401 /);
  const got = await send(all.caller, [bytesOf("bo"), bytesOf("dy"), bytesOf(hers("/2"))]);
  assert.deepEqual(answers(got), ["laptop0 /2"]);
  assert.equal(all.pod.text, `${head}body`);
});

Deno.test("a pod that ends before it has the whole body ends the caller's connection as it does", async () => {
  const pod: SceneRule["server"] = async (transport) => {
    await transport.read(new Uint8Array(4096));
    await writeAll(transport, bytesOf("HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n"));
    await transport.closeWrite();
  };
  await using all = routed({ rules: [alice], pod });
  await writeAll(all.caller, bytesOf("POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 4\r\n\r\n"));
  assert.match(await send(all.caller, [], { end: false }), /^HTTP\/1.1 401 .*\r\n\r\n$/s);
});

Deno.test("a request that comes while the pod is dialled for a silent caller is answered", async () => {
  for (const [request, expected] of [[get("/1"), "pod /1"], [hers("/1"), "laptop0 /1"]] as const) {
    const dialling = async () => {
      await writeAll(all.caller, bytesOf(request));
      await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await using all = routed({ rules: [alice], dialling });
    assert.deepEqual(answers(await read(all.caller)), [expected]);
  }
});

Deno.test("a caller that sends its request's first line bit by bit is the pod's to judge after 5 s", async () => {
  await using all = routed({ rules: [alice] });
  await writeAll(all.caller, bytesOf("GET /"));
  for (const start = performance.now(); all.pod.bytes.length === 0;) {
    assert.ok(performance.now() - start < 20_000);
    await writeAll(all.caller, bytesOf("a"));
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.match(all.pod.text, /^GET \/a+$/);
});

Deno.test("a long head is routed while its caller has a place among those that wait, and else is the pod's", async () => {
  const longHeads = new Places(2);
  const long = hers("/long", `X: ${"x".repeat(10_000)}`);
  await using first = routed({ rules: [alice], longHeads });
  await writeAll(first.caller, bytesOf(long.slice(0, 6_000)));
  await until("it waits", () => longHeads.taken === 1);
  await using second = routed({ rules: [alice], longHeads });
  const cut = [bytesOf(long.slice(0, 6_000)), bytesOf(long.slice(6_000))];
  assert.deepEqual(
    answers(await send(second.caller, cut)),
    ["pod /long"],
    "its caller has its share already",
  );
  assert.ok(longHeads.enter("another caller"));
  assert.deepEqual(answers(await send(first.caller, [bytesOf(long.slice(6_000))])), ["laptop0 /long"]);
  longHeads.leave("another caller");
  assert.equal(longHeads.taken, 0);
});

/**
 * Answers some requests of its first connection, takes the next one, and closes or breaks without an answer, as a server does
 * whose idle connection ends when a request comes. Further connections are answered.
 */
function closing(name: string, { answers, breaks }: { answers: number; breaks: boolean }) {
  let connections = 0;
  const server: SceneRule["server"] = async (transport, received) => {
    if (connections++ > 0) return await httpServer(name)(transport, received);
    const into = new Uint8Array(4096);
    for (let left = answers; await transport.read(into) !== null && left > 0; left--) {
      await writeAll(transport, bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfirst\n"));
    }
    if (breaks) transport.abort(new Error("it's idle"));
    else await transport.closeWrite();
  };
  return { server, connections: () => connections };
}

Deno.test("a request that comes when its server closes an idle connection is sent again, once, where that is safe", async () => {
  const scene = fc.record({
    method: fc.constantFrom("GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"),
    body: fc.constantFrom("", "5", "cut"),
    user: fc.constantFrom("X-User: alice\r\n", ""),
    breaks: fc.boolean(),
    answers: fc.integer({ min: 0, max: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(scene, async ({ method, body, user, breaks, answers }) => {
      const { server, connections } = closing("again", { answers, breaks });
      await using all = routed({ rules: [{ match: ofAlice, server }], pod: server });
      for (let i = 0; i < answers; i++) {
        await writeAll(all.caller, bytesOf(get("/", ...user ? ["X-User: alice"] : [])));
        assert.match(await read(all.caller), /first/);
      }
      const length = body === "" ? "" : "Content-Length: 5\r\n";
      await writeAll(all.caller, bytesOf(`${method} /x HTTP/1.1\r\nHost: e\r\n${user}${length}\r\n`));
      // A body that follows isn't held.
      if (body !== "") await writeAll(all.caller, bytesOf("hello")).catch(() => {});
      const got = await send(all.caller, []).catch(() => "broken");
      const safe = answers > 0 && !["POST", "PATCH"].includes(method) && body === "";
      if (safe) assert.match(got, /^HTTP\/1\.1 200 OK/);
      else if (body === "" || answers === 0) {
        assert.match(got, /^(?:broken)?$/, "as the server has closed it");
      }
      assert.ok(connections() <= 2);
      if (!safe && body === "") assert.equal(connections(), 1);
    }),
    { numRuns: 200 },
  );
});

Deno.test("a request that can't be sent again takes a new connection where the caller doesn't see the idle one's end", async () => {
  await using all = routed({ rules: [alice] });
  for (const request of [get("/1"), hers("/2")]) {
    await writeAll(all.caller, bytesOf(request));
    await read(all.caller);
  }
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  const post = (user: string) => `POST /3 HTTP/1.1\r\nHost: e\r\n${user}Content-Length: 0\r\n\r\n`;
  await writeAll(all.caller, bytesOf(post("X-User: alice\r\n")));
  assert.match(await read(all.caller), /laptop0 \/3/);
  await writeAll(all.caller, bytesOf(post("")));
  assert.match(await read(all.caller), /pod \/3/);
  assert.deepEqual([all.laptops[0]?.connections, all.pod.connections], [1, 2]);
});
