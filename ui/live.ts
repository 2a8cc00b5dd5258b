import { onAbort } from "../async/abort.ts";
import { type Clock, systemClock } from "../async/clock.ts";
import { sleep } from "../async/sleep.ts";
import type { ServiceEntry } from "../wire/control.ts";
import { cleaned } from "./cleaned.ts";
import { type Directory, noticeOf, type Source } from "./daemon_source.ts";
import { EndedFlows } from "./ended_flows.ts";
import { directoryView, flowsView, flowView, interceptsView, statusView } from "./view.ts";

/** Milliseconds between two looks: at what changes by the second, and at what the cluster is asked for. */
const LOOK_MS = 2_000;
const DIRECTORY_MS = 30_000;
/** A look that takes long is followed by a pause of this many times as long, so that looking takes 2 % of the time at most. */
const PAUSES = 50;
/** Milliseconds between two events of a tab with flows that ended: a busy laptop has thousands a second. */
const FLOWS_MS = 500;
/** Milliseconds of silence until a tab gets a sign of life, by which one that is gone is noticed. */
const HEARTBEAT_MS = 20_000;

/** An event of a tab's stream, its data as JSON; `heartbeat` has none. */
export interface LiveEvent {
  readonly name: "status" | "intercepts" | "flows" | "directory" | "ended" | "heartbeat";
  readonly data?: string;
}
type Section = Exclude<LiveEvent["name"], "ended" | "heartbeat">;

export interface LiveParts {
  /** @param signal ends what it follows */
  source(signal: AbortSignal): Source;
  readonly clock?: Clock;
  /** Milliseconds since 1970. */
  now?(): number;
}

/**
 * What all tabs see. The daemon is asked once for all of them, and only while at least one tab waits for news: without an open tab,
 * and with tabs that don't read, nothing is asked. A slow tab has no queue: it gets the latest of each section when it reads.
 */
export class Live {
  readonly #parts: LiveParts;
  readonly #clock: Clock;
  readonly #sections = new Map<Section, { readonly data: string; readonly version: number }>();
  readonly #ended = new EndedFlows();
  #version = 0;
  #tabs = 0;
  #waiting = 0;
  #watch: AbortController | undefined;
  #news = Promise.withResolvers<void>();
  #wanted = Promise.withResolvers<void>();
  /** The pauses between looks. */
  readonly #pauses = new Set<AbortController>();
  #refreshes = 0;
  #contexts: string | undefined;
  #directory: { readonly entries: readonly ServiceEntry[]; readonly revision: number } | undefined;

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
  }

  /** The Services of the last look; of one that is made now while no tab is open. @throws as the source does */
  async services(): Promise<readonly ServiceEntry[]> {
    if (this.#directory) return this.#directory.entries;
    const signal = AbortSignal.timeout(DIRECTORY_MS);
    return (await this.#parts.source(signal).directory()).services;
  }

  /** Looks again at once: a command has changed something. */
  refresh(): void {
    this.#refreshes++; // for looks that are under way
    for (const pause of this.#pauses) pause.abort();
  }

  /** What a tab is told until the signal aborts: all sections, then each that changes, and flows that ended. */
  async *events(signal: AbortSignal): AsyncGenerator<LiveEvent> {
    if (this.#tabs++ === 0) this.#start();
    try {
      yield* this.#told(signal);
    } finally {
      if (--this.#tabs === 0) this.#stop();
    }
  }

  async *#told(signal: AbortSignal): AsyncGenerator<LiveEvent> {
    const told = new Map<Section, number>();
    let next = this.#ended.next, flowsAt = -Infinity;
    while (!signal.aborted) {
      const news = this.#news.promise;
      for (const [name, { data, version }] of this.#sections) {
        if (told.get(name) === version) continue;
        told.set(name, version);
        yield { name, data };
      }
      const due = flowsAt + FLOWS_MS - this.#clock.now();
      const isBehind = this.#ended.next > next;
      if (isBehind && due <= 0) {
        const { view, upTo } = this.#ended.since(next);
        next = upTo;
        flowsAt = this.#clock.now();
        yield { name: "ended", data: JSON.stringify(view) };
        continue;
      }
      if (signal.aborted) return;
      const isNews = await this.#wait(news, isBehind ? due : HEARTBEAT_MS, signal);
      if (!isNews && !isBehind && !signal.aborted) yield { name: "heartbeat" };
    }
  }

  /** Waits for news. The daemon is asked only while a tab waits here. @returns false where there was none for `ms` */
  async #wait(news: Promise<void>, ms: number, signal: AbortSignal): Promise<boolean> {
    this.#waiting++;
    this.#wanted.resolve();
    const over = new AbortController();
    using _following = onAbort(signal, () => over.abort());
    try {
      return await Promise.race([
        news.then(() => true),
        sleep(ms, over.signal, this.#clock).then(() => false),
      ]);
    } finally {
      over.abort();
      if (--this.#waiting === 0) this.#wanted = Promise.withResolvers();
    }
  }

  #start(): void {
    const { signal } = this.#watch = new AbortController();
    const source = this.#parts.source(signal);
    this.#repeat(LOOK_MS, PAUSES, () => this.#look(source, signal), signal);
    this.#repeat(DIRECTORY_MS, PAUSES, () => this.#lookAtDirectory(source, signal), signal);
    this.#repeat(LOOK_MS, 0, () => this.#follow(source), signal);
  }

  #stop(): void {
    this.#watch?.abort();
    this.#wanted.resolve();
    this.#wanted = Promise.withResolvers();
    this.#sections.clear();
    this.#directory = this.#contexts = undefined;
  }

  /** Works again and again, with a pause of `ms`, or of `pauses` times as long as the work took. */
  async #repeat(ms: number, pauses: number, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#wanted.promise;
      if (signal.aborted) return;
      const before = this.#refreshes;
      const begun = this.#clock.now();
      await work();
      if (this.#refreshes === before) {
        await this.#pause(Math.max(ms, pauses * (this.#clock.now() - begun)), signal);
      }
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    using _following = onAbort(signal, () => over.abort());
    this.#pauses.add(over);
    await sleep(ms, over.signal, this.#clock);
    this.#pauses.delete(over);
  }

  /** @param signal aborts once nothing is to be told any more */
  async #look(source: Source, signal: AbortSignal): Promise<void> {
    try {
      const { status, intercepts, flows, protect } = await source.snapshot();
      if (signal.aborted) return;
      this.#notice(status.clusters.map(({ cluster }) => cluster.context).join());
      this.#tell("status", statusView(status, protect));
      this.#tell("intercepts", interceptsView(intercepts, this.#parts.now?.() ?? Date.now()));
      this.#tell("flows", flowsView(flows));
    } catch (error) {
      if (signal.aborted) return;
      this.#notice("");
      this.#tell("status", { why: noticeOf(error), clusters: [], warnings: [] });
      this.#tell("intercepts", interceptsView([], 0));
      this.#tell("flows", flowsView([]));
    }
  }

  /** Other clusters are connected than before: they have other Services. */
  #notice(contexts: string): void {
    if (this.#contexts !== undefined && this.#contexts !== contexts) this.refresh();
    this.#contexts = contexts;
  }

  async #lookAtDirectory(source: Source, signal: AbortSignal): Promise<void> {
    const { services, names }: Directory = await source.directory().catch(() => ({
      services: [],
      names: [],
    }));
    if (signal.aborted) return;
    const before = this.#directory;
    const isSame = before !== undefined && JSON.stringify(before.entries) === JSON.stringify(services);
    const revision = isSame ? before.revision : (before?.revision ?? 0) + 1;
    this.#directory = { entries: services, revision };
    this.#tell("directory", directoryView(services, names, revision));
  }

  /** Follows flows until the daemon ends. */
  async #follow(source: Source): Promise<void> {
    try {
      for await (const event of source.flows()) {
        if ("missed" in event) this.#ended.miss(event.missed);
        else this.#ended.add(cleaned(flowView(event.flow)));
        this.#say();
      }
    } catch {
      // The next look says why.
    }
  }

  #tell(name: Section, view: unknown): void {
    const data = JSON.stringify(cleaned(view));
    if (this.#sections.get(name)?.data === data) return;
    this.#sections.set(name, { data, version: ++this.#version });
    this.#say();
  }

  #say(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
