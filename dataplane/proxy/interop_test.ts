/** Clients that others wrote, which keep their connections to the proxy. */
import assert from "node:assert/strict";
import { Agent, createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { curl, start } from "../testing/proxy.ts";

/** A web server of Node's, which keeps connections and says so; it answers with what it was asked. */
async function nodeServer() {
  let connections = 0;
  const server = createServer(async (request, response) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of request) pieces.push(piece);
    const size = pieces.reduce((sum, { length }) => sum + length, 0);
    if (request.method === "HEAD") return void response.end();
    response.setHeader("trailer", "x-size");
    response.write(`${request.method} ${request.url} ${size}`);
    response.addTrailers({ "x-size": `${size}` });
    response.end();
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const requests = [["GET", 0], ["POST", 5], ["HEAD", 0], ["PUT", 300_000], ["DELETE", 0], ["GET", 0]] as const;
const expected = (method: string, size: number) => method === "HEAD" ? "" : `${method} /a?b=c ${size}`;

Deno.test("curl keeps its connection, and so does the proxy its own", async () => {
  await using server = await nodeServer();
  await using setting = start({}, server);
  const urls = ["http://a.origin.svc/a?b=c", "http://a.origin.svc/a?b=c", "http://a.origin.svc/a?b=c"];
  const { body, errors } = await curl(
    setting.proxy,
    "http",
    ...urls,
    "-w",
    "\n%{num_connects} %{http_code}\n",
    "-d",
    "hello",
  );
  assert.equal(body, "POST /a?b=c 5\n1 200\nPOST /a?b=c 5\n0 200\nPOST /a?b=c 5\n0 200\n", errors);
  assert.equal(server.connections, 1);
});

Deno.test("node:http with an agent that keeps connections gets each answer with its trailers", async () => {
  await using server = await nodeServer();
  await using setting = start({}, server);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    for (const [method, size] of requests) {
      const asked = request({
        agent,
        host: "127.0.0.1",
        port: setting.proxy.port,
        method,
        path: "http://a.origin.svc/a?b=c",
        headers: { host: "a.origin.svc" },
      });
      asked.end(new Uint8Array(size));
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        asked.on("response", resolve);
        asked.on("error", reject);
      });
      let text = "";
      for await (const piece of response) text += piece;
      assert.equal(text, expected(method, size));
      if (method !== "HEAD") assert.equal(response.trailers["x-size"], `${size}`);
    }
  } finally {
    agent.destroy();
  }
  // The agent may leave a connection and begin another; the proxy has no more than the agent.
  assert.ok(server.connections <= 2, `${server.connections} connections`);
});

Deno.test("Deno's fetch with a proxy gets each answer", async () => {
  await using server = await nodeServer();
  await using setting = start({}, server);
  using client = Deno.createHttpClient({ proxy: { url: `http://127.0.0.1:${setting.proxy.port}` } });
  for (const [method, size] of requests) {
    const body = size > 0 ? { body: new Uint8Array(size) } : {};
    const response = await fetch("http://a.origin.svc/a?b=c", { client, method, ...body });
    assert.equal(await response.text(), expected(method, size));
  }
  const all = await Promise.all(Array.from({ length: 40 }, async (_, at) => {
    const body = ReadableStream.from(["x".repeat(at * 1_000), "y"]).pipeThrough(new TextEncoderStream());
    return await (await fetch("http://a.origin.svc/a?b=c", { client, method: "POST", body })).text();
  }));
  assert.deepEqual(all, all.map((_, at) => `POST /a?b=c ${at * 1_000 + 1}`));
});
