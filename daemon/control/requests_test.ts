import assert from "node:assert/strict";
import fc from "fast-check";
import { Failure } from "../failure.ts";
import * as parse from "./requests.ts";

const parsers = [
  parse.agentRequest,
  parse.clusterChoice,
  parse.customName,
  parse.downRequest,
  parse.interceptRequest,
  parse.planRequest,
  parse.upRequest,
];

const fields = [
  "context kubeconfig namespace mode proxyPort install installOptions domain service local port components",
  "options baseImage agentImage force ranges host",
].join(" ").split(" ");

/** JSON that has the fields that are looked for, with values that are near to right ones. */
const hostile = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      "capture",
      "echo",
      "gateway",
      "a.b",
      "*.x",
      "",
      "-",
      "\0",
      "ä",
      "x".repeat(600),
      80,
      0,
      -1,
      1e9,
    ),
    fc.jsonValue({ maxDepth: 1 }),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(fc.constantFrom(...fields, "__proto__", "constructor"), tie("value"), { maxKeys: 8 }),
}));

Deno.test("hostile JSON throws nothing but a Failure that says usage", () => {
  const any = fc.oneof(hostile.object, hostile.value, fc.jsonValue(), fc.constant(undefined));
  fc.assert(fc.property(any, (raw) => {
    for (const parser of parsers) {
      try {
        parser(raw);
      } catch (error) {
        assert.ok(error instanceof Failure, String(error));
        assert.equal(error.code, "usage");
        assert.ok(error.message.length < 400, error.message);
      }
    }
  }));
});

Deno.test("what is parsed has the request's fields and no others", () => {
  const raw = {
    context: "dev",
    namespace: "default",
    mode: "proxy",
    install: true,
    proxyPort: 0,
    installOptions: { baseImage: "mirror/deno", force: true, ranges: ["10.0.0.0/8"], more: 1 },
    more: { __proto__: null },
  };
  assert.deepEqual(parse.upRequest(raw), {
    context: "dev",
    namespace: "default",
    mode: "proxy",
    install: true,
    proxyPort: 0,
    installOptions: { baseImage: "mirror/deno", force: true, ranges: ["10.0.0.0/8"] },
  });
});

Deno.test("an agreement to install is true and nothing like it", () => {
  for (const install of ["true", 1, {}, [], null]) {
    assert.equal(parse.upRequest({ mode: "proxy", install }).install, false);
  }
});

Deno.test("a custom domain is lower case, without the dot at its end", () => {
  const of = { service: "echo", namespace: "default" };
  assert.equal(parse.customName({ ...of, domain: "Shop.Example." }).domain, "shop.example");
  assert.equal(parse.customName({ ...of, domain: "*.shop.example" }).domain, "*.shop.example");
  for (const domain of ["", ".", "a..b", "*", "a.*.b", "-a", "a b", "a".repeat(64), "xn--ä"]) {
    assert.throws(() => parse.customName({ ...of, domain }), Failure, domain);
  }
});

Deno.test("an intercept names a Service, and a host and port of the laptop", () => {
  const raw = { service: "echo", local: { host: "127.0.0.1", port: 8081 }, install: false };
  assert.deepEqual(parse.interceptRequest(raw), raw);
  const port = (port: unknown) => () => parse.interceptRequest({ ...raw, local: { host: "h", port } });
  for (const wrong of [0, 65536, 80.5, "80", null, undefined]) assert.throws(port(wrong), /local\.port/);
  assert.throws(() => parse.interceptRequest({ ...raw, service: "Echo" }), /no name of a service/);
  assert.throws(() => parse.interceptRequest({ ...raw, service: undefined }), /service is missing/);
  assert.throws(() => parse.interceptRequest({ ...raw, local: "8081" }), /local is no object/);
});

Deno.test("components are each named once", () => {
  assert.deepEqual(parse.agentRequest({ components: ["node", "gateway", "node"] }).components, [
    "node",
    "gateway",
  ]);
  for (const components of [undefined, [], "gateway", ["relay"], [null]]) {
    assert.throws(() => parse.agentRequest({ components }), Failure);
  }
});
