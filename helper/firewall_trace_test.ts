import assert from "node:assert/strict";
import fc from "fast-check";
import { parseTrace } from "./firewall_trace.ts";

const TABLE = "pmz_trace_1";
/** What nftables says first of a packet that TABLE's rules have traced. */
const traced = (id: string) =>
  `trace id ${id} inet ${TABLE} output rule ip saddr 198.18.255.254 meta nftrace set 1 (verdict continue)`;
const parse = (...lines: string[]) => parseTrace(`${lines.join("\n")}\n`, TABLE);

Deno.test("the rule that dropped a packet is found, of iptables and of nftables", () => {
  const packet =
    'trace id b54de661 ip filter INPUT packet: iif "lo" ip saddr 100.64.0.10 ip daddr 198.18.255.254 ip ttl 64';
  const tailscale =
    'trace id b54de661 ip filter INPUT rule iifname != "tailscale0" ip saddr 100.64.0.0/10 counter packets 0 bytes 0 drop (verdict drop)';
  assert.deepEqual(parse(traced("b54de661"), packet, tailscale), {
    chain: "ip filter INPUT",
    rule: 'iifname != "tailscale0" ip saddr 100.64.0.0/10 drop',
  });
  const killSwitch =
    'trace id 9d639a9b inet fw output rule oifname != "wg0" fib daddr type != local reject comment "kill switch" (verdict drop)';
  assert.deepEqual(parse(traced("9d639a9b"), killSwitch), {
    chain: "inet fw output",
    rule: 'oifname != "wg0" fib daddr type != local reject comment "kill switch"',
  });
});

Deno.test("a chain's policy that dropped a packet is found", () => {
  assert.deepEqual(parse(traced("9d639a9b"), "trace id 9d639a9b inet filter input policy drop "), {
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
  assert.equal(parse(...lines), undefined);
});

Deno.test("what drops packets that others have traced isn't told", () => {
  const dropped = "ip filter INPUT rule ip saddr 192.0.2.7 drop (verdict drop)";
  assert.equal(parse(`trace id 1 ${dropped}`, traced("2"), `trace id 3 ${dropped}`), undefined);
  const neighbours =
    "trace id 1 inet pmz_trace_2 output rule ip saddr 198.18.255.253 meta nftrace set 1 (verdict continue)";
  assert.equal(parse(neighbours, `trace id 1 ${dropped}`), undefined, "of another user's helper");
  assert.equal(parse(traced("1"), `trace id 1 ${dropped}`)?.rule, "ip saddr 192.0.2.7 drop");
});

Deno.test("whatever a firewall's rules say, what is told of them is short and of one line", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (text, rule) => {
    const found = parse(text, traced("1"), `trace id 1 ip filter INPUT rule ${rule} (verdict drop)`, text);
    assert.ok(found === undefined || found.rule.length <= 300 && !found.rule.includes("\n"));
  }));
});
