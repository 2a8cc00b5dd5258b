/** What main and worker have in common: it reads a file that lies beside it. */
export function shared(): string {
  return Deno.readTextFileSync(new URL("../greeting.txt", import.meta.url)).trim();
}
