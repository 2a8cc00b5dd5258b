import assert from "node:assert/strict";
import fc from "fast-check";
import { parseAddress } from "../../net/address.ts";
import { environmentProxy } from "./environment_proxy.ts";

const server = { tls: true, hostname: "api.corp.example", port: 6443 };
const proxyOf = (env: Record<string, string>, of: typeof server = server) =>
  environmentProxy(of, (name) => env[name])?.url;

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
      "corp.example:",
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
      "a corp.example",
      "*corp.example",
      "*.*.example",
      "*.api.corp.example",
      ".api.corp.example",
      ":6443",
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
  assert(!excluded("[fd00::1]", "fd00::1"), "brackets without a port are no address");
  assert(!excluded("10.77.1.1:443", "10.77.1.1"));
  assert(excluded("10.77.1.1:6443", "10.77.1.1"));
  assert(!excluded("1.1", "10.77.1.1"), "an address has no domains");
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

Deno.test("ALL_PROXY is no proxy of an API server; the variable that names one is told, and an empty one is absent", () => {
  const found = (env: Record<string, string>) => environmentProxy(server, (name) => env[name]);
  assert.equal(found({ ALL_PROXY: "socks5://proxy", all_proxy: "socks5://proxy" }), undefined);
  assert.deepEqual(found({ HTTPS_PROXY: "", https_proxy: "http://p" }), {
    url: "http://p",
    variable: "https_proxy",
  });
  assert.deepEqual(found({ HTTPS_PROXY: "http://p", https_proxy: "http://q" }), {
    url: "http://p",
    variable: "HTTPS_PROXY",
  });
});
