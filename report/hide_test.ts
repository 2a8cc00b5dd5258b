import assert from "node:assert/strict";
import fc from "fast-check";
import { hideIn, hiding } from "./hide.ts";

const names = {
  servers: [
    "https://api.dev.corp.example:6443",
    "https://203.0.113.7:443",
    "https://127.0.0.1:6443",
    "not a URL",
  ],
  users: ["jo@corp.example"],
  home: "/home/jo",
  hostname: "thinkpad",
};
const hide = hiding(names, (text) => text.replaceAll("canary", "[left out]"));

Deno.test("servers, users, home and host name are hidden; the same server has the same hash", () => {
  const text = hide(
    "jo@corp.example on thinkpad: https://api.dev.corp.example:6443 and API.dev.corp.example, /home/jo/.kube/config",
  );
  assert.match(
    text,
    /^user-[0-9a-f]{10} on laptop: https:\/\/(server-[0-9a-f]{10}):6443 and \1, ~\/\.kube\/config$/,
  );
});

Deno.test("public addresses are hidden; those that a cluster or this machine itself has are not", () => {
  assert.match(hide("8.8.8.8 and 2606:4700:4700::1111"), /^public-[0-9a-f]{10} and public-[0-9a-f]{10}$/);
  assert.match(hide("via 198.51.100.1 dev eth0"), /^via \S+ dev eth0$/);
  for (
    const text of [
      "10.96.0.10:53",
      "127.0.0.53",
      "fd00::1",
      "fe80::1%eth0",
      "12:00:03",
      "v1.34.4",
      "1.2.3.4.5",
    ]
  ) {
    assert.equal(hide(text), text);
  }
});

Deno.test("a name isn't hidden within a longer one", () => {
  assert.equal(hide("thinkpads, my-thinkpad"), "thinkpads, my-thinkpad");
});

Deno.test("whatever a value is made of, nothing that is hidden is left in it", () => {
  const secret = fc.constantFrom("api.dev.corp.example", "jo@corp.example", "canary", "/home/jo", "8.8.4.4");
  const text = fc.tuple(fc.string(), secret, fc.string()).map(([a, b, c]) => `${a} ${b} ${c}`);
  fc.assert(fc.property(fc.object({ values: [text, fc.integer(), fc.array(text)], key: text }), (value) => {
    const said = JSON.stringify(hideIn(value, hide));
    assert.doesNotMatch(said, /corp\.example|canary|\/home\/jo|(?<![\w.:])8\.8\.4\.4(?![\w.])/);
  }));
});
