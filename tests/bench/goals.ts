import type { Kind } from "./record.ts";

/** What pmz is to reach, in the median of a run's rounds. */
export interface Goal {
  readonly kind: Kind;
  readonly figure: string;
  /** The way that is to reach it. */
  readonly row: string;
  /** The way whose figure of the same run it's a ratio to; the figure itself is the goal where there's none. */
  readonly over?: string;
  /** The way whose figure of the same run is subtracted from it, for what a detour adds. */
  readonly minus?: string;
  readonly goal: number;
  /** What other programs reached, measured on another day in the same way. */
  readonly others?: Readonly<Record<string, number>>;
}

/** Figures of two shared cores are noisy: what reaches this much of a goal has not missed it. */
export const TOLERANCE = 0.8;

const loopback = (figure: string, relay: number, http2: number | undefined): Goal[] => [
  { kind: "loopback", figure, row: "ours", over: "relay", goal: relay },
  ...http2 === undefined
    ? []
    : [{ kind: "loopback", figure, row: "ours", over: "http2", goal: http2 } as const],
];

const cluster = (figure: string, goal: number, original?: number, telepresence?: number): Goal => ({
  kind: "cluster",
  figure,
  row: "ours",
  over: "port-forward",
  goal,
  ...original === undefined || telepresence === undefined
    ? {}
    : { others: { "the Rust original": original, Telepresence: telepresence } },
});

/** Plain HTTP through the proxy, by clients that keep their connections or not. */
const proxied = (figure: string, goal: number): Goal => ({
  kind: "cluster",
  figure,
  row: "proxy",
  over: "port-forward",
  goal,
});

const distance = (figure: string, goal: number): Goal => ({ kind: "distance", figure, row: "ours", goal });

/** The way in is to be as fast as the way out, which crosses as many processes. */
const intercepts = (figure: string): Goal => ({
  kind: "intercepts",
  figure,
  row: "in",
  over: "out",
  goal: 0.95,
});

/** What costs to look at requests, held against a relay that looks at nothing, and against what people build otherwise. */
const personal = (figure: string): Goal[] => [
  { kind: "personal", figure, row: "others-1", over: "relay", goal: 0.8 },
  ...figure.startsWith("kept")
    ? [{ kind: "personal", figure, row: "others-1", over: "proxy", goal: 3 } as const]
    : [],
  { kind: "personal", figure, row: "others-100", over: "others-1", goal: 0.9 },
  { kind: "personal", figure, row: "matching-1", over: "whole", goal: 0.9 },
  { kind: "personal", figure, row: "matching-100", over: "matching-1", goal: 0.9 },
];

/** The same on the cluster, where relay has all of it: the one that looks at nothing is relay itself. */
const ruled = (figure: string): Goal[] => {
  const kind = "intercepts";
  return [
    { kind, figure, row: "others-1", over: "bare", goal: 0.8 },
    { kind, figure, row: "others-100", over: "others-1", goal: 0.9 },
    { kind, figure, row: "matching-1", over: "in", goal: 0.9 },
    { kind, figure, row: "matching-100", over: "matching-1", goal: 0.9 },
  ];
};

/** What a large cluster costs a laptop, next to what it cost when every change was computed for the whole cluster. */
const scale = (figure: string, goal: number): Goal => ({
  kind: "scale",
  figure,
  row: "ours",
  over: "before",
  goal,
});

export const goals: readonly Goal[] = [
  ...["up-1", "up-8", "down-1", "down-8"].flatMap((figure) => loopback(figure, 0.75, 2.5)),
  ...["kept-50", "kept-1"].flatMap((figure) => loopback(figure, 0.85, 1.8)),
  ...loopback("new-50", 0.85, undefined),

  cluster("kept-50", 3, 1.9, 0.8),
  cluster("kept-1", 1.1, 0.5, 0.5),
  cluster("new-50", 6, 4.4, 0.9),
  cluster("r1000-u50", 3, 2.4, 1.1),
  cluster("r5000-u100", 2.6, 2.0, 1.05),
  cluster("r10000-u300", 2.6, 0.3, 0.3),
  cluster("up-1", 1.0, 0.24, 0.33),
  cluster("down-1", 1.1, 1.0, 0.8),
  cluster("up-8", 1.3, 0.3, 0.2),
  cluster("down-8", 1.3, 1.0, 0.25),
  cluster("pace-p99", 1.0, 7.4, 1.6),
  cluster("kept-50-cpu", 0.3, 0.3, 1.26),
  proxied("kept-50", 2),
  proxied("kept-1", 0.9),
  proxied("new-50", 2),
  proxied("kept-50-cpu", 0.45),

  ...["20ms", "80ms"].flatMap((far) => [
    distance(`${far}/up-share`, 0.9),
    distance(`${far}/down-share`, 0.9),
    distance(`${far}/kept-trips`, 1),
    distance(`${far}/new-trips`, 1),
  ]),

  ...["kept-50", "kept-1", "new-50", "to-laptop", "from-laptop"].map(intercepts),
  { kind: "intercepts", figure: "pace-p50", row: "relay", minus: "pod", goal: 0.3 },

  ...["kept-50", "kept-1", "http2-50", "http2-1"].flatMap(ruled),
  { kind: "intercepts", figure: "pace-p99", row: "others-1", minus: "pod", goal: 0.5 },

  ...["kept-50", "kept-1", "http2-50", "http2-1"].flatMap(personal),
  { kind: "personal", figure: "pace-p99", row: "others-1", minus: "direct", goal: 0.5 },
  { kind: "personal", figure: "idle", row: "others-1", goal: 16 },

  ...["start-version", "start-status"].flatMap((figure) => [
    { kind: "start", figure, row: "ours", over: "before", goal: 0.5 } as const,
    { kind: "start", figure, row: "ours", over: "empty", goal: 1.5 } as const,
  ]),
  ...["datagrams-100", "datagrams-1200"].map((figure): Goal => ({
    kind: "loopback",
    figure,
    row: "ours",
    over: "relays",
    goal: 0.7,
  })),
  { kind: "loopback", figure: "exchange-p50", row: "ours", over: "tcp", goal: 1.2 },
  { kind: "udp", figure: "datagrams-100", row: "ours", over: "relays", goal: 0.7 },
  { kind: "udp", figure: "datagrams-1200", row: "ours", over: "relays", goal: 0.7 },
  { kind: "udp", figure: "exchange-p50", row: "ours", over: "tcp", goal: 1.2 },

  { kind: "scale", figure: "up-excess", row: "ours", goal: 2 },
  scale("up-received", 0.05),
  scale("touch-cpu", 0.02),
  scale("rollout-cpu", 0.067),
  { kind: "scale", figure: "new-rollout-times", row: "ours", goal: 2 },
  { kind: "scale", figure: "dns-rollout", row: "ours", goal: 20 },
  ...["rest-daemon", "rest-helper", "churn-daemon", "churn-helper"].map((figure) => scale(figure, 0.25)),
];
