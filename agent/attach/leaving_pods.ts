import { type Candidate, findPods, isRunning } from "../../ffi/proc/pod_proc.ts";
import type { Log } from "../../wire/log.ts";

/** Milliseconds between looks: less than a runtime needs from the end of the last container until it removes the network. */
const LOOK_MS = 20;
/** Names of the sandbox process, which only holds the namespaces ("pod": OpenShift before 4). */
const sandboxes: ReadonlySet<string> = new Set(["pause", "pod"]);

/**
 * Notices when the application of a pod that is being deleted has ended. The kernel closes the application's connections
 * then, and relay has to reset its own: once the pod's network is removed, a reset can't reach their callers any more.
 */
export class LeavingPods implements Disposable {
  readonly #hostProc: string;
  readonly #log: Log;
  /** The processes of each pod that were running at the last look. */
  readonly #running = new Map<string, readonly Candidate[]>();
  #onEnded: (uid: string) => void = () => {};
  #failing = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(hostProc: string, log: Log) {
    this.#hostProc = hostProc;
    this.#log = log;
  }

  /**
   * Follows exactly these pods from now on.
   * @param onEnded called once for each pod whose application has ended; it is followed again when it is named again
   */
  follow(uids: ReadonlySet<string>, onEnded: (uid: string) => void): void {
    this.#onEnded = onEnded;
    for (const uid of this.#running.keys()) if (!uids.has(uid)) this.#running.delete(uid);
    for (const uid of uids) if (!this.#running.has(uid)) this.#running.set(uid, []);
    if (this.#running.size === 0) this[Symbol.dispose]();
    else this.#timer ??= setInterval(() => this.#tryLook(), LOOK_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Nothing above would catch an error; a process without free descriptors may have some a moment later. */
  #tryLook(): void {
    try {
      this.#look();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#log("warn", "can't look at pods that are being deleted", { error });
      this.#failing = true;
    }
  }

  /** Reads one file for each pod in most cases: it reads all processes only when the known ones have ended. */
  #look(): void {
    const quiet = [...this.#running].filter(([uid, processes]) => {
      const first = processes.findIndex((each) => this.#runs(each));
      if (first > 0) this.#running.set(uid, processes.slice(first)); // an ended process isn't read again
      return first < 0;
    });
    if (quiet.length === 0) return;
    const found = findPods(this.#hostProc, new Set(quiet.map(([uid]) => uid)));
    for (const [uid] of quiet) {
      const running = (found.get(uid) ?? []).filter(({ name }) => !sandboxes.has(name)).filter((each) =>
        this.#runs(each)
      );
      this.#running.set(uid, running);
      if (running.length > 0) continue;
      this.#running.delete(uid);
      this.#onEnded(uid);
    }
    if (this.#running.size === 0) this[Symbol.dispose]();
  }

  #runs(process: Candidate): boolean {
    return isRunning(this.#hostProc, process);
  }
}
