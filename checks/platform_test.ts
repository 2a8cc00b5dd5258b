import { platform } from "./platform.ts";
import { assertFinding, assertSound, findingsOf } from "./testing/findings.ts";

const linux = { os: "linux", arch: "x86_64", glibc: "2.36" } as const;
const on = (machine: { os: string; arch: string; glibc: string | undefined }) =>
  findingsOf(platform, { machine });

Deno.test("Linux on x86_64 with a glibc of today is a platform for pmz", async () => {
  assertSound(await on(linux));
  assertSound(await on({ ...linux, glibc: "2.28" }));
});

Deno.test("another system, processor or C library is a failure, and the remedy names one that works", async () => {
  assertFinding(await on({ ...linux, os: "darwin" }), "failed", /darwin/, /Linux/);
  assertFinding(await on({ ...linux, arch: "riscv64" }), "failed", /riscv64/, /x86_64/);
  assertFinding(await on({ ...linux, glibc: undefined }), "failed", /not glibc/, /distribution/);
});

Deno.test("a glibc is too old by its numbers, not by its digits", async () => {
  assertFinding(await on({ ...linux, glibc: "2.9" }), "failed", /2\.9/, /2\.28/);
  assertFinding(await on({ ...linux, glibc: "2.27" }), "failed", /2\.27/, /2\.28/);
  assertSound(await on({ ...linux, glibc: "2.100" }));
});

Deno.test("a processor that pmz was never tried on is a warning", async () => {
  assertFinding(await on({ ...linux, arch: "aarch64" }), "warning", /never tried/);
});
