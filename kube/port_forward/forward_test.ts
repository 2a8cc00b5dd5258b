import assert from "node:assert/strict";
import type { ApiServerAccess } from "../client/access.ts";
import { portForwarder } from "./forward.ts";
import { FakeKubelet, message as channelMessage, serverFrame } from "../testing/kubelet.ts";

const target = { namespace: "pmz", pod: "gateway-1", port: 8100 };
const SPDY = "SPDY/3.1+portforward.k8s.io", CHANNELS = "v4.channel.k8s.io";

interface Server extends AsyncDisposable {
  readonly access: ApiServerAccess;
  /** The protocols it was asked for, in order. */
  readonly asked: string[];
  /** What it answers: the protocols it speaks, 403 to others. */
  readonly speaks: Set<string>;
}

/** An API server that takes any number of port-forwards, and says "hello" on those that it speaks v4 on. */
function apiServer(...speaks: string[]): Server {
  const asked: string[] = [];
  const known = new Set(speaks);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async (conn: Deno.TcpConn) => {
    using open = conn;
    const into = new Uint8Array(4096);
    const head = new TextDecoder().decode(into.subarray(0, await open.read(into) ?? 0));
    const protocol = /^sec-websocket-protocol: (.*)$/mi.exec(head)?.[1]?.trim() ?? "";
    asked.push(protocol);
    if (!known.has(protocol)) {
      await open.write(new TextEncoder().encode("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"));
      return;
    }
    const key = /^sec-websocket-key: (.*)$/mi.exec(head)?.[1]?.trim() +
      "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(key)));
    const accept = btoa(String.fromCharCode(...digest));
    await open.write(new TextEncoder().encode(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
    ));
    if (protocol === CHANNELS) {
      for (const channel of [0, 1]) await open.write(serverFrame(2, Uint8Array.of(channel, 0xa4, 0x1f)));
      await open.write(channelMessage(0, "hello"));
    }
    while (await open.read(into).catch(() => null) !== null);
  };
  const serving = (async () => {
    const all: Promise<void>[] = [];
    for await (const conn of listener) all.push(serve(conn));
    await Promise.all(all);
  })();
  return {
    access: {
      tls: false,
      hostname: "127.0.0.1",
      port: listener.addr.port,
      pathPrefix: "",
      caCerts: [],
      headers: {},
    },
    asked,
    speaks: known,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

Deno.test("SPDY is used where a server has it", async () => {
  await using server = apiServer(SPDY, CHANNELS);
  const forward = portForwarder();
  for (let i = 0; i < 2; i++) {
    const opened = await forward(server.access, target);
    assert.equal(opened.protocol, SPDY);
    opened.close();
  }
  assert.deepEqual(server.asked, [SPDY, SPDY]);
});

Deno.test("a server that doesn't have it is used by the older protocol, and isn't asked again for ten minutes", async () => {
  await using server = apiServer(CHANNELS);
  let minutes = 0;
  const forward = portForwarder(() => minutes * 60_000);
  for (minutes of [0, 5, 9.9]) {
    const opened = await forward(server.access, target);
    assert.equal(opened.protocol, CHANNELS);
    const into = new Uint8Array(10);
    assert.equal(await opened.read(into), 5);
    opened.close();
  }
  assert.deepEqual(server.asked, [SPDY, CHANNELS, CHANNELS, CHANNELS]);
  minutes = 10;
  server.speaks.add(SPDY);
  const opened = await forward(server.access, target);
  assert.equal(opened.protocol, SPDY);
  opened.close();
});

Deno.test("what one server hasn't another may have", async () => {
  await using older = apiServer(CHANNELS);
  await using newer = apiServer(SPDY);
  const forward = portForwarder();
  for (const { access } of [older, newer, newer]) (await forward(access, target)).close();
  assert.deepEqual(older.asked, [SPDY, CHANNELS]);
  assert.deepEqual(newer.asked, [SPDY, SPDY]);
});

Deno.test("a refusal of both is the older protocol's, and isn't remembered", async () => {
  await using server = apiServer();
  const forward = portForwarder();
  await assert.rejects(forward(server.access, target), { name: "ApiError", status: 403 });
  server.speaks.add(SPDY);
  const opened = await forward(server.access, target);
  assert.equal(opened.protocol, SPDY);
  opened.close();
  assert.deepEqual(server.asked, [SPDY, CHANNELS, SPDY]);
});

Deno.test("other failures aren't tried twice", async () => {
  const answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
  await using server = new FakeKubelet(() => Promise.resolve(), { answer }); // takes one connection
  await assert.rejects(portForwarder()(server.access, target), { name: "ApiError", status: 404 });
});
