import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { once } from "node:events";
import { parseAddress } from "../../net/address.ts";
import { closeDescriptor, localEndpoint, tcpListener } from "../sockets/socket.ts";
import { isListenedOn, type ListeningSocket, takes } from "./listening_sockets.ts";

Deno.test("a listening socket is seen at its own address, and its one connection isn't taken", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  assert.equal(await isListenedOn("127.0.0.1", port), true);
  assert.equal(await isListenedOn("::1", port), false);
  assert.equal(await isListenedOn("127.0.0.2", port), false);
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  const first = await listener.accept();
  assert.deepEqual(first.remoteAddr, client.localAddr, "nobody else has connected");
  client.close();
  first.close();
});

Deno.test("what has stopped listening isn't seen any more, though its connections are open", async () => {
  const listener = Deno.listen({ hostname: "::1", port: 0 });
  const { port } = listener.addr;
  using _client = await Deno.connect({ hostname: "::1", port });
  using _open = await listener.accept();
  assert.equal(await isListenedOn("::1", port), true);
  listener.close();
  assert.equal(await isListenedOn("::1", port), false);
});

Deno.test("a socket for all IPv6 addresses takes IPv4 too, unless it was told not to", async () => {
  const server = createServer().listen({ host: "::", port: 0 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  assert.equal(await isListenedOn("::1", port), true);
  assert.equal(await isListenedOn("127.0.0.1", port), true);
  server.close();
  await once(server, "close");
  const only = tcpListener({ address: "::" }); // IPV6_V6ONLY
  const there = localEndpoint(only);
  assert.equal(await isListenedOn("::1", there.port), true);
  assert.equal(await isListenedOn("127.0.0.1", there.port), false);
  closeDescriptor(only);
});

Deno.test("which address a socket takes", () => {
  const socket = (address: string, more: Partial<ListeningSocket> = {}): ListeningSocket => {
    const parsed = parseAddress(address);
    assert.ok(parsed);
    return { family: parsed.family, device: 0, isOnlyIpv6: false, local: { address: parsed }, ...more };
  };
  const table: readonly [ListeningSocket, string, boolean][] = [
    [socket("0.0.0.0"), "127.0.0.1", true],
    [socket("0.0.0.0"), "::1", false],
    [socket("127.0.0.1"), "127.0.0.1", true],
    [socket("192.0.2.7"), "127.0.0.1", false],
    [socket("127.0.0.1", { family: 6 }), "127.0.0.1", true], // ::ffff:127.0.0.1
    [socket("::"), "127.0.0.1", true],
    [socket("::", { isOnlyIpv6: true }), "127.0.0.1", false],
    [socket("127.0.0.1", { device: 1 }), "127.0.0.1", true],
    [socket("127.0.0.1", { device: 7 }), "127.0.0.1", false], // bound to another device
  ];
  for (const [listening, address, expected] of table) {
    const to = parseAddress(address);
    assert.ok(to);
    assert.equal(takes(listening, to), expected, `${listening.local.address.text} ${address}`);
  }
});
