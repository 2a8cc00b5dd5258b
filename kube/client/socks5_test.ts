import assert from "node:assert/strict";
import fc from "fast-check";
import { socks5Connect, type Socks5Target } from "./socks5.ts";

/** A proxy that answers with these bytes, whatever it is asked; what was written, and which bytes were left. */
function proxy(answer: readonly number[]) {
  const written: number[] = [];
  let at = 0;
  const connection = {
    read(size: number): Promise<Uint8Array> {
      if (at + size > answer.length) return Promise.reject(new Error("it closed the connection"));
      return Promise.resolve(Uint8Array.from(answer.slice(at, at += size)));
    },
    write: (bytes: Uint8Array) => void written.push(...bytes),
  };
  return { connection, written, left: () => answer.slice(at) };
}

const target: Socks5Target = { hostname: "api.test", port: 6443 };
const name = [...new TextEncoder().encode("api.test")];
const login = { user: "jo", password: "x" };
const TLS = [22, 3, 1];

Deno.test("a proxy is asked for a name, and nothing of what follows its answer is read", async () => {
  for (
    const from of [[1, 10, 0, 0, 1], [4, ...Array(16).fill(0)], [3, 2, 97, 98]]
  ) {
    const { connection, written, left } = proxy([5, 0, 5, 0, 0, ...from, 0, 80, ...TLS]);
    await socks5Connect(connection, target);
    assert.deepEqual(written, [5, 1, 0, 5, 1, 0, 3, 8, ...name, 25, 43]);
    assert.deepEqual(left(), TLS);
  }
});

Deno.test("a login is given where the proxy wants one", async () => {
  const wants = proxy([5, 2, 1, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  await socks5Connect(wants.connection, { ...target, login });
  assert.deepEqual(wants.written.slice(0, 10), [5, 2, 0, 2, 1, 2, 106, 111, 1, 120]);
  const doesNot = proxy([5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  await socks5Connect(doesNot.connection, { ...target, login });
});

Deno.test("a refusal says what the proxy refuses", async () => {
  const connect = (answer: readonly number[], of: Socks5Target = target) =>
    socks5Connect(proxy(answer).connection, of);
  await assert.rejects(connect([5, 2]), /wants a login that isn't in its URL/);
  await assert.rejects(connect([5, 255], { ...target, login }), /wants a login/);
  await assert.rejects(connect([5, 2, 1, 1], { ...target, login }), /refuses user and password/);
  await assert.rejects(connect([5, 0, 5, 4, 0, 1, 0]), /SOCKS error 4/);
  await assert.rejects(connect([72, 84]), /isn't SOCKS5/);
  await assert.rejects(
    connect([5, 0], { ...target, hostname: "x".repeat(256) }),
    /server's name is longer than 255/,
  );
  await assert.rejects(
    connect([5, 2], { ...target, login: { user: "x".repeat(256), password: "" } }),
    /user is longer/,
  );
});

Deno.test("any answer is a connection or an error", async () => {
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 3, 4, 5));
  await fc.assert(fc.asyncProperty(fc.array(byte, { maxLength: 40 }), fc.boolean(), async (answer, logs) => {
    await socks5Connect(proxy([5, ...answer]).connection, logs ? { ...target, login } : target)
      .catch((error) => assert.ok(error instanceof Error));
  }));
});
