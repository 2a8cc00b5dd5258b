import assert from "node:assert/strict";
import { tool } from "./command.ts";
import { buildLibbpf } from "./libbpf.ts";
import { neededGlibc, readElf } from "./elf.ts";
import { foreignFolder } from "./toolchain.ts";
import { architecture, architectures, root } from "./versions.ts";

for (const of of architectures) {
  Deno.test({
    name: `libbpf for ${of} is one object that needs nothing but glibc, of 2.28 or older`,
    ignore: of !== architecture && foreignFolder() === undefined,
    fn: async () => {
      const elf = readElf(await Deno.readFile(`${root}/${await buildLibbpf(of)}`));
      assert.equal(elf.architecture, of);
      assert.deepEqual(elf.needed.filter((name) => !/^(libc\.so\.6|ld-linux-.*)$/.test(name)), []);
      assert.ok(neededGlibc(elf) <= 28, `needs glibc 2.${neededGlibc(elf)}`);
    },
  });
}

Deno.test("libbpf answers through Deno's FFI, and shows only its own functions", async () => {
  const path = `${root}/${await buildLibbpf()}`;
  const library = Deno.dlopen(path, {
    libbpf_major_version: { parameters: [], result: "u32" },
    bpf_object__open_mem: { parameters: ["buffer", "usize", "pointer"], result: "pointer" },
  });
  try {
    assert.equal(library.symbols.libbpf_major_version(), 1);
    // Goes through libelf, and its errors.
    assert.equal(library.symbols.bpf_object__open_mem(new TextEncoder().encode("no ELF"), 6n, null), null);
  } finally {
    library.close();
  }
  const symbols = [...(await tool(["objdump", "-T", path])).matchAll(/ g +D[FO] \.\S+.* (\S+)$/gm)].map((
    [, name],
  ) => name);
  assert.ok(symbols.length > 100);
  assert.deepEqual(
    symbols.filter((name) => /^(elf|gelf|inflate|deflate|crc32|stderr|fstat)/.test(name ?? "")),
    [],
  );
});
