/**
 * A query for a name of pmz's that a resolver has completed with a search domain: "echo.corp.example" on the way to "echo". The
 * laptop's nameservers decide whether there is such a name. When none of them answers there is none, so that a name of a cluster
 * doesn't wait for each search domain and each dead nameserver in turn.
 */
import { sleep } from "../../async/sleep.ts";
import { type Nameserver, NoAnswer, type UdpForwarder } from "./forward.ts";

/** Milliseconds that the nameserver that was asked has before the others are asked too. */
const FIRST_MS = 400;
/** Milliseconds that all of them have then. */
const OTHERS_MS = 600;
/** The same, where the one that was asked is known to be silent. */
const SILENT_MS = 250;

/** What the first nameserver answers; undefined when none does in time. */
export async function askForCompleted(
  query: Uint8Array,
  asked: Nameserver,
  others: readonly Nameserver[],
  forwarder: Pick<UdpForwarder, "ask" | "isSilent">,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const isSilent = forwarder.isSilent(asked);
  const ending = new AbortController();
  const ended = AbortSignal.any([signal, ending.signal]);
  const ask = (nameserver: Nameserver) => forwarder.ask(query, nameserver, ended);
  try {
    const first = ask(asked);
    const early = await within(first, isSilent ? 0 : FIRST_MS);
    if (early) return early;
    return await within(firstOf([first, ...others.map(ask)]), isSilent ? SILENT_MS : OTHERS_MS);
  } finally {
    ending.abort(new NoAnswer("overtaken", "another nameserver answered, or none did in time"));
  }
}

/** What a promise resolves with; undefined when it rejects, or not within so many milliseconds. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const ending = new AbortController();
  try {
    return await Promise.race([
      promise.catch(() => undefined),
      sleep(ms, ending.signal).then(() => undefined),
    ]);
  } finally {
    ending.abort();
  }
}

/** The first that resolves. It rejects when all do. */
function firstOf<T>(promises: readonly Promise<T>[]): Promise<T> {
  const first = Promise.any(promises);
  first.catch(() => {});
  return first;
}
