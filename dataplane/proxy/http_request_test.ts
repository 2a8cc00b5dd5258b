import assert from "node:assert/strict";
import fc from "fast-check";
import { requestHead } from "../../http/testing/heads.ts";
import { readProxyRequest } from "./http_request.ts";
import { parseTarget } from "./target.ts";

const isOurs = (host: string) => host.endsWith(".svc");
const readBare = (text: string) => readProxyRequest(requestHead(text), isOurs);
/** With a Host field, which every HTTP/1.1 request has. */
const read = (text: string) => {
  const host = /^\S+ http:\/\/([^/?#\s]*)/i.exec(text)?.[1];
  const hasHost = host === undefined || /^Host:/im.test(text);
  return readBare(hasHost ? text : text.replace(/$/, `\nHost: ${host}`));
};

Deno.test("requests in absolute form are forwarded in origin form", () => {
  const forms: [string, string, string, number][] = [
    ["http://echo.default.svc/", "/", "echo.default.svc", 80],
    ["http://echo.default.svc", "/", "echo.default.svc", 80],
    ["HTTP://Echo:8080/a?b=c", "/a?b=c", "Echo", 8080],
    ["http://echo?x", "/?x", "echo", 80],
    ["http://[fd00::1]:81/x", "/x", "fd00::1", 81],
  ];
  for (const [target, path, host, port] of forms) {
    const got = read(`GET ${target} HTTP/1.1`);
    assert.ok(got.kind === "forward", target);
    assert.deepEqual([got.path, got.target], [path, { host, port }]);
  }
  assert.equal((read("OPTIONS http://echo HTTP/1.1") as { path?: string }).path, "*");
});

Deno.test("what a web page can make a browser send is refused", () => {
  const status = (text: string) => (read(text) as { status?: number }).status;
  assert.equal(status("GET / HTTP/1.1\nHost: 127.0.0.1:1080"), 400);
  assert.equal(
    status("POST /x HTTP/1.1\nHost: evil.example:1080\nOrigin: http://evil.example:1080"),
    400,
  );
  assert.equal(status("GET http://echo.default.svc/ HTTP/1.1\nHost: evil.example"), 400);
  assert.equal(
    status("GET http://echo.default.svc/ HTTP/1.1\nHost: echo.default.svc\nHost: echo.default.svc"),
    400,
  );
  assert.equal(status("POST http://echo.default.svc/ HTTP/1.1\nOrigin: https://evil.example"), 403);
  assert.equal(status("POST http://echo.default.svc/ HTTP/1.1\nOrigin: null"), 403);
  assert.equal(status("CONNECT echo.default.svc:443 HTTP/1.1\nOrigin: https://evil.example"), 403);
  assert.equal(
    (read("POST http://echo.default.svc/ HTTP/1.1\nOrigin: http://web.default.svc:8080")).kind,
    "forward",
  );
  assert.equal(
    (read("POST http://echo/ HTTP/1.1\nHost: ECHO:80\nOrigin: http://echo")).kind,
    "forward",
  );
});

Deno.test("what a page elsewhere has a browser load or send is refused, as far as the browser says so", () => {
  const kind = (...fields: string[]) =>
    read(["GET http://echo.default.svc/debug HTTP/1.1", ...fields].join("\n")).kind;
  const [foreign, ours] = ["Referer: http://page.example/x", "Referer: http://web.other.svc/y?z"];
  const [crossSite, navigation] = ["Sec-Fetch-Site: cross-site", "Upgrade-Insecure-Requests: 1"];
  assert.equal(kind(foreign), "refused");
  assert.equal(kind("Referer: https://page.example/"), "refused");
  assert.equal(kind("Referer: nonsense"), "refused");
  assert.equal(kind(crossSite), "refused");
  assert.equal(kind(foreign, ours), "refused");
  assert.equal(kind(ours), "forward");
  assert.equal(kind(ours, crossSite), "forward", "one Service's page loads from another's");
  assert.equal(kind("Sec-Fetch-Site: same-origin"), "forward");
  assert.equal(kind("Sec-Fetch-Site: none"), "forward", "typed into the address line");
  assert.equal(kind(foreign, crossSite, navigation), "forward", "a link that is followed");
  assert.equal(
    read(`POST http://echo.default.svc/ HTTP/1.1\n${foreign}\n${navigation}`).kind,
    "refused",
    "a form that is sent is no link",
  );
});

Deno.test("CONNECT takes a host and a port, nothing else", () => {
  assert.deepEqual(read("CONNECT echo.default.svc:443 HTTP/1.1"), {
    kind: "connect",
    target: { host: "echo.default.svc", port: 443 },
  });
  for (
    const target of ["echo", "echo:0", "echo:65536", "a@b:1", "http://echo:80", ":80", "[::1]", "a/b:80"]
  ) {
    assert.equal((read(`CONNECT ${target} HTTP/1.1`)).kind, "refused", target);
  }
  for (const target of ["https://echo/", "ftp://echo/", "http://u:p@echo/", "http://echo:x/", "*"]) {
    assert.equal((read(`GET ${target} HTTP/1.1`)).kind, "refused", target);
  }
});

Deno.test("any request head is understood or refused, never more", () => {
  const text = (maxLength: number) => fc.stringMatching(new RegExp(`^[!-~]{1,${maxLength}}$`));
  fc.assert(
    fc.property(text(80), text(40), (target, host) => {
      const got = readBare(`GET ${target} HTTP/1.1\nHost: ${host}`);
      if (got.kind === "forward") assert.match(got.path, /^\/[^#]*$/);
      const parsed = parseTarget(target);
      if (parsed) assert.ok(parsed.port > 0 && parsed.port < 65536);
    }),
  );
});
