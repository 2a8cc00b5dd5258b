import type { Facts } from "./facts.ts";
import type { Size } from "./scale/filled_cluster.ts";

/** What a run of ./dev bench keeps, as its JSON file has it. */
export interface Run {
  readonly kind: Kind;
  /** ISO 8601. */
  readonly began: string;
  readonly seconds: number;
  readonly facts: Facts;
  readonly rounds: number;
  readonly quick: boolean;
  /** The ways that were measured, in the order of the table. */
  readonly rows: readonly { readonly name: string; readonly title: string }[];
  /** Every measurement of every round, as they were made. */
  readonly samples: readonly Sample[];
  readonly memory: readonly Memory[];
}

export const kinds = [
  "loopback",
  "cluster",
  "distance",
  "intercepts",
  "personal",
  "start",
  "udp",
  "scale",
] as const;
export type Kind = typeof kinds[number];

/** What is asked of a run. */
export interface Asked {
  readonly rounds: number;
  /** Short measurements. */
  readonly quick: boolean;
  /** The built file that is measured on the cluster. */
  readonly pmz: string;
  /** The checkout of another version, built, that is measured too: a way called "before". */
  readonly before?: string;
  /** The measurements that are made, by name ("up-1"); all where absent. */
  readonly only?: readonly string[];
  /** What the cluster is filled with, where that isn't the usual. */
  readonly size?: Size;
  /** Where CPU profiles of the programs on loopback go; none are made where it isn't given. */
  readonly profiles?: string;
}

/** One measurement of one way in one round. */
export interface Sample {
  readonly round: number;
  readonly row: string;
  readonly probe: string;
  /** By the name of the figure; empty where it failed. */
  readonly figures: Record<string, number>;
  /** CPU seconds of each part for 10,000 requests, or for a GiB. */
  readonly cpu: Record<string, number>;
  /** Requests that weren't answered. */
  readonly errors: number;
  /** Why there are no figures, or what the first error was. */
  readonly error?: string;
}

/** Memory in RAM while nothing but idle streams is there, in MiB by part. */
export interface Memory {
  readonly when: string;
  /** Idle streams that were open. */
  readonly streams: number;
  readonly mib: Record<string, number>;
}
