import assert from "node:assert/strict";
import { bytesOf } from "../../http/testing/heads.ts";
import type { Match } from "../../wire/match.ts";
import { Matcher } from "./matcher.ts";
import { RoutableRequest } from "./request.ts";
import { Router } from "./router.ts";
import { madeClientHello, records } from "./testing/client_hellos.ts";

const [caller, other] = ["10.244.1.7", "10.244.1.8"];
const rule = (uid: string, match: Match, isInForce = true) => ({
  uid,
  matcher: new Matcher(match, match.callers && [caller]),
  isInForce: () => isInForce,
  counts: { seen: 0, taken: 0, declined: 0 },
});
const from: Match = { callers: [{ namespace: "shop" }] };
const user = (name: string): Match => ({ headers: [{ name: "x-user", exact: name }] });
const get = (...fields: string[]) =>
  new RoutableRequest(bytesOf(["GET / HTTP/1.1", "Host: e", ...fields, "", ""].join("\r\n")));
const uidOf = (decision: ReturnType<Router["byCaller"]>) =>
  decision.kind === "connection" ? decision.rule?.uid : decision.kind;

Deno.test("a caller of whom no rule takes anything is not looked at", () => {
  const router = new Router([rule("a", { ...from, ...user("alice") })]);
  assert.equal(uidOf(router.byCaller(other)), undefined);
  assert.equal(uidOf(router.byCaller(caller)), "more");
  assert.equal(uidOf(new Router([]).byCaller(caller)), undefined);
});

Deno.test("a rule of callers alone takes their connections whole, unless an older one needs a look", () => {
  assert.equal(uidOf(new Router([rule("a", from), rule("b", user("b"))]).byCaller(caller)), "a");
  assert.equal(uidOf(new Router([rule("b", user("b")), rule("a", from)]).byCaller(caller)), "more");
});

Deno.test("requests and server names go to the first rule that takes them and is in force", () => {
  const router = new Router([
    rule("gone", user("alice"), false),
    rule("a", user("alice")),
    rule("b", { headers: [{ name: "x-user", glob: "*" }] }),
    rule("c", { hosts: ["c.example"] }),
  ]);
  assert.equal(router.byRequest(get("X-User: alice"), caller)?.uid, "a");
  assert.equal(router.byRequest(get("X-User: bob"), caller)?.uid, "b");
  assert.equal(router.byRequest(get(), caller), undefined);
  assert.equal(uidOf(router.byFirstBytes(bytesOf("GET / HTTP/1.1\r\n"), caller)), "requests");
  const hello = (name: string) => records(madeClientHello(name), 1_000);
  assert.equal(uidOf(router.byFirstBytes(hello("c.example"), caller)), "c");
  assert.equal(uidOf(router.byFirstBytes(hello("d.example"), caller)), undefined);
  assert.equal(uidOf(router.byFirstBytes(hello("c.example").subarray(0, 40), caller)), "more");
  assert.equal(uidOf(router.byFirstBytes(bytesOf("SSH-2.0-x\r\n"), caller)), undefined);
});

Deno.test("a rule that isn't in force may come back: connections that it may take are looked at", () => {
  const router = new Router([rule("gone", user("alice"), false)]);
  assert.equal(uidOf(router.byCaller(caller)), "more");
  assert.ok(router.mayTake(new Set(["gone"]), caller));
  assert.ok(!router.mayTake(new Set(["another"]), caller));
});
