/** A function, and what share of the busy time went into its own code. */
export interface Hot {
  /** Its name, file and line. */
  readonly where: string;
  /** Of 1. */
  readonly share: number;
}

/** What V8 calls time in which nothing ran. */
const IDLE = new Set(["(idle)", "(root)"]);

interface Node {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

interface Profile {
  readonly nodes: readonly Node[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/**
 * The functions that took the most time by themselves, from a profile of V8's (`deno run --cpu-prof`).
 *
 * @throws {Error} where it's none
 */
export function hottest(json: string, most: number): Hot[] {
  const { nodes, samples, timeDeltas } = parse(json);
  const names = new Map(nodes.map((node) => [node.id, where(node)]));
  const spent = new Map<string, number>();
  let all = 0;
  samples.forEach((id, i) => {
    const name = names.get(id) ?? "(unknown)";
    if (IDLE.has(name)) return;
    const delta = timeDeltas[i] ?? 0;
    all += delta;
    spent.set(name, (spent.get(name) ?? 0) + delta);
  });
  return [...spent].sort(([, one], [, other]) => other - one).slice(0, most)
    .map(([where, time]) => ({ where, share: time / all }));
}

function where({ callFrame: { functionName, url, lineNumber } }: Node): string {
  const name = functionName || "(anonymous)";
  const file = url.split("/").slice(-2).join("/");
  return file === "" ? name : `${name} ${file}:${lineNumber + 1}`;
}

function parse(json: string): Profile {
  const value: unknown = JSON.parse(json);
  const isProfile = typeof value === "object" && value !== null && "nodes" in value && "samples" in value &&
    "timeDeltas" in value && [value.nodes, value.samples, value.timeDeltas].every(Array.isArray);
  if (!isProfile) throw new Error("this is no CPU profile of V8's");
  return value as unknown as Profile; // checked above as far as it can go wrong
}
