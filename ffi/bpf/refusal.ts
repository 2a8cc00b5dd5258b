/** Why the kernel may refuse a BPF call, by what the machine says about itself. */

/** What the machine says. Undefined is what couldn't be read. */
export interface BpfFacts {
  /** The kernel's release (uname -r). */
  readonly kernel: string | undefined;
  readonly uid: number | undefined;
  /** The process's effective capabilities, a bit each (capabilities(7)). */
  readonly capabilities: bigint | undefined;
  /** The kernel's lockdown (kernel_lockdown(7)): "none", "integrity" or "confidentiality". */
  readonly lockdown: string | undefined;
}

const EPERM = 1, EACCES = 13, EINVAL = 22, EOPNOTSUPP = 95;
/** linux/capability.h. Before Linux 5.8, CAP_SYS_ADMIN stands for CAP_BPF; it still includes it. */
const CAP_NET_ADMIN = 12n, CAP_SYS_ADMIN = 21n, CAP_SYS_RESOURCE = 24n, CAP_BPF = 39n;
/** The kernel that has all that pmz's programs need: sk_lookup. */
const NEEDED = [5, 9] as const;
/** The kernel that counts the memory of maps by control group instead of against RLIMIT_MEMLOCK. */
const COUNTS_BY_CGROUP = [5, 11] as const;

/** Looks at the machine. It never throws: what may not be read stays unknown. */
export function bpfFacts(): BpfFacts {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(
    unlessRefused(() => Deno.readTextFileSync("/proc/self/status")) ?? "",
  );
  const lockdown = unlessRefused(() => Deno.readTextFileSync("/sys/kernel/security/lockdown"));
  return {
    kernel: unlessRefused(() => Deno.osRelease()),
    uid: unlessRefused(() => Deno.uid()) ?? undefined,
    capabilities: effective?.[1] === undefined ? undefined : BigInt(`0x${effective[1]}`),
    lockdown: /\[([a-z]+)\]/.exec(lockdown ?? "")?.[1],
  };
}

/** What the facts say about a refusal with an errno; empty where they say nothing. */
export function explainRefusal(errno: number, { kernel, uid, capabilities, lockdown }: BpfFacts): string {
  // EACCES is the verifier's own.
  if (errno === EACCES || errno === EINVAL || errno === EOPNOTSUPP) {
    if (kernel === undefined) return "";
    return isOlder(kernel, NEEDED)
      ? `this kernel is ${kernel}, and pmz needs ${NEEDED.join(".")} or newer`
      : `on Linux ${kernel}`;
  }
  if (errno !== EPERM) return "";
  const who = uid === undefined ? "this process" : `this process (user ${uid})`;
  if (capabilities === undefined) return `${who} isn't permitted to`;
  const has = (capability: bigint) => (capabilities >> capability & 1n) === 1n;
  const missing = [
    ...has(CAP_BPF) || has(CAP_SYS_ADMIN) ? [] : ["CAP_BPF"],
    ...has(CAP_NET_ADMIN) ? [] : ["CAP_NET_ADMIN"],
  ];
  if (missing.length > 0) return `${who} lacks ${missing.join(" and ")}`;
  if (kernel !== undefined && isOlder(kernel, COUNTS_BY_CGROUP) && !has(CAP_SYS_RESOURCE)) {
    return `${who} lacks CAP_SYS_RESOURCE, and Linux ${kernel} counts BPF maps against RLIMIT_MEMLOCK (ulimit -l)`;
  }
  const locked = lockdown === undefined || lockdown === "none"
    ? ""
    : `; the kernel's lockdown is "${lockdown}"`;
  return `${who} has the capabilities for it${locked}: a container's seccomp filter or a security module may forbid it`;
}

function isOlder(kernel: string, than: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(kernel)?.slice(1) ?? []).map(Number);
  return major > 0 && (major < than[0] || major === than[0] && minor < than[1]);
}

function unlessRefused<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
