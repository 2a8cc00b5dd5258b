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

/** A packet in a chain. */
const packet = (id: string, chain: string, to: string, port: number) =>
  `trace id ${id} ${chain} packet: oif "lo" ip saddr 198.18.255.254 ip daddr ${to} ip ttl 64 tcp sport 9 tcp dport ${port} tcp flags == syn`;

Deno.test("the rule of a NAT that leads a packet elsewhere is found, with where it leads", () => {
  const jump =
    "trace id 1 ip nat OUTPUT rule counter packets 0 bytes 0 jump KUBE-SERVICES (verdict jump KUBE-SERVICES)";
  const dnat =
    "trace id 1 ip nat KUBE-SVC-X rule meta l4proto tcp counter packets 0 bytes 0 dnat to 10.99.0.1:8080 (verdict accept)";
  const first = packet("1", `inet ${TABLE} output`, "10.96.0.10", 80);
  const found = {
    chain: "ip nat KUBE-SVC-X",
    rule: "meta l4proto tcp dnat to 10.99.0.1:8080",
    leadsTo: "10.99.0.1:8080",
  };
  assert.deepEqual(parse(first, traced("1"), jump, dnat), found);
  const last = packet("1", `inet ${TABLE} postrouting`, "10.99.0.1", 8080);
  assert.deepEqual(parse(first, traced("1"), jump, dnat, last), found);
  const redirect = "trace id 1 inet vpn o rule tcp dport 80 redirect to :9000 (verdict accept)";
  const there = packet("1", `inet ${TABLE} postrouting`, "127.0.0.1", 9000);
  assert.deepEqual(parse(first, traced("1"), redirect, there), {
    chain: "inet vpn o",
    rule: "tcp dport 80 redirect to :9000",
    leadsTo: "127.0.0.1:9000",
  });
  const dropped = "trace id 1 ip filter OUTPUT rule ip daddr 10.99.0.1 drop (verdict drop)";
  assert.equal(parse(first, traced("1"), dnat, dropped)?.leadsTo, "10.99.0.1:8080", "the NAT came first");
});

Deno.test("of NAT by rules that nft doesn't list, where it leads is told", () => {
  const found = parse(
    packet("1", `inet ${TABLE} output`, "10.96.0.10", 80),
    traced("1"),
    packet("1", `inet ${TABLE} postrouting`, "127.0.0.1", 8080),
  );
  assert.equal(found?.leadsTo, "127.0.0.1:8080");
  assert.match(found?.rule ?? "", /iptables-legacy/);
  const same = packet("1", `inet ${TABLE} output`, "10.96.0.10", 80);
  assert.equal(parse(same, traced("1"), same.replace("output", "postrouting")), undefined);
});

Deno.test("NAT of the source, and a queue whose program is silent, are found where nothing drops", () => {
  const first = packet("1", `inet ${TABLE} output`, "10.96.0.10", 80);
  const masquerade =
    "trace id 1 ip nat POSTROUTING rule counter packets 0 bytes 0 masquerade (verdict accept)";
  const last = packet("1", `inet ${TABLE} postrouting`, "10.96.0.10", 80).replace(
    "198.18.255.254",
    "10.77.0.1",
  );
  const found = { chain: "ip nat POSTROUTING", rule: "masquerade", seemsFrom: "10.77.0.1" };
  assert.deepEqual(parse(first, traced("1"), masquerade, last), found);
  const dropped = "trace id 1 ip filter INPUT rule drop (verdict drop)";
  assert.deepEqual(parse(first, traced("1"), masquerade, last, dropped), {
    chain: "ip filter INPUT",
    rule: "drop",
  });
  const queue = "trace id 1 ip filter OUTPUT rule counter packets 0 bytes 0 queue num 0 (verdict queue)";
  assert.deepEqual(parse(first, traced("1"), queue), { chain: "ip filter OUTPUT", rule: "queue num 0" });
  assert.equal(parse(first, traced("1"), queue, first.replace("output", "postrouting")), undefined);
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
