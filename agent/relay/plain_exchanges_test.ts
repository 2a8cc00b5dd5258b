import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, writeAll } from "../../http/byte_reader.ts";
import { until } from "../../async/testing/until.ts";
import { RoutableRequest } from "../routing/request.ts";
import { MessageBody } from "../../http/message_body.ts";
import { bytesOf, noted, routed, type Server } from "./testing/routed.ts";

const alice = { headers: [{ name: "x-user", exact: "alice" }] };
const bob = { headers: [{ name: "x-user", exact: "bob" }] };

const length = (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
const chunked = (text: string) =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;

/** What each target is answered with, of a server. */
const answersOf: Readonly<Record<string, (server: string) => string>> = {
  "/short": length,
  "/long": (server) => length(server.repeat(4_000)),
  "/chunked": chunked,
  "/none": (server) => `HTTP/1.1 204 No Content\r\nServer: ${server}\r\n\r\n`,
  "/early": (server) => `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${length(server)}`,
  "/unchanged": (server) => `HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nServer: ${server}\r\n\r\n`,
};

/** Answers by the table; its first pieces have so many bytes. */
const server = (name: string, size: number): Server => async (transport, received) => {
  const reader = new ByteReader(noted(transport, received));
  for (let head; (head = await reader.head(64 * 1024)) !== undefined;) {
    const request = new RoutableRequest(head.slice());
    const body = new MessageBody(request.bodyLength);
    for (;;) {
      reader.skip(body.take(reader.buffered));
      if (body.complete) break;
      if (!await reader.more()) throw new Error("the caller ended within its body");
    }
    const answer = bytesOf(answersOf[request.path]?.(name) ?? "");
    const pieces = Math.min(3, Math.ceil(answer.length / size) - 1);
    for (let at = 0; at < pieces; at++) {
      await writeAll(transport, answer.subarray(at * size, (at + 1) * size));
      await new Promise((resolve) => setTimeout(resolve));
    }
    await writeAll(transport, answer.subarray(pieces * size));
  }
  await transport.closeWrite();
};

const servers = ["pod", "alice", "bob"];
const request = fc.record({
  target: fc.constantFrom(...Object.keys(answersOf)),
  to: fc.constantFrom(...servers),
  body: fc.constantFrom(
    "",
    "Content-Length: 5\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  ),
}).map(({ target, to, body }) => ({
  to,
  bytes: `${body === "" ? "GET" : "POST"} ${target} HTTP/1.1\r\nHost: e\r\n${
    to === "pod" ? "" : `X-User: ${to}\r\n`
  }${body === "" ? "\r\n" : body}`,
  answer: answersOf[target]?.(to) ?? "",
}));

Deno.test("plain requests and others, in any order and in any pieces, are answered in their order by their servers", async () => {
  const scene = fc.record({
    requests: fc.array(request, { minLength: 1, maxLength: 8 }),
    /** Waits for each answer before the next request. */
    inTurn: fc.boolean(),
    piece: fc.constantFrom(30, 100_000),
    sizes: fc.tuple(...servers.map(() => fc.constantFrom(90, 100_000))),
  });
  await fc.assert(
    fc.asyncProperty(scene, async ({ requests, inTurn, piece, sizes }) => {
      const [pod, ...laptops] = servers.map((name, i) => server(name, sizes[i] ?? 1));
      await using all = routed({
        rules: [alice, bob].map((match, i) => ({ match, ...laptops[i] && { server: laptops[i] } })),
        ...pod && { pod },
      });
      let got = "";
      const reading = (async () => {
        const into = new Uint8Array(4096);
        for (let n; (n = await all.caller.read(into)) !== null;) {
          got += String.fromCharCode(...into.subarray(0, n));
        }
      })();
      let expected = "";
      const bytes = bytesOf(requests.map(({ bytes }) => bytes).join(""));
      if (inTurn) {
        for (const { bytes, answer } of requests) {
          await writeAll(all.caller, bytesOf(bytes));
          expected += answer;
          await until("it is answered", () => got.length >= expected.length);
        }
      } else {
        for (let at = 0; at < bytes.length; at += piece) {
          await writeAll(all.caller, bytes.subarray(at, at + piece));
        }
      }
      await all.caller.closeWrite();
      await reading;
      assert.equal(got, requests.map(({ answer }) => answer).join(""));
      const of = (name: string) =>
        requests.filter(({ to }) => to === name).map(({ bytes }) => bytes).join("");
      assert.deepEqual([all.pod, ...all.laptops].map(({ text }) => text), servers.map(of));
    }),
    { numRuns: 150 },
  );
});

Deno.test("a caller that leaves before its plain request is answered ends its server's connection as it did", async () => {
  for (const leaves of ["ends", "breaks"]) {
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    await using all = routed({
      rules: [{ match: alice }],
      pod: async (transport, received) => {
        const source = noted(transport, received);
        const into = new Uint8Array(1_000);
        await source.read(into);
        await writeAll(transport, bytesOf(length("pod")));
        await source.read(into);
        resolve(await source.read(into).then((count) => count === null ? "ends" : "reads", () => "breaks"));
        transport.close();
      },
    });
    const into = new Uint8Array(1_000);
    await writeAll(all.caller, bytesOf("GET /1 HTTP/1.1\r\nHost: e\r\n\r\n"));
    await all.caller.read(into);
    await writeAll(all.caller, bytesOf("GET /2 HTTP/1.1\r\nHost: e\r\n\r\n"));
    await until("the pod has it", () => all.pod.text.includes("/2"));
    if (leaves === "ends") await all.caller.closeWrite();
    else all.caller.abort(new Error("gone"));
    assert.equal(await ended, leaves);
  }
});

Deno.test("a pod that ends between plain requests ends its caller's connection", async () => {
  await using all = routed({
    rules: [{ match: alice }],
    pod: async (transport, received) => {
      const source = noted(transport, received);
      for (let i = 0; i < 2; i++) {
        await source.read(new Uint8Array(1_000));
        await writeAll(transport, bytesOf(length("pod")));
      }
      await transport.closeWrite();
      while (await source.read(new Uint8Array(1_000)) !== null);
    },
  });
  const into = new Uint8Array(1_000);
  for (let i = 0; i < 2; i++) {
    await writeAll(all.caller, bytesOf("GET / HTTP/1.1\r\nHost: e\r\n\r\n"));
    assert.equal(await all.caller.read(into), length("pod").length);
  }
  assert.equal(await all.caller.read(into), null);
  await all.caller.closeWrite();
  assert.equal((await all.outcome).kind, "pod");
});
