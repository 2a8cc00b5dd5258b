import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { type IpAddress, parseAddress } from "../../net/address.ts";
import { closedIn, type ClosedSocket, UdpClosings } from "./udp_closings.ts";

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

/** Opens a socket bound to an address, and closes it. @returns its port */
async function openAndClose(type: "udp4" | "udp6", hostname: string): Promise<number> {
  const socket = dgram.createSocket({ type, ipv6Only: false });
  socket.bind(0, hostname);
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

Deno.test("sockets that were bound to one's own address or to none are told, others aren't", async () => {
  await using closings = new UdpClosings(address("127.0.0.1"), address("::1"));
  const wanted = [
    { port: await openAndClose("udp4", "127.0.0.1"), families: [4] },
    { port: await openAndClose("udp4", "0.0.0.0"), families: [4] },
    { port: await openAndClose("udp6", "::1"), families: [6] },
    { port: await openAndClose("udp6", "::"), families: [4, 6] },
    { port: await openAndClose("udp6", "::ffff:127.0.0.1"), families: [4] },
  ];
  const other = await openAndClose("udp4", "127.0.0.2");
  const last = await openAndClose("udp4", "127.0.0.1");
  const told: ClosedSocket[] = [];
  while (!told.some(({ port }) => port === last)) told.push(...await closings.next() ?? []);
  for (const { port, families } of wanted) {
    const found = told.filter((one) => one.port === port).map(({ family }) => family);
    assert.deepEqual(found, families, `port ${port}`);
  }
  assert.ok(!told.some(({ port }) => port === other));
});

Deno.test("a wait ends when it is closed, and closing twice is fine", async () => {
  const closings = new UdpClosings(address("192.0.2.1"));
  const waiting = closings.next();
  await closings[Symbol.asyncDispose]();
  await closings[Symbol.asyncDispose]();
  assert.equal(await waiting, undefined);
  assert.equal(await closings.next(), undefined);
});

Deno.test("what is no notification tells nothing", () => {
  for (const length of [0, 15, 16, 39]) assert.deepEqual(closedIn(new Uint8Array(length)), []);
  assert.deepEqual(closedIn(new Uint8Array(88)), []);
});
