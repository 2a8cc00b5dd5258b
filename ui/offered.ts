/** The commands that the page may run, each with the options that it may give. Everything else is for a terminal. */
const offered: ReadonlyMap<string, ReadonlySet<string>> = new Map(Object.entries({
  intercept: new Set([
    "--context",
    "--confirm",
    "--yes",
    "--domain",
    "--host",
    "--header",
    "--path",
    "--cookie",
    "--method",
    "--grpc",
    "--from",
    "--personal",
    "--mine",
    "--mirror",
    "--ttl",
  ]),
  leave: new Set(["--all", "--context"]),
  "dns add": new Set(["--context"]),
  "dns remove": new Set<string>(),
  down: new Set(["--context"]),
}));

/**
 * Whether the page may run a command line, `words` without "pmz". Files, kubeconfigs (which name programs) and images are none of
 * the page's business: a word that begins with a hyphen is one of the command's options above, or the line isn't run.
 */
export function isOffered(words: readonly string[]): boolean {
  const command = [2, 1].map((count) => words.slice(0, count).join(" ")).find((one) => offered.has(one));
  const options = command === undefined ? undefined : offered.get(command);
  if (command === undefined || options === undefined) return false;
  return words.slice(command.split(" ").length).every((word) =>
    !word.startsWith("-") || options.has(word.split("=", 1)[0] ?? "")
  );
}
