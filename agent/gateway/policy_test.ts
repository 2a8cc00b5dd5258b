import assert from "node:assert/strict";
import fc from "fast-check";
import { addressOf, formatEndpoint, parseAddress } from "../../net/address.ts";
import { decide, type Targets } from "./policy.ts";
import { contains, parseRange, type Range } from "../../net/range.ts";
import { specialRanges, whyRefused } from "../../net/special_ranges.ts";

function targets(target: readonly string[] = [], node: readonly string[] = []): Targets {
  return { isTarget: (address) => target.includes(address), isNode: (address) => node.includes(address) };
}

function ranges(...texts: string[]): Range[] {
  return texts.map((text) => {
    const parsed = parseRange(text);
    assert(parsed, text);
    return parsed;
  });
}

const everything: Targets = { isTarget: () => true, isNode: () => false };
const allRanges = ranges("0.0.0.0/0", "::/0");

Deno.test("Services, pods, and ranges allowed at deployment are dialled", () => {
  const known = targets(["10.96.0.10", "fd00:77:96::a"]);
  assert.equal(decide("10.96.0.10:53", known, []).kind, "dial");
  assert.equal(decide("[fd00:77:96::a]:53", known, []).kind, "dial");
  assert.equal(decide("[fd00:0077:96:0::a]:53", known, []).kind, "dial");
  assert.equal(decide("10.1.2.3:443", known, ranges("10.1.0.0/16")).kind, "dial");
  assert.equal(decide("10.2.2.3:443", known, ranges("10.1.0.0/16")).kind, "unknown");
});

Deno.test("the gateway dials what it has checked: the address in its canonical form", () => {
  const verdict = decide("[::ffff:10.96.0.10]:53", targets(["10.96.0.10"]), []);
  assert(verdict.kind === "dial");
  assert.equal(verdict.endpoint.address.text, "10.96.0.10");
});

Deno.test("nodes, metadata and this host are refused, even when the cluster or the deployment names them", () => {
  const known = targets(["10.77.1.1", "10.96.0.10"], ["10.77.1.1", "fd00:77::1:1"]);
  for (
    const authority of [
      "10.77.1.1:10250",
      "[::ffff:10.77.1.1]:10250",
      "[fd00:77::1:1]:10250",
      "169.254.169.254:80",
      "[::ffff:169.254.169.254]:80",
      "[::ffff:a9fe:a9fe]:80",
      "[::a9fe:a9fe]:80",
      "[64:ff9b::a9fe:a9fe]:80",
      "[2002:a9fe:a9fe::1]:80",
      "[fd00:ec2::254]:80",
      "100.100.100.200:80",
      "168.63.129.16:80",
      "127.0.0.1:8100",
      "127.1.2.3:22",
      "[::1]:8100",
      "0.0.0.0:80",
      "[::]:80",
      "[fe80::1]:80",
      "224.0.0.1:80",
      "255.255.255.255:80",
      "[ff02::1]:80",
    ]
  ) {
    const verdict = decide(authority, known, allRanges);
    assert.equal(verdict.kind, "refuse", authority);
    assert.equal(verdict.kind === "refuse" && verdict.error, "destination_ip_prohibited", authority);
  }
});

Deno.test("each special range is refused, whatever the cluster and the deployment say", () => {
  for (const { range, why } of specialRanges) {
    const verdict = decide(formatEndpoint(addressOf(range.first).text, 80), everything, allRanges);
    assert.equal(verdict.kind === "refuse" && verdict.error, "destination_ip_prohibited", range.text);
    assert.match(verdict.kind === "refuse" ? verdict.why : "", /the gateway never dials it$/, why);
  }
});

Deno.test("only addresses with a port are accepted: no names, no other spellings of an address", () => {
  for (
    const authority of [
      "",
      "kubernetes.default.svc:443",
      "10.96.0.10",
      "10.96.0.10:0",
      "010.96.0.10:53",
      "0x0a600a0a:53",
      "174063626:53",
      "10.96.2570:53",
      "[fe80::1%eth0]:53",
      "user@10.96.0.10:53",
      "10.96.0.10:53/path",
    ]
  ) {
    const verdict = decide(authority, everything, allRanges);
    assert.equal(verdict.kind === "refuse" && verdict.error, "http_request_error", authority);
  }
});

const anyAddress = fc.oneof(
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => addressOf(bytes).text),
  fc.ipV4(),
  fc.ipV4().map((v4) => `::ffff:${v4}`),
  fc.constantFrom("127.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"),
);
const anyPort = fc.integer({ min: 1, max: 65535 });

Deno.test("an address that is never dialled is refused, whatever is known and allowed", () => {
  fc.assert(fc.property(anyAddress, anyPort, (text, port) => {
    const verdict = decide(formatEndpoint(text, port), everything, allRanges);
    const address = parseAddress(text);
    assert(address);
    assert.equal(verdict.kind === "dial", whyRefused("gateway", address) === undefined, text);
    const local = ranges("127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "fe80::/10", "::/127");
    if (local.some((range) => contains(range, address))) assert.equal(verdict.kind, "refuse");
  }));
});

Deno.test("an address is dialled only if it is a target or in an allowed range, and not a node's", () => {
  fc.assert(
    fc.property(
      anyAddress,
      anyPort,
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      (text, port, target, node, extra) => {
        const verdict = decide(
          formatEndpoint(text, port),
          { isTarget: () => target, isNode: () => node },
          extra ? allRanges : [],
        );
        if (verdict.kind === "dial") assert(!node && (target || extra));
        if (verdict.kind === "dial") assert.equal(verdict.endpoint.address.text, parseAddress(text)?.text);
        if (verdict.kind === "unknown") assert(!node && !target && !extra);
      },
    ),
  );
});

Deno.test("no authority makes the decision throw", () => {
  fc.assert(fc.property(fc.string(), (authority) => {
    decide(authority, everything, allRanges);
  }));
});
