import assert from "node:assert/strict";
import fc from "fast-check";
import { namesInHosts, readHosts, whyNeverAsked } from "./never_asked.ts";

const hosts = namesInHosts(
  "127.0.0.1 localhost\n127.0.1.1\tBox.corp box # me\n#10.0.0.1 off\n::1 ip6-localhost\n10.0.0.2\n",
);

Deno.test("names in /etc/hosts are read as the C library reads them", () => {
  assert.deepEqual([...hosts], ["localhost", "box.corp", "box", "ip6-localhost"]);
  assert.equal(readHosts("/nonexistent").size, 0);
});

Deno.test("a name that no nameserver is asked for is told with the reason, others are not", () => {
  const never = ["box.corp", "10.0.0.1", "*.10", "shop.0x7f", "shop.123", "_gateway", "x.onion", "*.onion"];
  for (const name of never) assert.ok(whyNeverAsked(name, hosts), name);
  for (const name of ["shop.example", "*.box.corp", "10.example", "a1", "1a.example", "onion.example"]) {
    assert.equal(whyNeverAsked(name, hosts), undefined, name);
  }
});

Deno.test("whatever is in a hosts file, its names are told by their words", () => {
  fc.assert(fc.property(fc.string({ maxLength: 500 }), (text) => {
    for (const name of namesInHosts(text)) assert.ok(!/\s|#/.test(name));
  }));
});
