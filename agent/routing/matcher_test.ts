import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesOf } from "../../http/testing/heads.ts";
import type { Match } from "../../wire/match.ts";
import { glob } from "./glob.ts";
import { Matcher } from "./matcher.ts";
import { RoutableRequest } from "./request.ts";

const request = (line: string, ...fields: string[]) =>
  new RoutableRequest(bytesOf([`${line} HTTP/1.1`, ...fields, "", ""].join("\r\n")));
const takes = (match: Match, line: string, ...fields: string[]) =>
  new Matcher(match).takesRequest(request(line, ...fields), "10.244.1.7");

Deno.test("hosts hold exactly or below a domain, whatever their case and port", () => {
  const match: Match = { hosts: ["alice.shop.example", "*.bob.example"] };
  for (
    const host of ["alice.shop.example", "Alice.Shop.Example:8080", "alice.shop.example.", "x.bob.example"]
  ) {
    assert.ok(takes(match, "GET /", `Host: ${host}`), host);
  }
  for (
    const host of ["shop.example", "xalice.shop.example", "bob.example", "xbob.example", "bob.example.evil"]
  ) {
    assert.ok(!takes(match, "GET /", `Host: ${host}`), host);
  }
});

Deno.test("paths hold exactly, for whole segments, or by a pattern, without the query", () => {
  const holds = (match: NonNullable<Match["paths"]>[number], target: string) =>
    takes({ paths: [match] }, `GET ${target}`, "Host: e");
  assert.ok(holds({ exact: "/cart" }, "/cart?x=/y"));
  assert.ok(!holds({ exact: "/cart" }, "/cart/"));
  for (const target of ["/cart", "/cart/", "/cart/1", "/cart?x"]) {
    assert.ok(holds({ prefix: "/cart" }, target), target);
  }
  for (const target of ["/carts", "/", "/x/cart", "/%63art"]) {
    assert.ok(!holds({ prefix: "/cart" }, target), target);
  }
  assert.ok(holds({ prefix: "/cart/" }, "/cart/1"));
  assert.ok(holds({ prefix: "/" }, "/anything"));
  assert.ok(holds({ glob: "/cart/*/items" }, "/cart/7/items"));
  assert.ok(!holds({ glob: "/cart/*/items" }, "/cart/items"));
});

Deno.test("headers of different names all have to hold, and those of one name are alternatives", () => {
  const match: Match = {
    headers: [{ name: "x-user", exact: "alice" }, { name: "x-user", prefix: "al-" }, {
      name: "x-env",
      glob: "d*v",
    }],
  };
  assert.ok(takes(match, "GET /", "Host: e", "X-User: alice", "X-ENV: dev"));
  assert.ok(takes(match, "GET /", "Host: e", "X-User: bob", "X-User: al-2", "X-Env: dv"));
  assert.ok(!takes(match, "GET /", "Host: e", "X-User: alice"));
  assert.ok(!takes(match, "GET /", "Host: e", "X-User: Alice", "X-Env: dev"));
});

Deno.test("cookies and baggage hold by their members", () => {
  const cookie: Match = { cookies: [{ name: "pmz", exact: "alice" }] };
  assert.ok(takes(cookie, "GET /", "Host: e", "Cookie: a=b; pmz=alice;c=d"));
  assert.ok(!takes(cookie, "GET /", "Host: e", "Cookie: xpmz=alice; pmz=alice2"));
  assert.ok(!takes(cookie, "GET /", "Host: e", "Cookie: pmz=alice\xa0"), "no white space of HTTP");
  const baggage: Match = { baggage: [{ name: "pmz", exact: "al ice" }] };
  assert.ok(takes(baggage, "GET /", "Host: e", "Baggage: a=b , pmz = al%20ice;prop=1", "baggage: c=d"));
  assert.ok(!takes(baggage, "GET /", "Host: e", "Baggage: pmz=bob"));
});

Deno.test("all that is given has to hold: method, caller, host", () => {
  const match: Match = { methods: ["GET", "HEAD"], hosts: ["e"], callers: [{ namespace: "shop" }] };
  const matcher = new Matcher(match, ["10.244.1.7"]);
  assert.ok(matcher.takesRequest(request("HEAD /", "Host: e"), "10.244.1.7"));
  assert.ok(!matcher.takesRequest(request("POST /", "Host: e"), "10.244.1.7"));
  assert.ok(!matcher.takesRequest(request("HEAD /", "Host: e"), "10.244.1.8"));
  assert.ok(
    !new Matcher(match).takesRequest(request("HEAD /", "Host: e"), "10.244.1.7"),
    "callers that aren't known",
  );
});

Deno.test("a TLS connection is taken by its server name and its caller, never by what can't be seen", () => {
  assert.ok(new Matcher({ hosts: ["a.example"] }).takesTls("a.example", "10.244.1.7"));
  assert.ok(!new Matcher({ hosts: ["a.example"] }).takesTls(undefined, "10.244.1.7"));
  assert.ok(
    !new Matcher({ hosts: ["a.example"], paths: [{ prefix: "/" }] }).takesTls("a.example", "10.244.1.7"),
  );
  assert.ok(
    new Matcher({ callers: [{ namespace: "shop" }] }, ["10.244.1.7"]).takesTls(undefined, "10.244.1.7"),
  );
});

Deno.test("a pattern holds as its regular expression would", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 });
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 8 });
  fc.assert(
    fc.property(pattern, text, (pattern, text) => {
      assert.equal(glob(pattern)(text), new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(text));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("gRPC calls hold by service, or by service and method, and nothing else to that path does", () => {
  const match: Match = { grpc: [{ service: "shop.v1.Cart" }, { service: "shop.v1.Order", method: "Place" }] };
  const call = (path: string, type = "application/grpc", method = "POST") =>
    takes(match, `${method} ${path}`, "Host: e", `Content-Type: ${type}`, "Content-Length: 0");
  for (const path of ["/shop.v1.Cart/Add", "/shop.v1.Cart/Get", "/shop.v1.Order/Place"]) {
    assert.ok(call(path), path);
  }
  for (const type of ["application/grpc+proto", "application/grpc-web+proto", "Application/gRPC; a=b"]) {
    assert.ok(call("/shop.v1.Cart/Add", type), type);
  }
  for (
    const path of [
      "/shop.v1.Order/Cancel",
      "/shop.v1.Carts/Add",
      "/shop.v1.Cart",
      "/shop.v1.Cart/",
      "/shop.v1.Cart/Add/x",
      "/x/shop.v1.Cart/Add",
      "/SHOP.v1.Cart/Add",
    ]
  ) assert.ok(!call(path), path);
  assert.ok(!call("/shop.v1.Cart/Add", "application/json"));
  assert.ok(!call("/shop.v1.Cart/Add", "application/grpc", "GET"));
  const twice = ["Host: e", "Content-Type: application/grpc", "Content-Type: application/json"];
  assert.ok(!takes(match, "POST /shop.v1.Cart/Add", ...twice));
});
