import assert from "node:assert/strict";
import { inNewNetns, isRoot } from "../testing/netns.ts";
import { Netlink } from "./netlink.ts";
import { pathsChanged, readPaths } from "./paths.ts";

const ignore = !isRoot;
const own = { isDevice: (name: string) => /^pmz/.test(name), isTable: (table: number) => table === 726_900 };

/** `ip` in the current network namespace. */
function ip(line: string): void {
  const { success, stderr } = new Deno.Command("ip", { args: line.split(" ") }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** A machine with a LAN at eth0, whose cable's other end is `cable`. */
function onMachine(body: (changes: (...lines: string[]) => boolean) => void): void {
  inNewNetns(() => {
    using netlink = new Netlink();
    for (
      const line of [
        "link set lo up",
        "link add eth0 type veth peer name cable",
        "link set eth0 addrgenmode none up",
        "link set cable addrgenmode none up",
        "address add 10.50.0.5/24 dev eth0",
        "route add default via 10.50.0.1",
      ]
    ) ip(line);
    body((...lines) => {
      const before = readPaths(netlink, own);
      for (const line of lines) ip(line);
      return pathsChanged(before, readPaths(netlink, own));
    });
  });
}

Deno.test({ name: "other addresses, routes and rules are other paths (needs root)", ignore }, () => {
  onMachine((changes) => {
    assert.ok(changes("address add 10.50.0.6/24 dev eth0"));
    assert.ok(changes("address del 10.50.0.6/24 dev eth0"));
    assert.ok(changes("route add 10.60.0.0/16 via 10.50.0.9"));
    assert.ok(changes("route replace default via 10.50.0.2"));
    assert.ok(changes("rule add not fwmark 5 lookup 51820"));
    assert.ok(changes("rule del lookup 51820"));
    assert.ok(changes("route del default"));
  });
});

Deno.test(
  { name: "a cable that comes back is another path, one that goes isn't yet (needs root)", ignore },
  () => {
    onMachine((changes) => {
      assert.equal(changes("link set cable down"), false);
      assert.ok(changes("link set cable up"));
    });
  },
);

Deno.test(
  { name: "what pmz does itself, and devices without a route, are no news (needs root)", ignore },
  () => {
    onMachine((changes) => {
      assert.equal(
        changes("link add veth1 type veth peer name veth2", "link set veth1 addrgenmode none up"),
        false,
      );
      assert.equal(
        changes(
          "link add pmz0 type veth peer name pmz1",
          "link set pmz0 addrgenmode none up",
          "address add 198.18.255.254/32 dev pmz0",
          "route add local 10.96.0.1 dev pmz0 table 726900",
          "rule add pref 10 iif lo uidrange 1000-1000 lookup 726900",
        ),
        false,
      );
    });
  },
);
