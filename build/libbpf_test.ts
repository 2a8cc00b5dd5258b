import assert from "node:assert/strict";
import { tool } from "./command.ts";
import { buildLibbpf } from "./libbpf.ts";
import { root } from "./versions.ts";

Deno.test("libbpf is one object that needs nothing but glibc, of 2.28 or older", async () => {
  const path = `${root}/${await buildLibbpf()}`;
  const needed =
    (await tool(["objdump", "-p", path])).match(/NEEDED +\S+/g)?.map((line) => line.split(/ +/)[1]) ?? [];
  assert.deepEqual(needed.filter((name) => !/^(libc\.so\.6|ld-linux-.*)$/.test(name ?? "")), []);
  const symbols = await tool(["objdump", "-T", path]);
  const minor = [...symbols.matchAll(/GLIBC_2\.(\d+)/g)].map(([, version]) => Number(version));
  assert.ok(Math.max(...minor) <= 28, `needs glibc 2.${Math.max(...minor)}`);
});

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
