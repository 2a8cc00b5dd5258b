import { type Check, failed, ok } from "./check.ts";
import type { CheckParts } from "./parts.ts";
import type { Finding } from "../wire/doctor.ts";

/** Something that the root helper uses of the kernel. */
interface Feature {
  readonly what: string;
  /** Functions that a kernel which has it has, by name: any of them shows it. */
  readonly symbols: readonly string[];
  /** The first release that has it, when it is built in. */
  readonly since: readonly [major: number, minor: number];
  /** What the kernel has to be built with. */
  readonly option: string;
}

/** The checked names are of functions that are called through pointers or exported, so that no compiler leaves them out. */
const features: readonly Feature[] = [
  {
    what: "BPF programs that choose the socket of a connection (sk_lookup)",
    symbols: ["sk_lookup_is_valid_access", "sk_lookup_func_proto", "bpf_sk_lookup_assign"],
    since: [5, 9],
    option: "CONFIG_BPF_SYSCALL",
  },
  {
    what: "BPF links of network namespaces",
    symbols: ["netns_bpf_link_create"],
    since: [5, 8],
    option: "CONFIG_BPF_SYSCALL",
  },
  {
    what: "BPF links of control groups",
    symbols: ["cgroup_bpf_link_attach"],
    since: [5, 7],
    option: "CONFIG_CGROUP_BPF",
  },
  {
    what: "BPF maps of sockets",
    symbols: ["sock_map_alloc"],
    since: [4, 14],
    option: "CONFIG_NET_SOCK_MSG",
  },
  {
    what: "routing rules",
    symbols: ["fib_nl_newrule", "fib_rules_register"],
    since: [4, 10],
    option: "CONFIG_IP_MULTIPLE_TABLES",
  },
];

const NEEDED = [5, 9] as const;
const WITHOUT = "`pmz up --proxy` works without it.";
/** A kernel has tens of thousands of symbols: a file with fewer lines has been emptied. */
const FEWEST_SYMBOLS = 1_000;

/**
 * Whether the kernel has what the root helper needs. Root's own pmz loads the real programs; for anybody else the
 * kernel's list of its functions tells: distributions add features to old releases, and leave them out of new ones.
 */
export const kernel: Check<Pick<CheckParts, "machine">> = {
  id: "kernel",
  title: "Kernel",
  severity: "failed",
  needs: ["platform"],
  remedy: `Start a Linux kernel of ${NEEDED.join(".")} or newer. ${WITHOUT}`,
  run: async ({ machine }) => {
    const { kernel, paths } = machine;
    const release = parseRelease(kernel);
    if (!machine.hasBpf()) {
      const remedy = `Use a kernel that is built with CONFIG_BPF_SYSCALL. ${WITHOUT}`;
      return [failed(`Linux ${kernel} has no system call bpf(2) for this process.`, remedy)];
    }
    if (machine.isRoot) return [await loaded(machine)];
    const symbols = await symbolsOf(paths.symbols);
    const missing = features.filter((feature) =>
      symbols ? !feature.symbols.some((name) => symbols.has(name)) : isOlder(release, feature.since)
    );
    if (missing.length === 0) {
      const how = symbols ? "" : `, by its version alone: ${paths.symbols} can't be read`;
      return [ok(`Linux ${kernel} has what pmz needs${how}.`)];
    }
    return missing.map(({ what, since, option }) =>
      failed(
        `Linux ${kernel} has no ${what}.`,
        isOlder(release, since)
          ? `Start a kernel of ${NEEDED.join(".")} or newer. ${WITHOUT}`
          : `Use a kernel that is built with ${option}. ${WITHOUT}`,
      )
    );
  },
};

async function loaded(machine: CheckParts["machine"]): Promise<Finding> {
  try {
    await machine.loadPrograms();
    return ok(`Linux ${machine.kernel} takes pmz's BPF programs.`);
  } catch (error) {
    return failed(
      `Linux ${machine.kernel} refuses pmz's BPF programs: ${
        error instanceof Error ? error.message : error
      }.`,
      `In a container, run pmz outside of it. Else start a kernel of ${
        NEEDED.join(".")
      } or newer. ${WITHOUT}`,
    );
  }
}

/** Those of the features' symbols that the kernel has; undefined when its list can't be read. */
async function symbolsOf(path: string): Promise<ReadonlySet<string> | undefined> {
  const text = await Deno.readTextFile(path).catch(() => "");
  if (countLines(text, FEWEST_SYMBOLS) < FEWEST_SYMBOLS) return undefined;
  const names = features.flatMap(({ symbols }) => symbols).join("|");
  // A compiler may add to a name: "sk_lookup_func_proto.cfi_jt".
  const found = text.matchAll(new RegExp(`^\\S+ \\S (${names})(?:\\.\\S+)?(?:\\t|$)`, "gm"));
  return new Set(Array.from(found, ([, name = ""]) => name));
}

/** The lines of a text, counted up to a limit. */
function countLines(text: string, limit: number): number {
  let lines = 0;
  for (let at = text.indexOf("\n"); at >= 0 && lines < limit; at = text.indexOf("\n", at + 1)) lines++;
  return lines;
}

function parseRelease(text: string): readonly [number, number] {
  const [, major = "0", minor = "0"] = /^(\d{1,4})\.(\d{1,4})/.exec(text) ?? [];
  return [Number(major), Number(minor)];
}

function isOlder(
  [major, minor]: readonly [number, number],
  [since, from]: readonly [number, number],
): boolean {
  return major < since || (major === since && minor < from);
}
