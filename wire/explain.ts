/** What `pmz explain` finds: a connection's way, hop by hop. */
import type { Finding } from "./finding.ts";

/** The hops of a connection, in the order in which it comes to them. */
export const hopNames = [
  "name",
  "programs",
  "proxy",
  "port",
  "endpoints",
  "address",
  "machine",
  "intercept",
  "tunnel",
  "dial",
  "policies",
  "ping",
  "browser",
] as const;

/** What was seen at one of them. */
export type Hop = Finding & {
  readonly hop: typeof hopNames[number];
  /** How long it took, where that was measured. */
  readonly ms?: number;
};

export interface Explanation {
  /** Host and port as they were followed: "echo.default.svc:80". */
  readonly target: string;
  readonly hops: readonly Hop[];
}

/** What the hops come to. */
export interface Verdict {
  readonly works: boolean;
  /** The first hop that keeps it from working, else the first one that doesn't work for all programs. */
  readonly because?: Extract<Hop, { readonly remedy: string }>;
}

/** Says whether a connection works, and the cause where it doesn't: what comes after the first failure follows from it. */
export function verdictOf(hops: readonly Hop[]): Verdict {
  const wrong = hops.filter((hop): hop is Extract<Hop, { remedy: string }> => "remedy" in hop);
  const failed = wrong.find(({ level }) => level === "failed");
  // Why the gateway's dial failed, or programs get no answer, may stand at another hop.
  const reason = failed?.hop === "dial"
    ? wrong.find(({ hop }) => isReasonOfDial(hop))
    : failed?.hop === "programs"
    ? wrong.find(({ hop, level }) => hop === "machine" && level === "failed") // it keeps names from them, too
    : undefined;
  const because = reason ?? failed ?? wrong[0];
  return { works: failed === undefined, ...because && { because } };
}

function isReasonOfDial(hop: Hop["hop"]): boolean {
  return hop === "port" || hop === "policies";
}
