import assert from "node:assert/strict";
import { uidOf } from "./account.ts";

Deno.test("an account is found by its name, and a number is a uid", () => {
  assert.equal(uidOf("root"), 0);
  const [, name = "", uid] = /^(www-data):[^:]*:([0-9]+):/m.exec(Deno.readTextFileSync("/etc/passwd")) ?? [];
  if (uid !== undefined) assert.equal(uidOf(name), Number(uid));
  assert.equal(uidOf("4294967294"), 4_294_967_294);
});

Deno.test("what is neither is no account", () => {
  for (const name of ["no-such-account", "4294967295", "-1", "0x0", ""]) {
    assert.equal(uidOf(name), undefined, name);
  }
});
