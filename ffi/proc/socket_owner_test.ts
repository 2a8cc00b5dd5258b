import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { arrivalOf, isAmong, ownerIn, SocketOwners } from "./socket_owner.ts";

const head =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const row = (local: string, remote: string, uid: number) =>
  ` 2641: ${local} ${remote} 07 00000000:00000000 00:00000000 00000000 ${
    String(uid).padStart(5)
  }        0 73482 2 0 0\n`;
const mapped = "0000000000000000FFFF00000100007F";
const arrival = {
  protocol: "udp",
  peer: { address: "127.0.0.1", port: 0x8b77 },
  own: { address: "127.96.3.232", port: 0xafd2 },
} as const;

Deno.test("the sender is the socket that fits best: connected, bound to the address, bound to any", () => {
  const any = row("00000000:8B77", "00000000:0000", 3);
  const bound = row("0100007F:8B77", "00000000:0000", 2);
  const connected = row("0100007F:8B77", "E803607F:AFD2", 1);
  const elsewhere = row("0100007F:8B77", "0100007F:0009", 9);
  assert.equal(ownerIn([head + any], arrival), 3);
  assert.equal(ownerIn([head + any + bound], arrival), 2);
  assert.equal(ownerIn([head + elsewhere + any + bound + connected], arrival), 1);
  assert.equal(ownerIn([head + elsewhere], arrival), undefined);
  assert.equal(ownerIn([head], arrival), undefined);
});

Deno.test("two users who might both be the sender are nobody", () => {
  const table = head + row("00000000:8B77", "00000000:0000", 1) + row("00000000:8B77", "00000000:0000", 2);
  assert.equal(ownerIn([table], arrival), undefined);
});

Deno.test("programs that reach IPv4 through IPv6 sockets are found in the other table", () => {
  const connected = row(`${mapped}:8B77`, `0000000000000000FFFF0000E803607F:AFD2`, 7);
  assert.equal(ownerIn([head, head + connected], arrival), 7);
  assert.equal(
    ownerIn([head, head + row(`${"0".repeat(32)}:8B77`, `${"0".repeat(32)}:0000`, 8)], arrival),
    8,
  );
});

Deno.test("a TCP connection is told by all four of its numbers", () => {
  const tcp = { ...arrival, protocol: "tcp" } as const;
  assert.equal(ownerIn([head + row("0100007F:8B77", "E803607F:AFD2", 5)], tcp), 5);
  assert.equal(ownerIn([head + row("0100007F:8B77", "00000000:0000", 5)], tcp), undefined);
  // The receiver's own row has the same two ends the other way round.
  assert.equal(ownerIn([head + row("E803607F:AFD2", "0100007F:8B77", 6)], tcp), undefined);
});

Deno.test("accounts are ranges of uids", () => {
  const accounts = [{ first: 1000, last: 1000 }, { first: 100000, last: 165535 }];
  assert.deepEqual([999, 1000, 1001, 100000, 165536].map((uid) => isAmong(uid, accounts)), [
    false,
    true,
    false,
    true,
    false,
  ]);
});

Deno.test("many questions at once read the table twice, each after it was asked", async () => {
  let reads = 0;
  const owners = new SocketOwners(async () => {
    reads++;
    await Promise.resolve();
    return [head + row("0100007F:8B77", "E803607F:AFD2", reads)];
  });
  const first = owners.owner(arrival);
  await Promise.resolve();
  const later = await Promise.all(Array.from({ length: 50 }, () => owners.owner(arrival)));
  assert.equal(await first, 1);
  assert.deepEqual(new Set(later), new Set([2]));
  assert.equal(reads, 2);
  assert.equal(await owners.owner(arrival), 3);
});

Deno.test("a socket that one read of the table missed is looked for again, and one that's never there is given up", async () => {
  let reads = 0;
  const owners = new SocketOwners(() =>
    Promise.resolve([++reads === 2 ? head + row("0100007F:8B77", "E803607F:AFD2", 5) : head])
  );
  assert.equal(await owners.owner(arrival), 5);
  assert.equal(reads, 2);
  assert.equal(await owners.owner(arrival), undefined);
  assert.ok(reads < 10, `${reads} reads`);
});

Deno.test("the owner of a real connection and of a real datagram is this user", async () => {
  const owners = new SocketOwners();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [client, accepted] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  assert.equal(await owners.owner(arrivalOf(accepted)), Deno.uid());
  for (const open of [client, accepted, listener]) open.close();

  const [one, two] = [dgram.createSocket("udp4"), dgram.createSocket("udp4")];
  await Promise.all([one, two].map((socket) => (socket.bind(0, "127.0.0.1"), once(socket, "listening"))));
  const udp = { protocol: "udp", peer: one.address(), own: two.address() } as const;
  assert.equal(await owners.owner(udp), Deno.uid());
  await Promise.all([one, two].map((socket) => (socket.close(), once(socket, "close"))));
  assert.equal(await owners.owner(udp), undefined);
});
