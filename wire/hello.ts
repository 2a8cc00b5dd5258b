/**
 * Every protocol of pmz begins with a hello: which protocol, which version, which optional features. Two ends
 * agree on the lower version, if both still speak it, and on the features that both name.
 */
import { integer, list, NotValid, object, text } from "./schema.ts";
import { RELEASE } from "./version.ts";

/** Versions of a protocol: the newest that is spoken, and the oldest that still is. */
export interface ProtocolVersions {
  readonly newest: number;
  readonly oldest: number;
}

/** Versions by what they are versions of: "tunnel", "rules" (agent_versions.ts). */
export type SpokenVersions = Readonly<Record<string, ProtocolVersions>>;

/**
 * The protocols between pmz's processes, with the versions that this release speaks. Those that a laptop speaks with agents
 * are also on the agents' workloads (agent_versions.ts).
 */
export const protocolVersions = {
  control: { newest: 1, oldest: 1 },
  helper: { newest: 4, oldest: 4 },
  tunnel: { newest: 2, oldest: 1 },
  "reversed-tunnel": { newest: 2, oldest: 1 },
  handover: { newest: 2, oldest: 2 },
} as const satisfies Record<string, ProtocolVersions>;

export type ProtocolName = keyof typeof protocolVersions;

/** The first message of each end. */
export interface Hello {
  readonly protocol: ProtocolName;
  /** The newest version that this end speaks. */
  readonly version: number;
  /** The oldest version that this end still speaks. */
  readonly oldest: number;
  /** Optional abilities by name; unknown ones are ignored. */
  readonly features: readonly string[];
  /** The release of pmz, for messages only: it decides nothing. */
  readonly release: string;
}

/** This release's hello for a protocol; `changes` for another release or other features. */
export function helloOf(protocol: ProtocolName, changes: Partial<Hello> = {}): Hello {
  const { newest, oldest } = protocolVersions[protocol];
  return { protocol, version: newest, oldest, features: [], release: RELEASE, ...changes };
}

/** What two ends have agreed on. */
export interface Agreement {
  readonly version: number;
  readonly features: ReadonlySet<string>;
}

/** Two ends that have no version in common, or speak different protocols. */
export class HelloMismatch extends Error {
  override name = "HelloMismatch";
}

/**
 * Agrees on a version and features.
 * @throws {HelloMismatch} when there is no version in common; the message says which side is too old.
 */
export function agree(ours: Hello, theirs: Hello): Agreement {
  if (ours.protocol !== theirs.protocol) {
    throw new HelloMismatch(`the other side speaks "${theirs.protocol}", not "${ours.protocol}"`);
  }
  const version = Math.min(ours.version, theirs.version);
  if (version < ours.oldest) {
    throw new HelloMismatch(
      `the other side (pmz ${theirs.release}) is too old for this pmz ${ours.release}: update it`,
    );
  }
  if (version < theirs.oldest) {
    throw new HelloMismatch(
      `this pmz ${ours.release} is too old for the other side (pmz ${theirs.release}): update it`,
    );
  }
  const features = new Set(ours.features.filter((feature) => theirs.features.includes(feature)));
  return { version, features };
}

const version = integer("version", 0, 999_999);
const hello = object({
  protocol: text(64),
  version,
  oldest: version,
  features: list(text(64), 64),
  release: text(64),
});

/**
 * Parses a hello that another process sent.
 * @throws {HelloMismatch} when it isn't valid; the message names the field.
 */
export function parseHello(raw: unknown): Hello {
  try {
    const parsed = hello.parse(raw, "hello");
    return { ...parsed, protocol: parsed.protocol as ProtocolName }; // agree() compares it
  } catch (cause) {
    if (!(cause instanceof NotValid)) throw cause;
    throw new HelloMismatch(`the other side doesn't speak pmz's protocol: ${cause.message}`, { cause });
  }
}
