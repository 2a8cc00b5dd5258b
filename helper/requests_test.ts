import assert from "node:assert/strict";
import fc from "fast-check";
import { HelloMismatch } from "../wire/hello.ts";
import { BadRequest, parseRequest } from "./requests.ts";

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
  const names = parseRequest({ ask: "names", standIns: [{ nameserver: "::1", standIn: "[::1]:5300" }] });
  assert.ok(names.ask === "names");
  assert.deepEqual(names.standIns.map(({ nameserver, standIn }) => [nameserver.text, standIn.port]), [[
    "::1",
    5300,
  ]]);
});

/** Something near to a request: right keys with anything behind them. */
const nearly = fc.record({
  ask: fc.oneof(fc.constantFrom("hello", "listeners", "capture", "release", "names"), fc.anything()),
  family: fc.anything(),
  hello: fc.anything(),
  add: fc.oneof(fc.anything(), fc.array(fc.record({ address: fc.anything(), ports: fc.anything() }))),
  addresses: fc.oneof(fc.anything(), fc.array(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()))),
  standIns: fc.oneof(
    fc.anything(),
    fc.array(fc.record({ nameserver: fc.anything(), standIn: fc.anything() })),
  ),
}, { requiredKeys: [] });

Deno.test("whatever comes is a request or refused as none", () => {
  fc.assert(
    fc.property(fc.oneof(fc.anything(), nearly), (raw) => {
      try {
        parseRequest(raw);
      } catch (error) {
        assert.ok(error instanceof BadRequest || error instanceof HelloMismatch, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});
