import assert from "node:assert/strict";
import { kernel } from "./kernel.ts";
import { machinePaths, type MachineProbes } from "./parts.ts";
import { assertFinding, assertSound, findingsOf } from "./testing/findings.ts";
import { Folder } from "./testing/folder.ts";

const needed = [
  "sk_lookup_is_valid_access",
  "netns_bpf_link_create",
  "cgroup_bpf_link_attach",
  "sock_map_alloc",
  "fib_nl_newrule",
];

/** A list of a kernel's symbols as an ordinary user sees it: no addresses, thousands of others. */
function symbols(names: readonly string[]): string {
  const others = Array.from({ length: 5_000 }, (_, i) => `0000000000000000 t other_${i}`);
  const wanted = names.map((name) => `0000000000000000 t ${name}\t[module]`);
  return [...others, ...wanted, ""].join("\n");
}

interface Kernel {
  readonly release?: string;
  readonly list?: string;
  readonly isRoot?: boolean;
  readonly hasBpf?: boolean;
  readonly loads?: () => Promise<void>;
}

async function check({ release = "6.1.0-26-amd64", list, isRoot = false, hasBpf = true, loads }: Kernel) {
  using folder = new Folder();
  const path = list === undefined ? `${folder.path}/missing` : folder.write("kallsyms", list);
  const machine: MachineProbes = {
    os: "linux",
    arch: "x86_64",
    kernel: release,
    glibc: "2.36",
    isRoot,
    paths: { ...machinePaths, symbols: path },
    hasBpf: () => hasBpf,
    loadPrograms: loads ?? (() => Promise.reject(new Error("asked without root"))),
    findRootCgroup: () => undefined,
    findProgram: () => undefined,
  };
  return await findingsOf(kernel, { machine });
}

Deno.test("a kernel that has all features is right, whatever its release", async () => {
  assertSound(await check({ list: symbols(needed) }));
  assertSound(await check({ release: "4.18.0-553.el8", list: symbols(needed) })); // features are ported back
});

Deno.test("a symbol that a compiler has added to still counts", async () => {
  assertSound(await check({ list: symbols(needed.map((name) => `${name}.cfi_jt`)) }));
});

Deno.test("each feature that is missing is named, and the remedy is a newer kernel where the release is old", async () => {
  const findings = await check({ release: "5.4.0", list: symbols(["sock_map_alloc", "fib_nl_newrule"]) });
  assert.equal(findings.length, 3);
  assertFinding(findings, "failed", /5\.4\.0 has no .*sk_lookup/, /5\.9 or newer/);
});

Deno.test("in a new kernel the remedy is how it has to be built", async () => {
  const findings = await check({ list: symbols(needed.filter((name) => name !== "cgroup_bpf_link_attach")) });
  assert.equal(findings.length, 1);
  assertFinding(findings, "failed", /control groups/, /CONFIG_CGROUP_BPF/);
});

Deno.test("where the symbols can't be read the release decides, and that is said", async () => {
  assertFinding(await check({}), "ok", /by its version alone/);
  assertFinding(await check({ list: "\n" }), "ok", /by its version alone/);
  assertFinding(await check({ release: "5.8.18" }), "failed", /sk_lookup/, /5\.9/);
});

Deno.test("a kernel without bpf(2) is told, by whatever it was taken away", async () => {
  assertFinding(
    await check({ list: symbols(needed), hasBpf: false }),
    "failed",
    /bpf\(2\)/,
    /CONFIG_BPF_SYSCALL/,
  );
});

Deno.test("root's check loads the programs, and says what the kernel said", async () => {
  assertSound(await check({ isRoot: true, loads: () => Promise.resolve() }));
  const refused = await check({
    isRoot: true,
    loads: () => Promise.reject(new Error("load capture: EPERM")),
  });
  assertFinding(refused, "failed", /EPERM/, /container/);
});

Deno.test("the kernel that runs this is one for pmz", async () => {
  assertSound(await check({ release: Deno.osRelease(), list: await Deno.readTextFile("/proc/kallsyms") }));
});
