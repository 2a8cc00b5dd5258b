import assert from "node:assert/strict";
import { inNewNetns, isRoot } from "../testing/netns.ts";
import { readProcFile } from "../proc/proc_file.ts";
import fc from "fast-check";
import { redirectOf } from "./chains.ts";
import { chainAt, legacyChains } from "./legacy_tables.ts";
import { nftRule } from "./nft_rules.ts";
import { Redirects } from "./redirects.ts";

/** What writes the rules. */
type Tool = "iptables-nft" | "iptables-legacy" | "ip6tables-nft" | "ip6tables-legacy" | "nft";

function has(tool: string): boolean {
  try {
    return new Deno.Command(tool, { args: ["--version"], stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Where each port is led in a network namespace in which commands were run. */
function redirects(tool: Tool, commands: readonly string[], ports: readonly number[]) {
  return inNewNetns(() => {
    for (const line of commands) {
      const command = new Deno.Command(tool, { args: line.split(" "), stderr: "piped" });
      const { success, stderr } = command.outputSync();
      assert.ok(success, `${tool} ${line}: ${new TextDecoder().decode(stderr)}`);
    }
    using found = new Redirects((family) =>
      readProcFile(`/proc/thread-self/net/${family === 4 ? "ip" : "ip6"}_tables_names`).split("\n")
    );
    return ports.map(found.read());
  });
}

/** To which port each port is led. */
function led(...args: Parameters<typeof redirects>) {
  return redirects(...args).map((redirect) => redirect?.port);
}

const sidecar = [
  "-t nat -N PROXY_INIT_REDIRECT",
  "-t nat -A PREROUTING -m comment --comment proxy-init -j PROXY_INIT_REDIRECT",
  "-t nat -A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,4191,25:30 -j RETURN",
  "-t nat -A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-port 4143",
];

for (const tool of ["iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"] as const) {
  Deno.test({
    name: `a sidecar's redirect is found, with the ports that it leaves alone (${tool}, needs root)`,
    ignore: !isRoot || !has(tool),
    fn() {
      assert.deepEqual(led(tool, sidecar, [8080, 4190, 27, 31]), [4143, undefined, undefined, 4143]);
    },
  });

  Deno.test({
    name: `of one port alone, and what comes by lo, isn't for the others (${tool}, needs root)`,
    ignore: !isRoot || !has(tool),
    fn() {
      const commands = [
        "-t nat -A PREROUTING -i lo -p tcp -j REDIRECT --to-ports 1",
        "-t nat -A PREROUTING -p udp -j REDIRECT --to-ports 2",
        "-t nat -A PREROUTING -p tcp --dport 9000:9010 -j ACCEPT",
        "-t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 4143",
        "-t nat -A PREROUTING -p tcp ! --dport 1:8999 -j REDIRECT --to-ports 3",
        "-t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 4",
        `-t nat -A PREROUTING -p tcp --dport 70 -j DNAT --to-destination ${
          tool.startsWith("ip6") ? "2001:db8::7" : "192.0.2.7"
        }`,
        `-t nat -A PREROUTING -p tcp --dport 71 -j DNAT --to-destination ${
          tool.startsWith("ip6") ? "::1" : "127.0.0.1"
        }`,
      ];
      assert.deepEqual(led(tool, commands, [8080, 8081, 9005, 9011, 70, 71]), [
        4143,
        undefined,
        undefined,
        3,
        0,
        undefined,
      ]);
    },
  });
}

Deno.test({
  name: "rules of nftables itself are read, those that lead to the same port apart (needs root)",
  ignore: !isRoot || !has("nft"),
  fn() {
    const commands = [
      "add table inet mesh",
      "add chain inet mesh pre { type nat hook prerouting priority -100 ; }",
      "add chain inet mesh inbound",
      "add rule inet mesh pre meta l4proto tcp counter jump inbound",
      "add rule inet mesh inbound tcp dport 1-1023 return",
      "add rule inet mesh inbound tcp dport 9000 dnat ip to 127.0.0.1:9000",
      "add rule inet mesh inbound tcp dport 9001 dnat ip to 192.0.2.7",
      "add rule inet mesh inbound tcp dport != 8081 redirect to :15001",
    ];
    assert.deepEqual(led("nft", commands, [8080, 80, 9000, 8081]), [15001, undefined, undefined, undefined]);
    assert.deepEqual(led("nft", commands, [9001]), [0], "it leaves the pod");
  },
});

for (const tool of ["iptables-nft", "iptables-legacy"] as const) {
  Deno.test({
    name: `a redirect that depends on the packet's mark says so (${tool}, needs root)`,
    ignore: !isRoot || !has(tool),
    fn() {
      const commands = [
        "-t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 1",
        "-t nat -A PREROUTING -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 2",
      ];
      assert.deepEqual(redirects(tool, commands, [80, 81]).map((found) => found?.asksMark), [false, true]);
    },
  });
}

Deno.test({
  name: "nft's tproxy, which a verdict follows, and a redirect by the packet's mark are found (needs root)",
  ignore: !isRoot || !has("nft"),
  fn() {
    const commands = [
      "add table inet mesh",
      "add chain inet mesh pre { type filter hook prerouting priority mangle ; }",
      "add rule inet mesh pre tcp dport 80 tproxy ip to :15006 meta mark set 0x539 accept",
      "add chain inet mesh nat { type nat hook prerouting priority -100 ; }",
      "add rule inet mesh nat tcp dport 81 meta mark and 0xfff != 0x539 redirect to :15006",
    ];
    const found = { port: 15_006, isElsewhere: false };
    assert.deepEqual(redirects("nft", commands, [80, 81]), [
      { ...found, how: "TPROXY", asksMark: false },
      { ...found, how: "REDIRECT", asksMark: true },
    ]);
  },
});

Deno.test({
  name: "an empty network namespace has no redirects, and gets no table by being looked at (needs root)",
  ignore: !isRoot,
  fn() {
    const names = inNewNetns(() => {
      using redirects = new Redirects(() =>
        readProcFile("/proc/thread-self/net/ip_tables_names").split("\n")
      );
      assert.equal(redirects.read()(8080), undefined);
      return readProcFile("/proc/thread-self/net/ip_tables_names").trim();
    });
    assert.equal(names, "");
  },
});

Deno.test("whatever bytes come as rules, reading them ends", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), fc.constantFrom(4, 6), (bytes, family) => {
    const rule = nftRule(bytes.slice());
    redirectOf({ chains: new Map([["", [rule]]]), first: "" }, 8080);
    try {
      const chains = legacyChains(family, bytes, [0]);
      redirectOf({ chains, first: chainAt(0) }, 8080);
    } catch (error) {
      assert.ok(error instanceof RangeError, String(error));
    }
  }));
});

Deno.test("chains that jump to each other in a circle come to an end", () => {
  const jump = (chain: string) => ({ conditions: [], action: { kind: "jump" as const, chain } });
  const chains = new Map([["a", [jump("b"), jump("b")]], ["b", [jump("a"), jump("a")]]]);
  assert.equal(redirectOf({ chains, first: "a" }, 1), undefined);
});
