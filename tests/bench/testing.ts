import type { Run, Sample } from "./record.ts";

/** A sample with defaults. */
export function sample(row: string, figures: Record<string, number>, more: Partial<Sample> = {}): Sample {
  return { round: 1, row, probe: "kept-50", figures, cpu: {}, errors: 0, ...more };
}

/** A run on a cluster with these samples. */
export function runOf(samples: readonly Sample[], more: Partial<Run> = {}): Run {
  return {
    kind: "cluster",
    began: "2026-01-02T03:04:05.678Z",
    seconds: 61.2,
    facts: {
      cpu: "A processor",
      cores: 2,
      kernel: "6.18.0",
      memoryGib: 24,
      load: [0.5, 1, 2],
      deno: "2.9.6",
      commit: "abcdef0",
    },
    rounds: 3,
    quick: false,
    rows: [{ name: "port-forward", title: "kubectl port-forward" }, { name: "ours", title: "pmz up" }],
    samples,
    memory: [],
    ...more,
  };
}
