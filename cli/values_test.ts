import assert from "node:assert/strict";
import fc from "fast-check";
import {
  domain,
  interceptedService,
  localTarget,
  parseLocalTarget,
  parseServiceName,
  parseServicePort,
  servicePort,
} from "./values.ts";

Deno.test("a Service is named with or without its namespace, and with what DNS adds", () => {
  assert.deepEqual(parseServiceName("echo"), { service: "echo" });
  assert.deepEqual(parseServiceName("echo.shop"), { service: "echo", namespace: "shop" });
  assert.deepEqual(parseServiceName("echo.shop.svc"), { service: "echo", namespace: "shop" });
  assert.deepEqual(parseServiceName("echo.shop.svc.cluster.local"), { service: "echo", namespace: "shop" });
  for (
    const wrong of [
      "",
      ".",
      "echo.",
      ".shop",
      "Echo",
      "echo_1",
      "-echo",
      "echo.shop.pod",
      "a".repeat(64),
      "echo.shop.svc..x",
    ]
  ) {
    assert.equal(parseServiceName(wrong), undefined, wrong);
  }
});

Deno.test("a Service's port follows a colon, a context an at sign", () => {
  assert.deepEqual(parseServicePort("echo:80"), { service: "echo", port: "80" });
  assert.deepEqual(parseServicePort("echo.shop:http"), { service: "echo", namespace: "shop", port: "http" });
  const arn = "arn:aws:eks:eu-west-1:1:cluster/dev";
  assert.deepEqual(parseServicePort(`echo.shop:80@${arn}`), {
    service: "echo",
    namespace: "shop",
    port: "80",
    context: arn,
  });
  for (const wrong of ["echo:", "echo:0", "echo:65536", "echo:80:81", ":80", "echo@"]) {
    assert.equal(parseServicePort(wrong), undefined, wrong);
  }
});

Deno.test("LOCAL is a port or host and port, and the Service's port comes after it", () => {
  const loopback = { host: "localhost", local: 8081 };
  assert.deepEqual(parseLocalTarget("8081"), loopback);
  assert.deepEqual(parseLocalTarget("8081:80"), { ...loopback, port: "80" });
  assert.deepEqual(parseLocalTarget("8081:http"), { ...loopback, port: "http" });
  assert.deepEqual(parseLocalTarget("localhost:8081"), loopback);
  assert.deepEqual(parseLocalTarget("127.0.0.1:8081"), { host: "127.0.0.1", local: 8081 });
  assert.deepEqual(parseLocalTarget("127.0.0.2:8081:http-2"), {
    host: "127.0.0.2",
    local: 8081,
    port: "http-2",
  });
  assert.deepEqual(parseLocalTarget("[::1]:8081:80"), { host: "::1", local: 8081, port: "80" });
  for (
    const wrong of [
      "",
      "http",
      "0",
      "65536",
      "08",
      "8081:",
      "8081:80:90",
      "::1:8081",
      "[::1]",
      "host:",
      "host:http",
      "8081:65536",
    ]
  ) {
    assert.equal(parseLocalTarget(wrong), undefined, wrong);
  }
});

Deno.test("what a value is printed as is read as the same value", () => {
  const label = fc.stringMatching(/^[a-z]([a-z0-9]{0,5})$/);
  const number = fc.integer({ min: 1, max: 65535 });
  fc.assert(
    fc.property(
      label,
      fc.option(label, { nil: undefined }),
      fc.option(number, { nil: undefined }),
      (service, namespace, port) => {
        const given = {
          service,
          ...(namespace === undefined ? {} : { namespace }),
          ...(port === undefined ? {} : { port: String(port) }),
        };
        assert.deepEqual(parseServicePort(servicePort().format(given)), given);
      },
    ),
  );
  fc.assert(
    fc.property(
      fc.constantFrom("127.0.0.1", "::1", "localhost"),
      number,
      fc.option(label, { nil: undefined }),
      (host, local, port) => {
        const given = { host, local, ...(port === undefined ? {} : { port }) };
        assert.deepEqual(parseLocalTarget(localTarget().format(given)), given);
      },
    ),
  );
});

Deno.test("no text makes the parsers throw", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    for (const parser of [servicePort(), localTarget(), domain(), interceptedService()]) parser.parse(text);
  }));
});

Deno.test("a Service that is called like a command has to be named with its namespace", () => {
  for (const name of ["list", "add", "delete"]) {
    assert.equal(interceptedService().parse(name).success, false);
    const full = interceptedService().parse(`${name}.default`);
    assert.ok(full.success);
    assert.deepEqual(full.value, { service: name, namespace: "default" });
  }
});

Deno.test("a domain is lower case, without its last dot, and may begin with a star", () => {
  const read = (text: string) => {
    const parsed = domain().parse(text);
    return parsed.success ? parsed.value : undefined;
  };
  assert.equal(read("WWW.Shop.Example."), "www.shop.example");
  assert.equal(read("*.shop.example"), "*.shop.example");
  for (const wrong of ["", "*", "a..b", "a b", "*.*.b", "-a.b", `${"a.".repeat(127)}a`.slice(1)]) {
    assert.equal(read(wrong), undefined, wrong);
  }
});
