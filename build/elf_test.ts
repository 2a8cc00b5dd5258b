import assert from "node:assert/strict";
import * as fc from "fast-check";
import { tool } from "./command.ts";
import { neededGlibc, readElf } from "./elf.ts";
import { architecture } from "./versions.ts";

Deno.test("the Deno that pmz runs by needs glibc 2.28 or older, and objdump says the same of it", async () => {
  const elf = readElf(await Deno.readFile(Deno.execPath()));
  assert.equal(elf.architecture, architecture);
  const printed = await tool(["objdump", "-p", Deno.execPath()]);
  assert.deepEqual(elf.needed, [...printed.matchAll(/NEEDED +(\S+)/g)].map(([, name]) => name));
  const versions = [...printed.matchAll(/^ +0x[0-9a-f]+ 0x\S+ \d+ (\S+)$/gm)].map(([, name]) => name);
  assert.deepEqual([...elf.versions.values()].flat().sort(), versions.sort());
  assert.ok(neededGlibc(elf) > 0 && neededGlibc(elf) <= 28, `needs glibc 2.${neededGlibc(elf)}`);
});

Deno.test("what is no ELF file is refused, whatever it is", () => {
  const refused = (bytes: Uint8Array<ArrayBuffer>) => assert.throws(() => readElf(bytes), TypeError);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => refused(new Uint8Array(bytes))));
  refused(new TextEncoder().encode("#!/bin/sh\n".repeat(20)));
});
