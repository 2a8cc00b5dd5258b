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
