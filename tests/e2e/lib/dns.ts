import { readName } from "../../../dns/domain_name.ts";
import { parseMessage, type Resource, types } from "../../../dns/message.ts";
import { addressIn } from "../../../dns/resource.ts";
import { CommandError } from "./command.ts";
import type { Laptop, Person } from "./laptop.ts";
import type { World } from "./world.ts";

const program = await Deno.readTextFile(new URL("./dns.py", import.meta.url));

/** The nameserver of every machine in the test world. */
const NAMESERVER = "10.77.255.254";

/**
 * Whole answers of a nameserver, byte by byte, each a line with its question and the address that answered.
 *
 * @param timeout for each, in milliseconds
 * @throws {CommandError} where one doesn't come
 */
export function answersOf(
  laptop: Laptop,
  person: Person,
  questions: readonly string[],
  timeout = 3_000,
): Promise<string> {
  return laptop.output(person, ["python3", "-c", program, NAMESERVER, String(timeout / 1_000), ...questions]);
}

/** As `answersOf`, of a setuid program that a user has started: root's rights, the user's real uid. */
export function answersOfSetuid(
  laptop: Laptop,
  realUid: number,
  questions: readonly string[],
): Promise<string> {
  const asRoot = `import os; os.setresuid(${realUid}, 0, 0)\n${program}`;
  return laptop.output("root", ["python3", "-c", asRoot, NAMESERVER, "3", ...questions]);
}

/** The cluster's own DNS. */
const CLUSTER_DNS = "10.96.0.10";

/** As `answersOf`, of the cluster's own DNS: what a pod is answered. */
export async function answersInCluster(world: World, questions: readonly string[]): Promise<string> {
  const ended = await world.onNode(1, ["python3", "-c", program, CLUSTER_DNS, "3", ...questions]);
  if (ended.code !== 0) throw new CommandError(ended);
  return ended.stdout;
}

/** What answers say, by question: the code, the answers and what comes in addition, without what differs each time. */
export function readAnswers(said: string): Map<string, string> {
  return new Map(
    said.trim().split("\n").map((line) => {
      const [question = "", , hex = ""] = line.split(" ");
      const { rcode, answers, additionals } = parseMessage(Uint8Array.fromHex(hex));
      const code = rcode === 0 ? "" : rcode === 3 ? "NXDOMAIN" : `rcode ${rcode}`;
      const also = additionals.map((one) => `+ ${formatResource(one)}`);
      return [
        question,
        [code, ...answers.map(formatResource), ...also].filter(Boolean).sort().join("; ") || "no data",
      ];
    }),
  );
}

function formatResource(resource: Resource): string {
  const { name, type, data } = resource;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const named = [types.CNAME, types.PTR].some((one) => one === type);
  const value = named
    ? readName(data, 0).name
    : type === types.SRV
    ? `${view.getUint16(0)} ${view.getUint16(2)} ${view.getUint16(4)} ${readName(data, 6).name}`
    : addressIn(resource)?.text ?? `${type} ${data.toHex()}`;
  return `${name.toLowerCase()} ${value}`;
}
