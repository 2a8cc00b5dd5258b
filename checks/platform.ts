import { type Check, failed, ok, warning } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** Processors that a build of libbpf is made for (build/libbpf.ts). */
const architectures: readonly string[] = ["x86_64", "aarch64"];
/** The oldest glibc that libbpf and the runtime work with (build/libbpf.ts). */
const OLDEST_GLIBC = "2.28";

/** Whether this is a Linux with a processor and a C library that pmz is built for. */
export const platform: Check<{ readonly machine: Pick<CheckParts["machine"], "os" | "arch" | "glibc"> }> = {
  id: "platform",
  title: "Platform",
  severity: "failed",
  needs: [],
  remedy: "Run pmz on Linux with glibc, on x86_64 or aarch64.",
  run: ({ machine: { os, arch, glibc } }) => {
    if (os !== "linux") {
      return found(
        failed(`This is ${os}: pmz works on Linux.`, "Run pmz on Linux, also in a virtual machine."),
      );
    }
    if (!architectures.includes(arch)) {
      return found(
        failed(`pmz is not built for ${arch}.`, `Use a machine with ${architectures.join(" or ")}.`),
      );
    }
    if (glibc === undefined) {
      const remedy = "Use a distribution with glibc: Debian, Ubuntu, Fedora, Arch and most others.";
      return found(failed("The C library of this machine is not glibc.", remedy));
    }
    if (isOlder(glibc, OLDEST_GLIBC)) {
      const remedy =
        `Use a distribution with glibc ${OLDEST_GLIBC} or newer: Debian 10, Ubuntu 20.04, RHEL 8.`;
      return found(failed(`glibc is ${glibc}: pmz needs ${OLDEST_GLIBC} or newer.`, remedy));
    }
    if (arch === "aarch64") {
      const remedy = "Report what doesn't work, with the output of `pmz doctor -o json`.";
      return found(warning(`Linux on ${arch} with glibc ${glibc}: pmz was never tried there.`, remedy));
    }
    return found(ok(`Linux on ${arch} with glibc ${glibc}.`));
  },
};

const found = <F>(finding: F): Promise<F[]> => Promise.resolve([finding]);

/** Compares versions of two numbers: "2.9" is older than "2.28". */
function isOlder(version: string, than: string): boolean {
  const [[major = 0, minor = 0], [thanMajor = 0, thanMinor = 0]] = [version, than].map((text) =>
    text.split(".").map(Number)
  ) as [number[], number[]];
  return major < thanMajor || (major === thanMajor && minor < thanMinor);
}
