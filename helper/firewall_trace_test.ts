import assert from "node:assert/strict";
import fc from "fast-check";
import { parseTrace } from "./firewall_trace.ts";

Deno.test("the rule that dropped a packet is found, of iptables and of nftables", () => {
  const packet =
    'trace id b54de661 ip filter INPUT packet: iif "lo" ip saddr 100.64.0.10 ip daddr 198.18.255.254 ip ttl 64';
  const tailscale =
    'trace id b54de661 ip filter INPUT rule iifname != "tailscale0" ip saddr 100.64.0.0/10 counter packets 0 bytes 0 drop (verdict drop)';
  assert.deepEqual(parseTrace(`${packet}\n${tailscale}\n`), {
    chain: "ip filter INPUT",
    rule: 'iifname != "tailscale0" ip saddr 100.64.0.0/10 drop',
  });
  const killSwitch =
    'trace id 9d639a9b inet fw output rule oifname != "wg0" fib daddr type != local reject comment "kill switch" (verdict drop)';
  assert.deepEqual(parseTrace(killSwitch), {
    chain: "inet fw output",
    rule: 'oifname != "wg0" fib daddr type != local reject comment "kill switch"',
  });
});

Deno.test("a chain's policy that dropped a packet is found", () => {
  assert.deepEqual(parseTrace("trace id 9d639a9b inet filter input policy drop \n"), {
    chain: "inet filter input",
    rule: "policy drop",
  });
});

Deno.test("packets that pass drop nothing", () => {
  const lines = [
    "trace id 47dffa42 inet pmz_trace_1 in rule ip saddr 1.2.3.4 meta nftrace set 1 (verdict continue)",
    "trace id 47dffa42 ip filter INPUT policy accept ",
    "trace id 47dffa42 ip filter INPUT rule jump ts-input (verdict jump ts-input)",
  ];
  assert.equal(parseTrace(lines.join("\n")), undefined);
});

Deno.test("whatever a firewall's rules say, what is told of them is short and of one line", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (text, rule) => {
    const found = parseTrace(`${text}\ntrace id 1 ip filter INPUT rule ${rule} (verdict drop)\n${text}`);
    assert.ok(found === undefined || found.rule.length <= 300 && !found.rule.includes("\n"));
  }));
});
