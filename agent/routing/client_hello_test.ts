import assert from "node:assert/strict";
import fc from "fast-check";
import { LONGEST_CLIENT_HELLO, serverName } from "./client_hello.ts";
import { clientHello, madeClientHello, records } from "./testing/client_hellos.ts";

Deno.test("the server name of a client that nobody here wrote is read", async () => {
  const hello = await clientHello("Alice.shop.example");
  assert.deepEqual(serverName(hello), { kind: "name", name: "alice.shop.example" });
});

Deno.test("a ClientHello in records of any size is complete at its last byte, and not before", () => {
  const shape = fc.record({
    padding: fc.nat(8_000),
    size: fc.integer({ min: 1, max: 4_000 }),
    cut: fc.nat(),
  });
  fc.assert(fc.property(shape, ({ padding, size, cut }) => {
    const hello = records(madeClientHello("alice.example", padding), Math.max(size, padding >> 6, 1));
    assert.deepEqual(serverName(hello), { kind: "name", name: "alice.example" });
    assert.deepEqual(serverName(hello.subarray(0, cut % hello.length)), { kind: "more" });
  }));
});

Deno.test("a ClientHello that is too long, or has no single valid name, has none", () => {
  const none = (bytes: Uint8Array) => assert.deepEqual(serverName(bytes), { kind: "none" });
  none(records(madeClientHello("a.example", LONGEST_CLIENT_HELLO), 16_000));
  none(records(madeClientHello("a b"), 1_000));
  none(records(madeClientHello("a\xe4.example"), 1_000));
  none(records(madeClientHello(""), 1_000));
  none(Uint8Array.of(22, 3, 1, 0, 1, 2)); // a ServerHello
  none(Uint8Array.of(22, 3, 1, 0, 0)); // an empty record
  none(Uint8Array.of(23, 3, 1, 0, 1, 1)); // application data
});

Deno.test("any bytes are a name, none, or need more", () => {
  const nearly = fc.tuple(fc.constant(records(madeClientHello("alice.example"), 40)), fc.nat(), fc.nat(255))
    .map((
      [bytes, at, byte],
    ) => bytes.map((was, i) => i === at % bytes.length ? byte : was));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), nearly), (bytes) => {
      assert.match(serverName(bytes).kind, /^(name|none|more)$/);
    }),
    { numRuns: 500 },
  );
});
