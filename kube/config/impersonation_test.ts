import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { Api } from "../client/api.ts";
import { dial } from "../client/dial.ts";
import { upgrade } from "../client/upgrade.ts";
import { impersonationHeaders } from "./impersonation.ts";

const as = {
  user: "dev",
  uid: "7",
  groups: ["team-a", "team-b"],
  extra: new Map([["Scopes/x y", ["v1", "v2"]], ["none", []]]),
};
const expected = [
  ["impersonate-user", "dev"],
  ["impersonate-uid", "7"],
  ["impersonate-group", "team-a"],
  ["impersonate-group", "team-b"],
  ["impersonate-extra-Scopes%2Fx%20y", "v1"],
  ["impersonate-extra-Scopes%2Fx%20y", "v2"],
];

Deno.test("each group and each value of an extra field is a header of its own, in a request and in a port-forward", async () => {
  const seen: string[][][] = [];
  const server = createServer((request, response) => {
    const { rawHeaders } = request;
    const fields = rawHeaders.flatMap((name, i) => i % 2 === 0 ? [[name, rawHeaders[i + 1] ?? ""]] : []);
    seen.push(fields.filter(([name]) => name?.toLowerCase().startsWith("impersonate-")));
    response.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const access = {
    tls: false,
    hostname: "127.0.0.1",
    port,
    pathPrefix: "",
    caCerts: [],
    headers: impersonationHeaders(as),
  };
  {
    using api = new Api({ access: () => Promise.resolve(access) });
    await api.json("GET", "/version");
  }
  const connection = await dial(access);
  await assert.rejects(upgrade(connection, access, { path: "/", protocol: "p", what: "try" }));
  connection.close();
  await new Promise((resolve) => server.close(resolve));
  const lower = (fields: string[][] | undefined) =>
    fields?.map(([name = "", value = ""]) => [name.toLowerCase(), value]);
  const wanted = lower(expected);
  assert.deepEqual(seen.map(lower), [wanted, wanted]);
});

Deno.test("without a user nobody is impersonated", () => {
  assert.deepEqual(impersonationHeaders({ ...as, user: "" }), {});
});

Deno.test("any key of an extra field is a header's name that the server reads as it was", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (key) => {
    const extra = new Map([[key, ["v"]]]);
    const [name = ""] = Object.keys(impersonationHeaders({ user: "u", uid: "", groups: [], extra })).slice(1);
    const escaped = name.replace("impersonate-extra-", "");
    assert.match(escaped, /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);
    assert.equal(decodeURIComponent(escaped), key.toWellFormed());
  }));
});
