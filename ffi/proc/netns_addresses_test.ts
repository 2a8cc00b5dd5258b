import assert from "node:assert/strict";
import { addressesOf, addressesOfInet6, addressesOfTrie } from "./netns_addresses.ts";

const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.244.0.0/24 2 0 2
        |-- 10.244.0.0
           /24 link UNICAST
        |-- 10.244.0.1
           /32 host LOCAL
        |-- 10.244.0.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
Local:
        |-- 10.244.0.1
           /32 host LOCAL
        |-- 10.77.1.1
           /32 host LOCAL
`;

Deno.test("the host's IPv4 addresses are the local leaves of its trie, each once", () => {
  assert.deepEqual(addressesOfTrie(trie), ["10.244.0.1", "10.77.1.1"]);
});

Deno.test("the host's IPv6 addresses come without loopback", () => {
  const text = "00000000000000000000000000000001 01 80 10 80       lo\n" +
    "fd000077000000000000000000010001 02 40 00 80     eth0\n";
  assert.deepEqual(addressesOfInet6(text), ["fd00:77::1:1"]);
});

Deno.test("this machine's addresses are what Deno says they are", () => {
  const own = Deno.networkInterfaces().filter(({ name, family }) => name !== "lo" && family === "IPv4");
  const found = addressesOf("/proc/self/net");
  for (const { address } of own) assert.equal(found.includes(address), true, address);
});
