import assert from "node:assert/strict";
import { whyReserved } from "./reserved_names.ts";

Deno.test("names that mean this machine, or that programs look for settings at, are reserved", () => {
  const reserved = [
    "localhost",
    "a.localhost",
    "*.localhost",
    "wpad",
    "wpad.corp",
    "use-application-dns.net",
    "box",
    "box.corp",
  ];
  for (const name of reserved) assert.ok(whyReserved(name, "box.corp"), name);
});

Deno.test("other names are not, also where the machine has no name", () => {
  for (const name of ["shop.example", "*.shop.example", "localhost.example", "mywpad.corp", "boxes"]) {
    assert.equal(whyReserved(name, "box.corp"), undefined, name);
  }
  assert.equal(whyReserved("shop", ""), undefined);
});
