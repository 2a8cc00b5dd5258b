/**
 * Which versions a laptop and an installed agent have to have in common. People with different releases of pmz share the
 * agents of a cluster, so these decide whether an agent is kept, may be updated, or can't be spoken with.
 *
 * `handover` isn't among them: both its ends are in one pod, and are replaced together.
 */
import { protocolVersions, type SpokenVersions } from "./hello.ts";
import type { Component } from "./installer.ts";
import { ruleVersions } from "./intercept.ts";

/** What this release speaks with each component, and what its own agents speak. */
export const agentVersions: Readonly<Record<Component, SpokenVersions>> = {
  gateway: { tunnel: protocolVersions.tunnel },
  node: { "reversed-tunnel": protocolVersions["reversed-tunnel"], rules: ruleVersions },
};

/** Versions as the agents' annotation has them: "reversed-tunnel=1-1,rules=2-1", the newest first. */
export function formatVersions(versions: SpokenVersions): string {
  return Object.entries(versions).map(([name, { newest, oldest }]) => `${name}=${newest}-${oldest}`).join();
}

/** Parses what {@linkcode formatVersions} wrote; what isn't valid is left out. */
export function parseVersions(text: string): SpokenVersions {
  const entries = text.split(",").flatMap((part) => {
    const match = /^([a-z-]{1,64})=([0-9]{1,6})-([0-9]{1,6})$/.exec(part);
    return match?.[1] === undefined
      ? []
      : [[match[1], { newest: Number(match[2]), oldest: Number(match[3]) }] as const];
  });
  return Object.fromEntries(entries);
}

/** Whether two have a version of everything in common; if not, whether the agent is older or newer than `ours`. */
export type Fit = "fits" | "older" | "newer";

/** Compares an agent's versions with ours. An agent that doesn't say its versions is older. */
export function fitOf(theirs: SpokenVersions, ours: SpokenVersions): Fit {
  const fits = Object.entries(ours).map(([name, { newest, oldest }]): Fit => {
    const their = theirs[name];
    if (!their || their.newest < oldest) return "older";
    return their.oldest > newest ? "newer" : "fits";
  });
  // To update pmz is right for one who is behind in anything.
  return fits.find((fit) => fit === "newer") ?? fits.find((fit) => fit === "older") ?? "fits";
}

/**
 * Whether our agent may take the place of theirs without a question of force: it speaks something newer, and everything
 * that theirs speaks. So it serves every laptop that theirs serves, and of two agents never each may replace the other.
 */
export function isSuccessor(ours: SpokenVersions, theirs: SpokenVersions): boolean {
  return speaksAll(ours, theirs) && !speaksAll(theirs, ours);
}

/** Whether `ours` has every version of `theirs`. */
export function speaksAll(ours: SpokenVersions, theirs: SpokenVersions): boolean {
  return Object.entries(theirs).every(([name, { newest, oldest }]) => {
    const our = ours[name];
    return our !== undefined && our.oldest <= oldest && our.newest >= newest;
  });
}
