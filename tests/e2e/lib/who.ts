import type { Caller } from "./caller.ts";

/** Which server answered each of these requests (options of curl), all of one kept connection: a laptop by its name, or "pod". */
export async function who(caller: Caller, ...requests: string[]): Promise<string[]> {
  const one = (options: string) =>
    `-s -m 5 ${options.includes("http") ? options : `${options} http://echo/`}`;
  const script = `curl ${requests.map(one).join(" -: ")}`;
  const { stdout } = await caller.run(script);
  return [...stdout.matchAll(/"pod":"([^"]*)"/g)].map(([, pod = ""]) => pod.replace(/^echo-.*/, "pod"));
}
