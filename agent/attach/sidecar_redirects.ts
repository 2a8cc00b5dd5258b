import type { Redirect } from "../../ffi/netfilter/chains.ts";
import { Redirects } from "../../ffi/netfilter/redirects.ts";
import { type Clock, systemClock } from "../../async/clock.ts";

/** Milliseconds for which an answer holds: a pod's rules are made while it starts. */
const FRESH_MS = 1_000;

/**
 * Istio's and Kuma's sidecars take inbound connections on this port, and dial the application from 127.0.0.6: these connections are
 * steered (bpf/intercept.bpf.c).
 */
const PASSED_ON = 15_006;

/** Whose the ports are to which well-known sidecars have connections led. */
const sidecars: Readonly<Record<number, string>> = {
  4143: "Linkerd's sidecar: the annotation config.linkerd.io/skip-inbound-ports leaves a port out",
  20_000:
    "Consul's sidecar: the annotation consul.hashicorp.com/transparent-proxy-exclude-inbound-ports leaves a port out",
};

/** What tells where a port's connections are led. */
type Led = Pick<Redirects, "of"> & Disposable;

/**
 * Finds ports whose connections a packet filter of the pod leads to another port, so that no steering of theirs ever sees one: a
 * sidecar takes them there, and passes them on from inside the pod.
 */
export class SidecarRedirects implements Disposable {
  readonly #redirects: Led | undefined;
  readonly #clock: Clock;
  readonly #known = new Map<number, { readonly at: number; readonly why: string | undefined }>();

  /** To be made in the pod's network namespace. Where its packet filter can't be read, no port counts as led elsewhere. */
  constructor(
    legacyTables: (family: 4 | 6) => readonly string[],
    open: (legacyTables: (family: 4 | 6) => readonly string[]) => Led = (names) => new Redirects(names),
    clock: Clock = systemClock,
  ) {
    this.#clock = clock;
    try {
      this.#redirects = open(legacyTables);
    } catch {
      this.#redirects = undefined;
    }
  }

  /** Why a port's connections can't be steered, for people. */
  keeps(port: number): string | undefined {
    const now = this.#clock.now();
    const known = this.#known.get(port);
    if (known && now - known.at < FRESH_MS) return known.why;
    const led = this.#led(port);
    const why = led && led.port !== PASSED_ON ? reason(port, led) : undefined;
    this.#known.set(port, { at: now, why });
    return why;
  }

  #led(port: number): Redirect | undefined {
    try {
      return this.#redirects?.of(port);
    } catch {
      return undefined; // the pod has ended
    }
  }

  [Symbol.dispose](): void {
    this.#redirects?.[Symbol.dispose]();
  }
}

function reason(port: number, { how, port: to }: Redirect): string {
  const whose = sidecars[to] ?? "a sidecar's, as it seems: leave the port out there";
  return `the pod leads connections to its port ${port} to its port ${to} first (${how}), from where they don't come to the ` +
    `node agent (${whose})`;
}
