import assert from "node:assert/strict";
import fc from "fast-check";
import { certificatesHash, parseServer, urlOf } from "./access.ts";
import { certificates } from "../testing/certificates.ts";

Deno.test("a server's URL is taken apart and put together again", () => {
  assert.deepEqual(parseServer("https://10.0.0.1:6443"), {
    tls: true,
    hostname: "10.0.0.1",
    port: 6443,
    pathPrefix: "",
  });
  assert.deepEqual(parseServer("https://rancher.example/k8s/clusters/c-1/"), {
    tls: true,
    hostname: "rancher.example",
    port: 443,
    pathPrefix: "/k8s/clusters/c-1",
  });
  const v6 = { ...parseServer("http://[fd00::1]:8001"), caCerts: [], headers: {} };
  assert.deepEqual([v6.tls, v6.hostname, v6.port], [false, "fd00::1", 8001]);
  assert.equal(urlOf(v6, "/version"), "http://[fd00::1]:8001/version");
  for (const bad of ["", "api:6443", "ftp://x", "javascript:alert(1)"]) {
    assert.throws(() => parseServer(bad), TypeError, bad);
  }
});

Deno.test("any text is a server that has the same URL again, or a TypeError", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.webUrl()), (text) => {
    let server;
    try {
      server = parseServer(text);
    } catch (error) {
      return assert(error instanceof TypeError);
    }
    const url = urlOf({ ...server, caCerts: [], headers: {} }, "");
    assert.deepEqual(parseServer(url), server);
  }));
});

Deno.test("the hash of a CA is its certificate's fingerprint, however the PEM is laid out", async () => {
  using made = await certificates();
  const printed = await made.openssl(["x509", "-noout", "-fingerprint", "-sha256", "-in", "ca.crt"]);
  const fingerprint = printed.split("=")[1]?.replaceAll(":", "").trim().toLowerCase();
  assert.equal(await certificatesHash(made.ca), fingerprint);
  const other = made.ca.replaceAll("\n", "\r\n");
  assert.equal(await certificatesHash(`# a comment\n${other}\n\n${made.ca}`), fingerprint);
  assert.notEqual(await certificatesHash(made.ca + made.cert), fingerprint);
  assert.equal(await certificatesHash(made.cert + made.ca), await certificatesHash(made.ca + made.cert));
  assert.equal(await certificatesHash(""), "");
});
