import type { Laptop, Person } from "./laptop.ts";

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
