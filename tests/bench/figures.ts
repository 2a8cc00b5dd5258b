/** What a figure is called, and which way is better. */
export interface Figure {
  readonly title: string;
  readonly unit: string;
  readonly better: "more" | "less";
}

const plain: Record<string, Figure> = {
  "kept-50": { title: "kept alive, 50 clients", unit: "req/s", better: "more" },
  "kept-1": { title: "kept alive, 1 client", unit: "req/s", better: "more" },
  "http2-50": { title: "HTTP/2, 50 clients", unit: "req/s", better: "more" },
  "http2-1": { title: "HTTP/2, 1 client", unit: "req/s", better: "more" },
  "new-50": { title: "new connections, 50 clients", unit: "conn/s", better: "more" },
  "r1000-u50": { title: "1,000 requests of 50 users", unit: "req/s", better: "more" },
  "r5000-u100": { title: "5,000 requests of 100 users", unit: "req/s", better: "more" },
  "r10000-u300": { title: "10,000 requests of 300 users", unit: "req/s", better: "more" },
  "up-1": { title: "one stream up", unit: "Mbit/s", better: "more" },
  "up-8": { title: "eight streams up", unit: "Mbit/s", better: "more" },
  "down-1": { title: "one stream down", unit: "Mbit/s", better: "more" },
  "down-8": { title: "eight streams down", unit: "Mbit/s", better: "more" },
  "to-laptop": { title: "one stream to the laptop", unit: "Mbit/s", better: "more" },
  "from-laptop": { title: "one stream from the laptop", unit: "Mbit/s", better: "more" },
  "pace-p50": { title: "p50 at 200 requests/s", unit: "ms", better: "less" },
  "pace-p99": { title: "p99 at 200 requests/s", unit: "ms", better: "less" },
  "kept-50-cpu": { title: "the laptop's CPU for 10,000 requests", unit: "s", better: "less" },
  "start-version": { title: "pmz version", unit: "ms", better: "less" },
  "start-status": { title: "pmz status, without a daemon", unit: "ms", better: "less" },
  "datagrams-100": { title: "datagrams of 100 bytes, 32 on the way", unit: "/s", better: "more" },
  "datagrams-1200": { title: "datagrams of 1,200 bytes, 32 on the way", unit: "/s", better: "more" },
  "exchange-p50": { title: "p50 of one exchange after the other", unit: "ms", better: "less" },
  "up-small": { title: "pmz up, the test cluster as it is", unit: "s", better: "less" },
  "up-large": { title: "pmz up, the cluster filled", unit: "s", better: "less" },
  "up-excess": { title: "what that is above 1.5 times the former", unit: "s", better: "less" },
  "up-received": { title: "bytes from the API server for it", unit: "MB", better: "less" },
  "up-daemon": { title: "the daemon's CPU for it", unit: "s", better: "less" },
  "up-apiserver": { title: "the API server's CPU for it", unit: "s", better: "less" },
  "rest-daemon": { title: "daemon in RAM, at rest", unit: "MiB", better: "less" },
  "rest-helper": { title: "helper in RAM, at rest", unit: "MiB", better: "less" },
  "churn-daemon": { title: "daemon in RAM, at most under churn", unit: "MiB", better: "less" },
  "churn-helper": { title: "helper in RAM, at most under churn", unit: "MiB", better: "less" },
  "quiet-cpu": { title: "daemon, nothing changes", unit: "cores", better: "less" },
  "touch-cpu": { title: "above that, 50 updates/s that change nothing", unit: "cores", better: "less" },
  "rollout-cpu": { title: "above that, a rollout of 500 pods in 28 s", unit: "cores", better: "less" },
  "touch-received": { title: "bytes from the API server at 50 updates/s", unit: "kB/s", better: "less" },
  "dns-quiet": { title: "p99 of a name, nothing changes", unit: "ms", better: "less" },
  "dns-touch": { title: "p99 of a name, 50 updates/s", unit: "ms", better: "less" },
  "dns-rollout": { title: "p99 of a name, rollout", unit: "ms", better: "less" },
  "new-quiet": { title: "p99 of a new connection, nothing changes", unit: "ms", better: "less" },
  "new-touch": { title: "p99 of a new connection, 50 updates/s", unit: "ms", better: "less" },
  "new-rollout": { title: "p99 of a new connection, rollout", unit: "ms", better: "less" },
  "new-rollout-times": { title: "times what it is when nothing changes", unit: "", better: "less" },
  "idle": { title: "memory of a further idle kept connection", unit: "KiB", better: "less" },
  "up-share": { title: "one stream up, of the link's rate", unit: "", better: "more" },
  "down-share": { title: "one stream down, of the link's rate", unit: "", better: "more" },
  "kept-trips": { title: "a kept-alive request", unit: "round trips", better: "less" },
  "new-trips": { title: "a new connection and its answer", unit: "round trips", better: "less" },
};

/**
 * What is known of a figure, of one at a distance too: "80ms/up-share".
 *
 * @throws {RangeError} for one that isn't known
 */
export function figureOf(name: string): Figure {
  const [, distance, local = name] = /^(\d+)ms\/(.*)$/.exec(name) ?? [];
  const found = plain[local];
  if (!found) throw new RangeError(`there is no figure called ${name}`);
  return distance === undefined ? found : { ...found, title: `${distance} ms: ${found.title}` };
}
