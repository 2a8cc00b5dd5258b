import assert from "node:assert/strict";
import fc from "fast-check";
import { NotValid, type Schema } from "../schema.ts";
import { calls } from "./calls.ts";
import { agentRequest, customName, interceptRequest, upRequest } from "./requests.ts";

const requests: readonly Schema<unknown>[] = Object.values(calls).map(({ request }) => request);

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

Deno.test("hostile JSON throws nothing but an error that names a field", () => {
  const any = fc.oneof(hostile.object, hostile.value, fc.jsonValue(), fc.constant(undefined));
  fc.assert(fc.property(any, (raw) => {
    for (const request of requests) {
      try {
        request.parse(raw, "");
      } catch (error) {
        assert.ok(error instanceof NotValid, String(error));
        assert.match(error.message, /^[\w.[\] ]+ is (missing|not a valid [\w -]+): expected .{3,200}$/i);
      }
    }
  }));
});

Deno.test("what is read has the request's fields and no others", () => {
  const fields = {
    context: "dev",
    namespace: "default",
    mode: "proxy",
    install: true,
    proxyPort: 0,
    installOptions: { baseImage: "mirror/deno", force: true, ranges: ["10.0.0.0/8"] },
  };
  const more = { more: { __proto__: null }, installOptions: { ...fields.installOptions, more: 1 } };
  assert.deepEqual(upRequest.parse({ ...fields, ...more }, ""), fields);
});

Deno.test("only true agrees to an installation; nothing that is like it", () => {
  assert.equal(upRequest.parse({ mode: "proxy" }, "").install, false);
  for (const install of ["true", 1, {}, [], null]) {
    assert.throws(() => upRequest.parse({ mode: "proxy", install }, ""), {
      message: "install is not a valid boolean: expected true or false",
    });
  }
});

Deno.test("a custom domain is lower case, without the dot at its end", () => {
  const of = { service: "echo", namespace: "default" };
  const domainOf = (domain: string) => customName.parse({ ...of, domain }, "").domain;
  assert.equal(domainOf("Shop.Example."), "shop.example");
  assert.equal(domainOf("*.shop.example"), "*.shop.example");
  const wrong = ["", ".", "a..b", "*", "a.*.b", "-a", "a b", "a".repeat(64), "xn--ä", "a.".repeat(127) + "a"];
  for (const domain of wrong) assert.throws(() => domainOf(domain), NotValid, domain);
});

Deno.test("an intercept names a Service, and a host and port of the laptop", () => {
  const raw = { service: "echo", local: { host: "127.0.0.1", port: 8081 }, install: false };
  assert.deepEqual(interceptRequest.parse(raw, ""), raw);
  const messageOf = (more: object) => {
    try {
      interceptRequest.parse({ ...raw, ...more }, "");
    } catch (error) {
      return error instanceof NotValid ? error.message : String(error);
    }
  };
  for (const port of [0, 65536, 80.5, "80", null]) {
    assert.equal(
      messageOf({ local: { host: "h", port } }),
      "local.port is not a valid port: expected 1 to 65535",
    );
  }
  assert.equal(messageOf({ local: { host: "h" } }), "local.port is missing: expected 1 to 65535");
  assert.match(messageOf({ service: "Echo" }) ?? "", /^service is not a valid name of a Service: expected /);
  assert.match(messageOf({ service: undefined }) ?? "", /^service is missing: expected /);
  assert.equal(
    messageOf({ local: "8081" }),
    "local is not a valid object: expected an object with host, port",
  );
});

Deno.test("components are each named once", () => {
  const read = (components: unknown) => agentRequest.parse({ components }, "").components;
  assert.deepEqual(read(["node", "gateway", "node"]), ["gateway", "node"]);
  for (const components of [undefined, [], "gateway", ["relay"], [null], ["node", "relay"]]) {
    assert.throws(() => read(components), NotValid);
  }
});
