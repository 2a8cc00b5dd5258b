import assert from "node:assert/strict";
import fc from "fast-check";
import { parseAddress } from "../../net/address.ts";
import { environmentProxy, fetchTakesProxy } from "./environment_proxy.ts";

const server = { tls: true, hostname: "api.corp.example", port: 6443 };
const proxyOf = (env: Record<string, string>, of: typeof server = server) =>
  environmentProxy(of, (name) => env[name]);

Deno.test("HTTPS_PROXY is for https servers, HTTP_PROXY for http ones, in either case", () => {
  assert.equal(proxyOf({}), undefined);
  assert.equal(proxyOf({ HTTPS_PROXY: "http://proxy:3128" }), "http://proxy:3128");
  assert.equal(proxyOf({ https_proxy: "proxy:3128" }), "http://proxy:3128");
  assert.equal(proxyOf({ HTTP_PROXY: "http://proxy:3128" }), undefined);
  assert.equal(proxyOf({ HTTP_PROXY: "socks5://p" }, { ...server, tls: false }), "socks5://p");
});

Deno.test("NO_PROXY names hosts, domains, ports and prefixes that are reached directly", () => {
  const excluded = (no: string, hostname = server.hostname, port = 6443) =>
    proxyOf({ HTTPS_PROXY: "http://proxy", NO_PROXY: no }, { tls: true, hostname, port }) === undefined;
  for (
    const no of [
      "*",
      "api.corp.example",
      "corp.example",
      ".corp.example",
      "*.corp.example",
      "a, CORP.example",
      "api.corp.example:6443",
    ]
  ) {
    assert(excluded(no), no);
  }
  for (
    const no of [
      "",
      "pi.corp.example",
      ".example.org",
      "api.corp.example:443",
      "10.0.0.0/8",
      "x.api.corp.example",
    ]
  ) {
    assert(!excluded(no), no);
  }
  assert(excluded("10.0.0.0/8", "10.77.1.1"));
  assert(excluded("0.0.0.0/0", "10.77.1.1"));
  assert(!excluded("10.0.0.0/16", "10.77.1.1"));
  assert(!excluded("10.0.0.0/33", "10.0.0.1"));
  assert(excluded("10.77.1.1", "10.77.1.1"));
  assert(excluded("[fd00::1]:6443", "fd00::1"));
  assert(excluded("fd00::1", "fd00::1"));
  assert(excluded("fd00:0::1", "fd00::1"));
  assert(excluded("fd00::/8", "fd00::1"));
  assert(!excluded("::/0", "10.77.1.1"));
});

Deno.test("an address is excluded by each prefix of its own, and whatever else NO_PROXY says changes nothing", () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => parseAddress(text)?.text ?? "10.0.0.1")
    .filter((text) => proxyOf({ HTTPS_PROXY: "p" }, { ...server, hostname: text }) !== undefined);
  const noise = fc.array(fc.oneof(fc.string(), fc.stringMatching(/^[[\]*.:/0-9a-f]{0,20}$/)), {
    maxLength: 5,
  });
  fc.assert(fc.property(host, fc.nat(128), noise, fc.nat(5), (hostname, bits, noise, at) => {
    const own = `${hostname}/${hostname.includes(":") ? bits : bits % 33}`;
    const list = [...noise.slice(0, at), own, ...noise.slice(at)];
    assert.equal(proxyOf({ HTTPS_PROXY: "p", NO_PROXY: list.join(",") }, { ...server, hostname }), undefined);
  }));
});

Deno.test("any text in NO_PROXY leads to the proxy or past it", () => {
  fc.assert(fc.property(fc.string(), fc.domain(), (no, hostname) => {
    const proxy = proxyOf({ HTTPS_PROXY: "p", NO_PROXY: no }, { ...server, hostname });
    assert(proxy === undefined || proxy === "http://p");
  }));
});

Deno.test("no proxy is used for loopback", () => {
  for (const hostname of ["localhost", "127.0.0.1", "127.9.9.9", "::1"]) {
    assert.equal(
      proxyOf({ HTTPS_PROXY: "http://proxy" }, { tls: true, hostname, port: 1 }),
      undefined,
      hostname,
    );
  }
});

Deno.test("Deno's fetch takes ALL_PROXY, and any proxy for a loopback address, which kubectl doesn't", () => {
  const takes = (hostname: string, env: Record<string, string>) =>
    fetchTakesProxy({ hostname }, (name) => env[name]);
  assert.ok(takes("api.example", { all_proxy: "socks5://proxy" }));
  assert.ok(takes("127.0.0.1", { HTTPS_PROXY: "http://proxy" }));
  assert.ok(!takes("api.example", { HTTPS_PROXY: "http://proxy" }));
  assert.ok(!takes("127.0.0.1", {}));
  assert.equal(proxyOf({ ALL_PROXY: "socks5://proxy" }), undefined);
});
