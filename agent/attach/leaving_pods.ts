import { type Candidate, findPods, isRunning } from "../../ffi/proc/pod_proc.ts";
import type { Log } from "../../wire/log.ts";

/** Milliseconds between looks: less than a runtime takes from the end of the last container to taking the network down. */
const LOOK_MS = 20;
/** What a pod's sandbox is called: it does nothing but hold the namespaces ("pod": OpenShift before 4). */
const sandboxes: ReadonlySet<string> = new Set(["pause", "pod"]);

/**
 * Notices when the application of a pod that is being deleted has ended. Its own connections are closed by that; those that relay has
 * would stay with their callers for good, as soon as the pod's network is down and a reset can't reach them any more.
 */
export class LeavingPods implements Disposable {
  readonly #hostProc: string;
  readonly #log: Log;
  /** What runs in each, as far as it was looked for. */
  readonly #running = new Map<string, readonly Candidate[]>();
  #onEnded: (uid: string) => void = () => {};
  #failing = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(hostProc: string, log: Log) {
    this.#hostProc = hostProc;
    this.#log = log;
  }

  /**
   * Follows exactly these from now on.
   * @param onEnded is told of each whose application has ended; then it isn't followed any more, until it's named here again
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

  /** Nobody above would catch what it throws; a process that is out of descriptors may not be a moment later. */
  #tryLook(): void {
    try {
      this.#look();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#log("warn", "can't look at pods that are being deleted", { error });
      this.#failing = true;
    }
  }

  /** Mostly reads one file for each pod: all processes are gone through only when those known have ended. */
  #look(): void {
    const quiet = [...this.#running].filter(([uid, processes]) => {
      const first = processes.findIndex((each) => this.#runs(each));
      if (first > 0) this.#running.set(uid, processes.slice(first)); // what has ended isn't looked at again
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
