/** `pmz intercept --mine`: of this machine's own connections alone. */
import type { RequestOf } from "../wire/control.ts";
import { failure } from "./failure.ts";
import { curlLine, takesWords } from "./match_words.ts";
import type { HeldTerms } from "./held.ts";
import type { Cli } from "./session.ts";
import type { LocalEnd, ServiceName } from "./values.ts";

interface MineOptions {
  readonly service: ServiceName;
  readonly local: LocalEnd;
  readonly namespace: string | undefined;
  readonly context: string | undefined;
}

/** @param match what the matchers say: nothing, or it is refused */
export async function interceptMine(
  cli: Cli,
  { service, local, namespace, context }: MineOptions,
  match: Pick<RequestOf<"intercept">, "match" | "domain" | "personal" | "mirror">,
  ttl: number | undefined,
  held?: HeldTerms,
): Promise<void> {
  const { terminal = cli.terminal } = held ?? {};
  if (match.mirror) {
    throw failure(
      "usage",
      "--mine doesn't mirror: its connections reach no pod",
      "leave out --mirror or --mine",
    );
  }
  if (Object.keys(match).length > 0) {
    throw failure(
      "usage",
      "--mine takes whole connections: it can't be combined with a matcher",
      "leave out the matcher, or leave out --mine",
    );
  }
  const daemon = await cli.daemon();
  const entry = await cli.follow(daemon, "intercept", {
    ...(context === undefined ? {} : { context }),
    ...(namespace === undefined ? {} : { namespace }),
    service: service.service,
    local: { host: local.host, port: local.local },
    ...(local.port === undefined ? {} : { port: local.port }),
    mine: true,
    ...(ttl === undefined ? {} : { ttl }),
    install: false,
    ...(held === undefined ? {} : { hold: await held.hold() }),
  });
  const { clusters, proxy } = await daemon.ask("status");
  const isCaptured = clusters.some((one) => one.cluster.context === entry.cluster && one.mode === "capture");
  terminal.json("InterceptList", { items: [entry] });
  terminal.print({ text: entry.id, style: "bold" }, ` -> ${entry.local}`);
  terminal.print(`takes: ${takesWords(entry)}; all others reach the pods`);
  terminal.print(`try it: ${curlLine(entry, isCaptured, isCaptured ? undefined : proxy)}`);
  for (const problem of entry.problems) terminal.warn(problem);
  const ends = entry.until === undefined ? "" : ` (it ends by itself at ${entry.until})`;
  if (held === undefined) terminal.tell(`to end it: pmz leave ${entry.id}${ends}`);
}
