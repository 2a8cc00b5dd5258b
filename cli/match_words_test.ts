import assert from "node:assert/strict";
import fc from "fast-check";
import type { InterceptEntry } from "../wire/control.ts";
import type { Match } from "../wire/match.ts";
import { bookmarklet, curlLine, matchWords, othersWords } from "./match_words.ts";
import { echoIntercept } from "./testing/fake_daemon.ts";

const entry = (match: Match, more: Partial<InterceptEntry> = {}): InterceptEntry => ({
  ...echoIntercept,
  match,
  ...more,
});

Deno.test("a match is told in words", () => {
  assert.equal(matchWords(undefined), "all connections");
  const match: Match = {
    hosts: ["a.example", "*.b.example"],
    paths: [{ prefix: "/cart" }, { exact: "/x" }],
    headers: [{ name: "x-user", exact: "alice" }, { name: "x-user", glob: "al*" }, {
      name: "x-env",
      exact: "dev",
    }],
    callers: [{ namespace: "shop", labels: { app: "web" } }],
  };
  assert.equal(
    matchWords(match),
    "host a.example or *.b.example, path /cart and below or /x, header x-user: alice or al*, header x-env: dev, from shop/app=web",
  );
});

Deno.test("the command line that is printed sends a request that the match takes", () => {
  assert.equal(
    curlLine(
      entry({ headers: [{ name: "x-user", exact: "it's alice" }], paths: [{ glob: "/a/*/b" }] }),
      true,
    ),
    "curl -H 'x-user: it'\\''s alice' http://echo.default.svc/a/x/b",
  );
  assert.equal(
    curlLine(entry({ cookies: [{ name: "user", exact: "alice" }], methods: ["POST"] }, { port: 8080 }), true),
    "curl -X POST -b 'user=alice' http://echo.default.svc:8080/",
  );
  const domain = "alice.shop.example";
  assert.equal(curlLine(entry({ hosts: [domain] }, { domain }), true), `curl http://${domain}/`);
  assert.equal(
    curlLine(entry({ hosts: [domain] }, { domain }), false),
    `curl -H 'Host: ${domain}' http://echo.default.svc/`,
  );
  assert.equal(
    curlLine(entry({ baggage: [{ name: "pmz", exact: "3f9a" }] }), true),
    "curl -H 'baggage: pmz=3f9a' http://echo.default.svc/",
  );
});

Deno.test("what a shell, curl or TLS would take otherwise is written so that it arrives", () => {
  assert.equal(
    curlLine(entry({ headers: [{ name: "x-debug", exact: "" }], paths: [{ exact: "/a[1]{b}" }] }), true),
    "curl -H 'x-debug;' -g 'http://echo.default.svc/a[1]{b}'",
  );
  const tls = { port: 443, portName: "https" };
  assert.equal(
    curlLine(entry({ hosts: ["*.shop.example"] }, tls), true),
    "curl -k --connect-to any.shop.example:443:echo.default.svc:443 https://any.shop.example/",
  );
  assert.equal(
    curlLine(entry({ callers: [{ namespace: "a" }] }, tls), true),
    "curl -k https://echo.default.svc/",
  );
});

Deno.test("a gRPC call is sent as an empty message by HTTP/2", () => {
  const match: Match = {
    grpc: [{ service: "shop.v1.Cart", method: "Add" }],
    headers: [{ name: "x", exact: "y" }],
  };
  assert.equal(matchWords(match), "header x: y, gRPC shop.v1.Cart/Add");
  assert.equal(
    curlLine(entry(match, { port: 50051 }), true),
    "printf '\\0\\0\\0\\0\\0' | curl --http2-prior-knowledge -H 'content-type: application/grpc' -H 'te: trailers' " +
      "--data-binary @- -D - -o /dev/null -H 'x: y' http://echo.default.svc:50051/shop.v1.Cart/Add",
  );
});

Deno.test("a request to a port that is named after HTTP/2 is sent by that", () => {
  const match: Match = { headers: [{ name: "x", exact: "y" }] };
  assert.equal(
    curlLine(entry(match, { portName: "h2c-web" }), true),
    "curl --http2-prior-knowledge -H 'x: y' http://echo.default.svc/",
  );
});

Deno.test("a bookmark sets the cookies that are taken", () => {
  assert.equal(bookmarklet(entry({ hosts: ["a"] })), undefined);
  assert.equal(
    bookmarklet(entry({ cookies: [{ name: "user", exact: "alice" }, { name: "env", glob: "d*" }] })),
    'javascript:void(document.cookie="user=alice; path=/",document.cookie="env=dx; path=/")',
  );
});

Deno.test("a bookmark that a browser evaluates sets the cookies as they are compared", () => {
  const cookie = fc.record({
    name: fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/),
    exact: fc.stringMatching(/^[!-:<-~]{0,20}$/),
  });
  fc.assert(fc.property(fc.uniqueArray(cookie, { minLength: 1, selector: ({ name }) => name }), (cookies) => {
    const set: string[] = [];
    const document = Object.defineProperty({}, "cookie", { set: (text: string) => void set.push(text) });
    const code = decodeURIComponent(bookmarklet(entry({ cookies }))?.slice("javascript:".length) ?? "");
    assert.equal(new Function("document", `return ${code}`)(document), undefined, "the page stays");
    assert.deepEqual(set, cookies.map(({ name, exact }) => `${name}=${exact}; path=/`));
  }));
});

Deno.test("the rules of others are told with whose comes first", () => {
  assert.equal(othersWords(entry({ hosts: ["a"] })), "nobody else has rules there");
  const others = [
    { user: "bob", match: { hosts: ["b"] }, since: "", first: true, overlaps: false },
    { user: "carol", match: { methods: ["GET"] }, since: "", first: false, overlaps: true },
    { user: "dave", since: "", first: false, overlaps: true },
  ];
  assert.equal(
    othersWords(entry({ hosts: ["a"] }, { others })),
    "bob takes host b; carol takes method GET (yours comes first where both match); dave takes all the rest",
  );
});

Deno.test("a rule of another Service that leads to the same pods is told with that Service", () => {
  const others = [
    { user: "bob", by: "web:80", match: { hosts: ["c"] }, since: "", first: false, overlaps: false },
    { user: "bob", by: "web:80", mirror: true as const, since: "", first: false, overlaps: false },
  ];
  assert.equal(
    othersWords(entry({ hosts: ["b"] }, { others })),
    "bob takes host c by Service web:80; bob gets a copy of all connections by Service web:80",
  );
});
