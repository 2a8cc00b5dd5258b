import assert from "node:assert/strict";
import { type BpfFacts, bpfFacts, explainRefusal } from "./refusal.ts";

const EPERM = 1, ENOENT = 2, EACCES = 13, EINVAL = 22;
const all: BpfFacts = { kernel: "6.1.0-18-amd64", uid: 0, capabilities: 0x1ff_ffff_ffffn, lockdown: "none" };

Deno.test("an old kernel is named as such, a new one only by its release", () => {
  assert.equal(
    explainRefusal(EINVAL, { ...all, kernel: "5.4.0-150-generic" }),
    "this kernel is 5.4.0-150-generic, and pmz needs 5.9 or newer",
  );
  for (const kernel of ["5.9.0", "5.10.0-28", "6.1.0-18-amd64", "10.0", "strange"]) {
    assert.equal(explainRefusal(EINVAL, { ...all, kernel }), `on Linux ${kernel}`);
    assert.equal(explainRefusal(EACCES, { ...all, kernel }), `on Linux ${kernel}`, "the verifier's refusal");
  }
});

Deno.test("missing capabilities are named, and none where there are all", () => {
  const without = (...bits: bigint[]) => ({
    ...all,
    uid: 1000,
    capabilities: bits.reduce((of, bit) => of & ~(1n << bit), 0x1ff_ffff_ffffn),
  });
  assert.equal(explainRefusal(EPERM, without(12n)), "this process (user 1000) lacks CAP_NET_ADMIN");
  assert.equal(
    explainRefusal(EPERM, without(12n, 21n, 39n)),
    "this process (user 1000) lacks CAP_BPF and CAP_NET_ADMIN",
  );
  assert.match(explainRefusal(EPERM, without(39n)), /has the capabilities/);
});

Deno.test("before Linux 5.11, SYS_RESOURCE is what is missing where everything else is there", () => {
  const limited = { ...all, capabilities: 0x1ff_ffff_ffffn & ~(1n << 24n) };
  assert.equal(
    explainRefusal(EPERM, { ...limited, kernel: "5.10.0-46-amd64" }),
    "this process (user 0) lacks CAP_SYS_RESOURCE, and Linux 5.10.0-46-amd64 counts BPF maps against RLIMIT_MEMLOCK (ulimit -l)",
  );
  assert.match(explainRefusal(EPERM, { ...limited, kernel: "5.11.0" }), /has the capabilities/);
  assert.match(explainRefusal(EPERM, { ...all, kernel: "5.10.0" }), /has the capabilities/);
});

Deno.test("root that is refused isn't told that it needs root", () => {
  assert.equal(
    explainRefusal(EPERM, all),
    "this process (user 0) has the capabilities for it: a container's seccomp filter or a security module may forbid it",
  );
  assert.match(
    explainRefusal(EPERM, { ...all, lockdown: "confidentiality" }),
    /lockdown is "confidentiality"/,
  );
});

Deno.test("nothing is said about what isn't known", () => {
  const nothing: BpfFacts = {
    kernel: undefined,
    uid: undefined,
    capabilities: undefined,
    lockdown: undefined,
  };
  assert.equal(explainRefusal(EINVAL, nothing), "");
  assert.equal(explainRefusal(EPERM, nothing), "this process isn't permitted to");
  assert.equal(explainRefusal(ENOENT, all), "");
});

Deno.test("this machine tells its kernel, user and capabilities", () => {
  const facts = bpfFacts();
  assert.equal(facts.kernel, Deno.osRelease());
  assert.equal(facts.uid, Deno.uid());
  assert.equal(typeof facts.capabilities, "bigint");
});
