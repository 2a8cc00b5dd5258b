/** What a process holds. */
export interface Usage {
  readonly descriptors: number;
  readonly threads: number;
  /** MiB in RAM. */
  readonly rss: number;
  /** Cores that it uses while nothing is asked of it: timers and tasks that were left show there. */
  readonly idle: number;
}

/** What may be more afterwards: a connection that is kept, a thread of a pool, memory that V8 hasn't given back. */
const MORE = { descriptors: 6, threads: 4, rssMib: 96, rssShare: 0.5, idle: 0.03 } as const;

/** What processes hold more than before, in words, beyond what may be; of those that are there both times. */
export function leaks(before: ReadonlyMap<string, Usage>, after: ReadonlyMap<string, Usage>): string[] {
  return [...after].flatMap(([name, now]) => {
    const then = before.get(name);
    if (!then) return [];
    const most = {
      descriptors: then.descriptors + MORE.descriptors,
      threads: then.threads + MORE.threads,
      rss: then.rss + Math.max(MORE.rssMib, then.rss * MORE.rssShare),
      idle: then.idle + MORE.idle,
    };
    return (["descriptors", "threads", "rss", "idle"] as const).flatMap((what) =>
      now[what] > most[what]
        ? [`${name}: ${words[what]} ${rounded(then[what])} -> ${rounded(now[what])}`]
        : []
    );
  });
}

const words = {
  descriptors: "descriptors",
  threads: "threads",
  rss: "MiB in RAM",
  idle: "cores while nothing is asked",
} as const;

function rounded(value: number): string {
  return String(Math.round(value * 100) / 100);
}
