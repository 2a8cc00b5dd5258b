import assert from "node:assert/strict";
import fc from "fast-check";
import { parseExplainTarget } from "./explain_target.ts";

Deno.test("a target is a host with a port and a protocol where they are given, or a URL", () => {
  const rows = [
    ["echo", { host: "echo", protocol: "tcp" }],
    ["echo.default.svc.", { host: "echo.default.svc", protocol: "tcp" }],
    ["echo.default.svc:80", { host: "echo.default.svc", port: 80, protocol: "tcp" }],
    ["dns.kube-system:53/udp", { host: "dns.kube-system", port: 53, protocol: "udp" }],
    ["10.96.1.2:443", { host: "10.96.1.2", port: 443, protocol: "tcp" }],
    ["fd00::1", { host: "fd00::1", protocol: "tcp" }],
    ["[fd00::1]:80", { host: "fd00::1", port: 80, protocol: "tcp" }],
    ["http://echo.default.svc/path?q", { host: "echo.default.svc", port: 80, protocol: "tcp" }],
    ["https://echo.default.svc:8443/", { host: "echo.default.svc", port: 8443, protocol: "tcp" }],
    ["http://[fd00::1]/", { host: "fd00::1", port: 80, protocol: "tcp" }],
  ] as const;
  for (const [input, expected] of rows) assert.deepEqual(parseExplainTarget(input), expected, input);
});

Deno.test("what is no host and port isn't a target", () => {
  for (
    const input of [
      "",
      ":80",
      "echo:0",
      "echo:65536",
      "echo:http",
      "a b",
      "-x",
      "http://",
      "[]:80",
      "echo/80",
    ]
  ) {
    assert.equal(parseExplainTarget(input), undefined, input);
  }
});

Deno.test("any text is a target of a valid port, or none", () => {
  fc.assert(fc.property(fc.string(), (input) => {
    const { host, port = 1 } = parseExplainTarget(input) ?? { host: "a" };
    assert.ok(host.length > 0 && host.length <= 253 && port >= 1 && port <= 65_535);
  }));
});
