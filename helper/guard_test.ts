import assert from "node:assert/strict";
import { addressOf, parseAddress } from "../net/address.ts";
import { Guard } from "./guard.ts";
import type { Machine } from "./machine.ts";
import { parseRange, type Range } from "../net/range.ts";
import { specialRanges } from "../net/special_ranges.ts";

const nothing: Machine = {
  own: new Map(),
  onLink: [],
  routed: [],
  gateways: new Set(),
  nameservers: new Set(),
  peers: new Set(),
};

function why(
  text: string,
  grant: { ranges?: string[]; never?: string[] } = {},
  machine: Partial<Machine> = {},
  counts = true,
): string | undefined {
  const guard = new Guard(
    { uid: 1000, also: [], cap: 10, ranges: grant.ranges ?? [], never: grant.never ?? [] },
    [range("198.18.255.0/24")],
  );
  const address = parseAddress(text);
  assert.ok(address);
  return guard.why(address, { ...nothing, ...machine }, counts);
}

function range(text: string): Range {
  const parsed = parseRange(text);
  assert.ok(parsed);
  return parsed;
}

Deno.test("private addresses may be captured", () => {
  for (const text of ["10.96.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "198.19.0.1"]) {
    assert.equal(why(text), undefined, text);
  }
});

Deno.test("public ones only where a range was accepted", () => {
  for (const text of ["8.8.8.8", "172.32.0.1", "2001:db8::1"]) assert.match(why(text) ?? "", /public/, text);
  const accepted = { ranges: ["203.0.113.0/24"] };
  assert.equal(why("203.0.113.7", accepted), undefined);
  assert.match(why("203.0.113.7", accepted, {}, false) ?? "", /public/, "of another cluster");
});

Deno.test("no special range is captured, even when everything was accepted", () => {
  const all = { ranges: ["0.0.0.0/0", "::/0"] };
  for (const { range } of specialRanges) assert.ok(why(addressOf(range.first).text, all), range.text);
  assert.match(why("fd00:ec2::23", all) ?? "", /AWS/);
  assert.match(why("fd00:42::42", all) ?? "", /Scaleway/);
  assert.match(why("198.18.255.254", all) ?? "", /pmz's own/);
  assert.equal(why("8.8.8.8", all), undefined);
});

Deno.test("a v4-mapped address is judged as the IPv4 address that it is", () => {
  assert.match(why("::ffff:127.0.0.1", { ranges: ["::/0"] }) ?? "", /loopback/);
  assert.match(why("::ffff:8.8.8.8", { ranges: ["::/0"] }) ?? "", /public/);
});

Deno.test("what the grant names is never captured", () => {
  assert.match(why("10.10.0.7", { never: ["10.10.0.0/16"] }) ?? "", /by choice/);
  assert.match(why("10.10.0.7", { never: ["10.10.0.7"], ranges: ["10.10.0.7"] }) ?? "", /by choice/);
});

Deno.test("what the machine uses is never captured", () => {
  const used = new Set(["10.1.2.3"]);
  for (const key of ["gateways", "nameservers", "peers"] as const) {
    assert.ok(why("10.1.2.3", {}, { [key]: used }), key);
    assert.equal(why("10.1.2.4", {}, { [key]: used }), undefined, key);
  }
  assert.match(
    why("10.1.2.3", {}, { own: new Map([["10.1.2.3", "wlan0"]]) }) ?? "",
    /this machine \(wlan0\)/,
  );
  const onLink = [{ range: range("10.1.0.0/16"), device: "br-shop" }];
  assert.match(why("10.1.2.3", {}, { onLink }) ?? "", /in 10\.1\.0\.0\/16, a network .* in \(br-shop\)/);
});

Deno.test("what the machine has a route to is captured only where its range was accepted", () => {
  const routed = [{ range: range("10.0.0.0/8"), device: "tun0" }];
  assert.match(why("10.96.0.1", {}, { routed }) ?? "", /in 10\.0\.0\.0\/8, which .* a route to \(tun0\)/);
  assert.equal(why("172.20.0.1", {}, { routed }), undefined);
  assert.equal(why("10.96.0.1", { ranges: ["10.96.0.0/12"] }, { routed }), undefined);
  const onLink = [{ range: range("10.96.0.0/16"), device: "br-shop" }];
  assert.match(why("10.96.0.1", { ranges: ["10.96.0.0/12"] }, { onLink }) ?? "", /br-shop/);
});

Deno.test("a grant with a range that is not valid is refused whole", () => {
  assert.throws(() => why("10.0.0.1", { never: ["10.0.0.0/40"] }), TypeError);
});
