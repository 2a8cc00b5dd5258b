import { CommandError, type Ended } from "../e2e/lib/command.ts";

/** Runs a command as root on a machine of the test cluster. */
export type RunAsRoot = (command: readonly string[]) => Promise<Ended>;

/** What a machine has to be set to, so that programs which connect and close 4,000 times a second find source ports. */
const SETTINGS = { "net.ipv4.ip_local_port_range": "1024 65535", "net.ipv4.tcp_tw_reuse": "1" };

/**
 * Gives a machine source ports for measurements of new connections. Otherwise a client that closes first keeps each of its
 * 28,000 ports for a minute, and what is measured after that is the kernel's search for a free one.
 *
 * @returns what sets it back
 * @throws {CommandError} where the machine can't be set
 */
export async function spreadSourcePorts(run: RunAsRoot): Promise<() => Promise<void>> {
  const names = Object.keys(SETTINGS);
  const before = (await must(run, ["sysctl", "-n", ...names])).trimEnd().split("\n");
  const set = (values: readonly string[]) =>
    must(run, ["sysctl", "-qw", ...names.map((name, i) => `${name}=${values[i]}`)]);
  await set(Object.values(SETTINGS));
  return async () => void await set(before);
}

async function must(run: RunAsRoot, command: readonly string[]): Promise<string> {
  const ended = await run(command);
  if (ended.code !== 0) throw new CommandError(ended);
  return ended.stdout;
}
