import assert from "node:assert/strict";
import fc from "fast-check";
import { HelloMismatch } from "../wire/hello.ts";
import { NotValid } from "../wire/schema.ts";
import { parseRequest } from "./requests.ts";

Deno.test("a request is what the daemon meant", () => {
  assert.deepEqual(parseRequest({ ask: "listeners", family: 6, more: 1 }), { ask: "listeners", family: 6 });
  const captured = parseRequest({
    ask: "capture",
    add: [
      { address: "fd00:0::1", ports: "any" },
      { address: "10.0.0.1", ports: [{ protocol: "udp", port: 53, served: false }] },
    ],
  });
  assert.ok(captured.ask === "capture");
  assert.deepEqual(captured.add.map(({ address, ports }) => [address.text, ports]), [
    ["fd00::1", "any"],
    ["10.0.0.1", [{ protocol: "udp", port: 53, served: false }]],
  ]);
  const names = parseRequest({ ask: "names", stubs: [{ nameserver: "::1", stub: "[::1]:5300" }] });
  assert.ok(names.ask === "names");
  assert.deepEqual(names.stubs.map(({ nameserver, stub }) => [nameserver.text, stub.port]), [[
    "::1",
    5300,
  ]]);
});

/** Something near to a request: right keys with anything behind them. */
const nearly = fc.record({
  ask: fc.oneof(
    fc.constantFrom("hello", "listeners", "capture", "release", "names", "refusals"),
    fc.anything(),
  ),
  family: fc.anything(),
  hello: fc.anything(),
  add: fc.oneof(fc.anything(), fc.array(fc.record({ address: fc.anything(), ports: fc.anything() }))),
  addresses: fc.oneof(fc.anything(), fc.array(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()))),
  stubs: fc.oneof(
    fc.anything(),
    fc.array(fc.record({ nameserver: fc.anything(), stub: fc.anything() })),
  ),
}, { requiredKeys: [] });

Deno.test("an error names the field and what was expected", () => {
  for (
    const [request, error] of [
      [{ ask: "dance" }, /^ask is not a valid request: expected "hello", /],
      [{ ask: "listeners", family: 5 }, /^family is not a valid address family: expected 4 or 6$/],
      [
        { ask: "release", addresses: ["10.0.0.1", "10.0.0.256"] },
        /^addresses\[1\] is not a valid address: expected an IPv4 or IPv6 address$/,
      ],
      [
        {
          ask: "capture",
          add: [{ address: "10.0.0.1", ports: [{ protocol: "tcp", port: 0, served: true }] }],
        },
        /^add\[0\]\.ports\[0\]\.port is not a valid port: expected 1 to 65535$/,
      ],
      [{ ask: "names", stubs: [{ nameserver: "::1" }] }, /^stubs\[0\]\.stub is missing: /],
    ] as const
  ) assert.throws(() => parseRequest(request), { name: "NotValid", message: error });
});

Deno.test("whatever comes is a request or is refused", () => {
  fc.assert(
    fc.property(fc.oneof(fc.anything(), nearly), (raw) => {
      try {
        parseRequest(raw);
      } catch (error) {
        assert.ok(error instanceof NotValid || error instanceof HelloMismatch, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});
